import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { afterAll, describe, expect, it } from 'vitest';
import { createFilterCompiler, type FilterCompilerOptions } from '../../src/filters/compiler.ts';
import { openFilter, Verdict } from '../../src/filters/filter.ts';
import { isFailure } from '../../src/filters/sandbox.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { END, F32, F64, type FunctionPart, filterModule, get, I32, I64, i32, VOID } from './wasm-builder.ts';

const clock = createManualClock();
const open: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of open) await close();
});
function compilerWith(options: Partial<FilterCompilerOptions> = {}) {
  const compiler = createFilterCompiler({ clock, ...options });
  open.push(() => compiler.close());
  return compiler;
}

const small = filterModule(i32(0), { memory: [0, 8] });
/** At each of its blocks the engine notes where all locals are: with as few bytes as this, seconds of work. */
function slowModule(functions: number): Uint8Array {
  const blocks = Array.from({ length: 1500 }, () => [...get(0), 0xa7, 0x04, VOID, END]).flat();
  const slow: FunctionPart = { locals: [[2000, I64]], code: blocks };
  return filterModule(i32(0), { memory: [0, 8], functions: Array.from({ length: functions }, () => slow) });
}

/** Runs `work` until it is done, in turns of the event loop, in each of which time goes on. */
async function inTurns<T>(work: Promise<T>, msPerTurn: number): Promise<{ result: T; turns: number }> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  let turns = 0;
  while (!isDone) {
    await clock.advance(msPerTurn);
    turns++;
  }
  return { result: await done, turns };
}

describe('the compiler of filters', () => {
  it('refuses a module that takes too long, at once, and compiles the next in another thread', async () => {
    const compiler = compilerWith({ timeLimitMs: 100 });
    const slow = compiler.compile('slow', '1', slowModule(100));
    const { result, turns } = await inTurns(slow, 10);
    expect(result).toEqual({ ok: false, reason: 'time', detail: 'it took more than 100 ms to compile' });
    // The event loop has turned all the while.
    expect(turns).toBeGreaterThanOrEqual(10);
    expect(await compiler.compile('small', '1', small)).toMatchObject({ ok: true, name: 'small' });
  });

  it('leaves no function to be compiled by who calls it', async () => {
    setFlagsFromString('--allow-natives-syntax');
    const isLeft = new Function('called', 'return %IsUncompiledWasmFunction(called)');
    // Each with parameters and results of all types; the first and the last can be asked about.
    const functions = Array.from({ length: 150 }, (_, i): FunctionPart => {
      const parameters = [I32, I64, F32, F64].slice(0, i % 5);
      return {
        parameters,
        results: parameters,
        code: parameters.flatMap((_, local) => get(local)),
        ...(i % 50 === 49 ? { exportAs: `f${i}` } : {}),
      };
    });
    const bytes = filterModule(i32(0), { memory: [0, 8], functions });
    const compiled = await compilerWith().compile('x', '1', bytes);
    if (!compiled.ok) throw new Error(compiled.detail);
    const env = { abort: () => undefined };
    const { exports } = new WebAssembly.Instance(compiled.module, { env });
    const names = ['filter_abi_1', 'filter_alloc', 'filter_batch', 'f49', 'f99', 'f149'];
    expect(names.map((name) => isLeft(exports[name]))).toEqual(names.map(() => false));
    const plain = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)), { env }).exports;
    expect(names.map((name) => isLeft(plain[name]))).toEqual(names.map(() => true));
  });

  it('meters a large module in turns of the event loop', async () => {
    let nowMs = 0;
    // A clock by which each look at it takes a millisecond.
    const ticking = { ...clock, monotonicMs: () => nowMs++ };
    const functions = Array.from({ length: 10 }, () => ({
      code: Array.from({ length: 20_000 }, () => 0x01),
    }));
    const bytes = filterModule(i32(0), { memory: [0, 8], functions });
    let isDone = false;
    const compiled = compilerWith({ clock: ticking })
      .compile('x', '1', bytes)
      .finally(() => {
        isDone = true;
      });
    let turns = 0;
    for (; !isDone; turns++) await turn();
    expect(await compiled).toMatchObject({ ok: true, functions: 13 });
    // One in a thousand instructions at least is the end of a step.
    expect(turns).toBeGreaterThan(190);
  });

  it('compiles one module after the other, and refuses those for which there is no room to wait', async () => {
    const compiler = compilerWith({ maxWaiting: 2 });
    const all = await Promise.all([1, 2, 3, 4, 5].map((i) => compiler.compile('x', `${i}`, small)));
    expect(all.map((each) => (each.ok ? each.version : each.reason))).toEqual([
      '1',
      '2',
      '3',
      'busy',
      'busy',
    ]);
    expect(await compiler.compile('x', '6', small)).toMatchObject({ ok: true, version: '6' });
  });

  it('copies what it is given, and takes what lies in shared memory', async () => {
    const compiler = compilerWith();
    const given = new Uint8Array(new SharedArrayBuffer(small.length));
    given.set(small);
    const compiled = compiler.compile('x', '1', given);
    given.fill(0);
    expect(await compiled).toMatchObject({ ok: true, bytes: { given: small.length } });
  });

  it('refuses what it has not done when it is closed, and all afterwards', async () => {
    const compiler = compilerWith();
    const work = [compiler.compile('x', '1', slowModule(20)), compiler.compile('x', '2', small)];
    await compiler.close();
    for (const each of work) expect(await each).toMatchObject({ reason: 'compiler' });
    expect(await compiler.compile('x', '3', small)).toMatchObject({ reason: 'compiler' });
  });

  it('ends the thread that has nothing to do, and starts another one', async () => {
    const compiler = compilerWith({ idleMs: 1000 });
    for (let i = 0; i < 3; i++) {
      const compiled = await compiler.compile('x', '1', small);
      if (!compiled.ok) throw new Error(compiled.detail);
      await clock.advance(1000);
      const filter = openFilter(compiled, { clock });
      if (isFailure(filter)) throw new Error(filter.detail);
      const message = { topic: small, payload: small, headers: [], timestampMs: 0 };
      expect([...filter.judge([message]).verdicts]).toEqual([Verdict.Drop]);
    }
  });
});
