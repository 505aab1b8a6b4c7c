import { CHANGE } from './rows/change.ts';
import { testVerbs } from './verb-row.ts';

testVerbs(CHANGE);
