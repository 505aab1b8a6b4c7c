/**
 * The thread in which modules are compiled. The engine takes as long as it likes, which no bound on bytes bounds well, and compiles a
 * function only when it is first called: so the thread calls each of them, without fuel, and what it sends has nothing left to
 * compile. A thread that is terminated ends when the function that it is at is compiled, and is waited for by nobody but the next.
 */
import { Worker } from 'node:worker_threads';
import { CALL_EXPORT } from './abi.ts';
import type { Refusal } from './refusal.ts';
import type { CompiledModule } from './sandbox.ts';

/** Of its JavaScript, which is next to nothing; a module has memory of its own. */
const MAX_HEAP_MIB = 64;

const CODE = `
const { createHash } = require('node:crypto');
const { parentPort } = require('node:worker_threads');
// Each call ends as an error, whose way here nobody wants to know.
Error.stackTraceLimit = 0;
const refused = (reason, detail) => ({ ok: false, reason, detail });
const text = (error) => String(error && error.message).slice(0, 200);
function compiled({ given, metered, functions }) {
  if (!WebAssembly.validate(given)) return refused('invalid', 'the engine finds its types do not fit');
  if (!WebAssembly.validate(metered)) return refused('invalid', 'not valid after fuel was put in');
  let module;
  let exports;
  try {
    module = new WebAssembly.Module(metered);
  } catch (error) {
    return refused('invalid', text(error));
  }
  try {
    ({ exports } = new WebAssembly.Instance(module, { env: { abort() {} } }));
  } catch (error) {
    return refused('instantiation', text(error));
  }
  for (let i = 0; i < functions; i++) {
    try {
      exports[${JSON.stringify(CALL_EXPORT)}](i);
    } catch {}
  }
  return { ok: true, module, sha256: createHash('sha256').update(given).digest('hex') };
}
parentPort.on('message', (job) => parentPort.postMessage(compiled(job)));
`;

/** Its memory goes to the thread. */
export interface CompileJob {
  readonly given: Uint8Array<ArrayBuffer>;
  readonly metered: Uint8Array<ArrayBuffer>;
  /** How many the module has of its own. */
  readonly functions: number;
}

export type CompileAnswer =
  | { readonly ok: true; readonly module: CompiledModule; readonly sha256: string }
  | Refusal;

export interface CompileThread {
  /** One job at a time. */
  run(job: CompileJob): Promise<CompileAnswer>;
  /** `why` is the answer to what it does. Resolves when it has ended, which it does behind the function that it compiles. */
  end(why: Refusal): Promise<void>;
}

export function startCompileThread(): CompileThread {
  const worker = new Worker(CODE, {
    eval: true,
    // Nothing of the environment, nor what is loaded into every process, is needed there.
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
  });
  let answered: ((answer: CompileAnswer) => void) | undefined;
  const answer = (given: CompileAnswer): void => {
    const to = answered;
    answered = undefined;
    // An idle thread does not keep a process.
    worker.unref();
    to?.(given);
  };
  const failed = (error: Error): void =>
    answer({ ok: false, reason: 'compiler', detail: `the compiler ended: ${error.message}` });
  worker.on('message', answer);
  worker.on('messageerror', failed);
  worker.on('error', failed);
  worker.on('exit', () => failed(new Error('nobody knows why')));
  return {
    run(job) {
      worker.ref();
      return new Promise((resolve) => {
        answered = resolve;
        worker.postMessage(job, [job.given.buffer, job.metered.buffer]);
      });
    },
    async end(why) {
      answer(why);
      await worker.terminate();
    },
  };
}
