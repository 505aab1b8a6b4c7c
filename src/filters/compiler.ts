/**
 * Makes what may run out of the bytes that a user sent. The pass over them goes in turns of the event loop, and the engine works
 * in a thread, one module after the other, each for a limited time: whatever a module is like, the event loop stands still for a
 * millisecond or two at a time. More modules than may wait are refused.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../kernel/clock.ts';
import {
  type CompileAnswer,
  type CompileJob,
  type CompileThread,
  startCompileThread,
} from './compile-thread.ts';
import { DEFAULT_MODULE_LIMITS, type ModuleLimits } from './limits.ts';
import { type Metered, meterSteps } from './meter.ts';
import type { Refusal, RefusalReason } from './refusal.ts';
import type { CompiledModule } from './sandbox.ts';

/** A module that may run; one for all workers, to which it can be posted. */
export interface CompiledFilter {
  readonly ok: true;
  readonly name: string;
  readonly version: string;
  /** Of the bytes as the user gave them, in hexadecimal digits. */
  readonly sha256: string;
  /** All of its functions are compiled. */
  readonly module: CompiledModule;
  readonly functions: number;
  readonly memoryPages: { readonly initial: number; readonly maximum: number };
  readonly bytes: { readonly given: number; readonly metered: number };
}

export interface FilterCompilerOptions {
  readonly clock: Clock;
  readonly limits?: ModuleLimits;
  /** Of the engine, for one module. */
  readonly timeLimitMs?: number;
  /** Modules that wait for others; each is kept in memory. */
  readonly maxWaiting?: number;
  /** The thread ends when it had nothing to do for so long. */
  readonly idleMs?: number;
}

export interface FilterCompiler {
  /** The bytes are copied at once. */
  compile(name: string, version: string, bytes: Uint8Array): Promise<CompiledFilter | Refusal>;
  /** Ends the thread; what is compiled or waits is refused. */
  close(): Promise<void>;
}

/** How long the pass goes on before others have their turn. */
const TURN_MS = 1;

const refusal = (reason: RefusalReason, detail: string): Refusal => ({ ok: false, reason, detail });
const CLOSED = refusal('compiler', 'it was closed');

export function createFilterCompiler(options: FilterCompilerOptions): FilterCompiler {
  const {
    clock,
    limits = DEFAULT_MODULE_LIMITS,
    timeLimitMs = 5000,
    maxWaiting = 8,
    idleMs = 10_000,
  } = options;
  let thread: CompileThread | undefined;
  /** Of the thread before this one. */
  let ended: Promise<void> = Promise.resolve();
  let stopIdling: () => void = () => {};
  let last: Promise<unknown> = Promise.resolve();
  let pending = 0;
  let isClosed = false;

  function endThread(why: Refusal): void {
    stopIdling();
    const was = thread;
    thread = undefined;
    if (was !== undefined) ended = was.end(why);
  }

  async function meter(bytes: Uint8Array): Promise<Metered | Refusal> {
    const steps = meterSteps(bytes, limits);
    let fromMs = clock.monotonicMs();
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      if (clock.monotonicMs() - fromMs < TURN_MS) continue;
      await turn();
      fromMs = clock.monotonicMs();
    }
  }

  async function run(job: CompileJob): Promise<CompileAnswer> {
    // Of threads that were terminated no more than one is there: it may have a function to compile yet.
    await ended;
    if (isClosed) return CLOSED;
    stopIdling();
    thread ??= startCompileThread();
    const own = thread;
    const late = refusal('time', `it took more than ${timeLimitMs} ms to compile`);
    const stopTimer = clock.every(timeLimitMs, () => endThread(late));
    const answer = await own.run(job);
    stopTimer();
    if (own === thread) {
      if (!answer.ok && answer.reason === 'compiler') endThread(answer);
      else stopIdling = clock.every(idleMs, () => endThread(CLOSED));
    }
    return answer;
  }

  async function compile(name: string, version: string, own: Uint8Array<ArrayBuffer>) {
    const metered = await meter(own);
    if (!metered.ok) return metered;
    const { functions, memoryPages } = metered;
    const bytes = { given: own.length, metered: metered.bytes.length };
    const answer = await run({ given: own, metered: metered.bytes, functions });
    if (!answer.ok) return answer;
    const { module, sha256 } = answer;
    return { ok: true, name, version, sha256, module, functions, memoryPages, bytes } as const;
  }

  return {
    async compile(name, version, bytes) {
      if (bytes.length > limits.maxModuleBytes)
        return refusal('limit', `${bytes.length} bytes, of which ${limits.maxModuleBytes} are allowed`);
      if (pending > maxWaiting) return refusal('busy', `${maxWaiting} modules wait to be compiled`);
      if (isClosed) return CLOSED;
      const own = new Uint8Array(bytes);
      const before = last;
      pending++;
      const compiled = before.then(() => compile(name, version, own));
      last = compiled.catch(() => {});
      try {
        return await compiled;
      } finally {
        pending--;
      }
    },
    async close() {
      isClosed = true;
      endThread(CLOSED);
      await last;
      await ended;
    },
  };
}
