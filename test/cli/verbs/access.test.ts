import { ACCESS } from './rows/access.ts';
import { testVerbs } from './verb-row.ts';

testVerbs(ACCESS);
