import { LOOK_RECORDS } from './rows/look-records.ts';
import { testVerbs } from './verb-row.ts';

testVerbs(LOOK_RECORDS);
