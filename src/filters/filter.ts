/**
 * Users' WebAssembly modules as predicates over messages, the kind of filter that src/kernel/filter does not have. What lives here: the pass
 * that makes a foreign module harmless (`meter.ts`), the compiler in a thread of its own (`compiler.ts`), the exchange area
 * (`batch.ts`, its layout in `abi.ts`), instances (`sandbox.ts`), and a filter with its policy and its counters (this module). What does not: where modules are kept, who may send
 * them, and which messages they are asked about. It knows no protocol.
 *
 * A module is hostile until shown otherwise: it has no import but the end of itself, its memory is bounded, every call ends
 * after its fuel at the latest, and whatever it does comes out as a value. Where it gives no answer, the caller's policy is one;
 * unless said otherwise, the messages have failed. A call holds the event loop for the fuel of one batch, and as
 * much again where an instance has to be started first.
 */
import type { Clock } from '../kernel/clock.ts';
import { type BatchBounds, type FilterMessage, messageBytes } from './batch.ts';
import type { CompiledFilter } from './compiler.ts';
import { createInstance, type Failure, type FilterInstance, isFailure } from './sandbox.ts';

export const Verdict = { Drop: 0, Keep: 1, Failed: 2 } as const;

/** What becomes of messages that the module gave no answer about. */
export type FailurePolicy = 'pass' | 'drop' | 'fail';
const VERDICT_OF: Readonly<Record<FailurePolicy, number>> = {
  pass: Verdict.Keep,
  drop: Verdict.Drop,
  fail: Verdict.Failed,
};

export interface FilterOptions {
  readonly clock: Clock;
  /** `fail` unless said otherwise. */
  readonly onFailure?: FailurePolicy;
  /** Of each batch, and of a start: how long the module may hold the event loop. A unit is about an instruction. */
  readonly fuelPerBatch?: number;
  readonly maxBatchMessages?: number;
  readonly maxBatchBytes?: number;
  readonly configuration?: Uint8Array;
  /** Failures of the module one after the other, after which it rests. */
  readonly maxFailures?: number;
  readonly restMs?: number;
}

/** The messages from the one that was asked for on: one verdict for each, at least one and at most a batch of them. */
export interface Judged {
  readonly verdicts: Uint8Array;
  /** Why they are the policy's and not the module's. */
  readonly failure?: Failure;
}

export interface FilterCounters {
  readonly batches: number;
  readonly messages: number;
  readonly kept: number;
  readonly dropped: number;
  /** Of messages, whatever the policy made of it. */
  readonly undecided: number;
  readonly fuelUsed: number;
  /** Of the module: all but what it never saw. */
  readonly failures: number;
  readonly outOfFuel: number;
  readonly instances: number;
  readonly replacements: number;
}

export interface Filter {
  current(): CompiledFilter;
  /** Judges one batch of `messages`, which must have one at `from`. */
  judge(messages: readonly FilterMessage[], from?: number): Judged;
  /** All of them, a batch in each turn of the event loop. */
  judgeAll(messages: readonly FilterMessage[]): Promise<Uint8Array>;
  /** Takes effect with the next batch. When the new module does not start, the old one stays, and the failure says why. */
  replace(next: CompiledFilter, configuration?: Uint8Array): Failure | undefined;
  counters(): FilterCounters;
  memoryBytes(): number;
}

/** Largest fuel that the added global can hold. */
const MAX_FUEL = 2 ** 31 - 1;

const wholeWithin = (value: number, max: number, what: string): number => {
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new RangeError(`${what} is not from 1 to ${max}`);
  return value;
};

/** Opens a filter with an instance of its own. */
export function openFilter(compiled: CompiledFilter, options: FilterOptions): Filter | Failure {
  const bounds: BatchBounds = {
    maxMessages: wholeWithin(options.maxBatchMessages ?? 1024, 65_536, 'maxBatchMessages'),
    maxBytes: wholeWithin(options.maxBatchBytes ?? 256 * 1024, 64 * 1024 * 1024, 'maxBatchBytes'),
  };
  const fuel = wholeWithin(options.fuelPerBatch ?? 5_000_000, MAX_FUEL, 'fuelPerBatch');
  const { clock, maxFailures = 5, restMs = 1000 } = options;
  const onFailure = VERDICT_OF[options.onFailure ?? 'fail'];
  const counters = {
    batches: 0,
    messages: 0,
    kept: 0,
    dropped: 0,
    undecided: 0,
    fuelUsed: 0,
    failures: 0,
    outOfFuel: 0,
    instances: 0,
    replacements: 0,
  };
  let configuration = options.configuration ?? new Uint8Array();
  let failuresInARow = 0;
  let restsUntilMs = Number.NEGATIVE_INFINITY;

  const start = (of: CompiledFilter, configuration: Uint8Array): FilterInstance | Failure => {
    counters.instances++;
    return createInstance(of.module, { ...bounds, fuel, configuration });
  };
  const first = start(compiled, configuration);
  if (isFailure(first)) return first;
  let current = compiled;
  let instance: FilterInstance | undefined = first;

  const undecided = (count: number, failure: Failure): Judged => {
    counters.undecided += count;
    return { verdicts: new Uint8Array(count).fill(onFailure), failure };
  };
  const failed = (count: number, failure: Failure): Judged => {
    instance = undefined;
    counters.failures++;
    if (failure.kind === 'out-of-fuel') counters.outOfFuel++;
    if (++failuresInARow >= maxFailures) restsUntilMs = clock.monotonicMs() + restMs;
    return undecided(count, failure);
  };

  const judge = (messages: readonly FilterMessage[], from = 0): Judged => {
    if (from >= messages.length) throw new RangeError(`no message ${from} of ${messages.length}`);
    const bytes = messageBytes(messages[from]);
    counters.batches++;
    if (bytes > bounds.maxBytes) {
      counters.messages++;
      return undecided(1, {
        kind: 'too-large',
        detail: `${bytes} bytes, more than the ${bounds.maxBytes} of a batch`,
      });
    }
    if (failuresInARow >= maxFailures && clock.monotonicMs() < restsUntilMs) {
      const count = Math.min(messages.length - from, bounds.maxMessages);
      counters.messages += count;
      return undecided(count, { kind: 'resting', detail: `${failuresInARow} failures one after the other` });
    }
    if (instance === undefined) {
      const next = start(current, configuration);
      if (isFailure(next)) {
        const count = Math.min(messages.length - from, bounds.maxMessages);
        counters.messages += count;
        return failed(count, next);
      }
      instance = next;
    }
    const { area } = instance;
    area.begin();
    for (let i = from; i < messages.length && area.add(messages[i]); i++);
    const count = area.count();
    counters.messages += count;
    const verdicts = instance.judge();
    counters.fuelUsed += instance.fuelUsed();
    if (isFailure(verdicts)) return failed(count, verdicts);
    failuresInARow = 0;
    for (const verdict of verdicts) counters.kept += verdict;
    counters.dropped = counters.messages - counters.kept - counters.undecided;
    return { verdicts };
  };

  return {
    current: () => current,
    judge,
    async judgeAll(messages) {
      const all = new Uint8Array(messages.length);
      for (let at = 0; at < messages.length; ) {
        if (at > 0) await new Promise((resolve) => setImmediate(resolve));
        const { verdicts } = judge(messages, at);
        all.set(verdicts, at);
        at += verdicts.length;
      }
      return all;
    },
    replace(next, nextConfiguration = configuration) {
      const started = start(next, nextConfiguration);
      if (isFailure(started)) return started;
      instance = started;
      current = next;
      configuration = nextConfiguration;
      failuresInARow = 0;
      counters.replacements++;
      return undefined;
    },
    counters: () => ({ ...counters }),
    memoryBytes: () => instance?.memoryBytes() ?? 0,
  };
}
