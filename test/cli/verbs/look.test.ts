import { LOOK } from './rows/look.ts';
import { testVerbs } from './verb-row.ts';

testVerbs(LOOK);
