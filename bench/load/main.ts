/**
 * The load generator's process: one run as its arguments say, one line of JSON on standard output.
 * It is a process of its own so that it can be pinned to a core and cannot disturb what it measures.
 */

import { runMessages } from './generator.ts';
import { runIdle } from './idle.ts';
import { parseLoadArguments } from './options.ts';
import { runRetained } from './retained.ts';

const options = parseLoadArguments(process.argv.slice(2));
const runs = { messages: runMessages, idle: runIdle, retained: runRetained };
const result = await runs[options.mode](options);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
