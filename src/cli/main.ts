#!/usr/bin/env node
/** The robustmq command. What its verbs are is in program.ts; this file only connects them to the process. */
import * as module from 'node:module';
import { processIo } from './io.ts';
import { run } from './program.ts';

// Node has it from 22.1 on: what the verb loads is compiled once, and not at every start.
if ('enableCompileCache' in module && typeof module.enableCompileCache === 'function')
  module.enableCompileCache();

// Whoever read our output has enough of it (`| head`): that is a normal end, also for a person watching stderr.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
}

// The process ends by itself when output has been flushed and sockets are closed.
process.exitCode = await run(process.argv.slice(2), processIo);
