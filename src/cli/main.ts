#!/usr/bin/env node
/** The robustmq command. What its verbs are is in program.ts; this file only connects them to the process. */
import { writeSync } from 'node:fs';
import * as module from 'node:module';
import { ExitCode } from './exit-codes.ts';
import { processIo } from './io.ts';
import { run } from './program.ts';
import { systemReason } from './read-config.ts';

// Node has it from 22.1 on: what the verb loads is compiled once, and not at every start.
if ('enableCompileCache' in module && typeof module.enableCompileCache === 'function')
  module.enableCompileCache();

// Whoever read our output has enough of it (`| head`): that is a normal end, also for a person watching stderr.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    // To the file itself: nothing more is read from a stream that has failed, and the process ends here.
    if (stream === process.stdout)
      writeFallibly(`robustmq: cannot write standard output: ${systemReason(error)}\n`);
    process.exit(ExitCode.Failed);
  });
}

function writeFallibly(text: string): void {
  try {
    writeSync(process.stderr.fd, text);
  } catch {
    // Nobody is left to tell.
  }
}

// The process ends by itself when output has been flushed and sockets are closed.
process.exitCode = await run(process.argv.slice(2), processIo);
