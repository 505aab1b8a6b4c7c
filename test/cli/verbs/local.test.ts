import { LOCAL } from './rows/local.ts';
import { testVerbs } from './verb-row.ts';

testVerbs(LOCAL);
