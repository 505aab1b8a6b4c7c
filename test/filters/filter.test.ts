import { createHash } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import type { FilterMessage } from '../../src/filters/batch.ts';
import { type CompiledFilter, createFilterCompiler } from '../../src/filters/compiler.ts';
import { type Filter, type FilterOptions, openFilter, Verdict } from '../../src/filters/filter.ts';
import { type Failure, isFailure } from '../../src/filters/sandbox.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { createRandom } from '../support/random.ts';
import {
  buildModule,
  END,
  type FunctionPart,
  filterFunctions,
  filterModule,
  get,
  I32,
  i32,
  importFunction,
  type ModuleParts,
  setLocal,
  VOID,
} from './wasm-builder.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const message = (payload: string, more: Partial<FilterMessage> = {}): FilterMessage => ({
  topic: bytesOf('rooms/7'),
  payload: bytesOf(payload),
  headers: [],
  timestampMs: 0,
  ...more,
});

/** Keeps messages whose payload begins with an even byte. Locals: 3 counts rows, 4 is those kept. */
const EVEN = [
  ...[0x02, VOID, 0x03, VOID],
  ...[...get(3), ...get(1), 0x4f, 0x0d, 1], // i32.ge_u, br_if
  ...[...get(0), 0x28, 2, 16, 0x2d, 0, 0, ...i32(1), 0x71, 0x45, 0x04, VOID],
  // answer[i >> 3] |= 1 << (i & 7)
  ...[...get(2), ...get(3), ...i32(3), 0x76, 0x6a],
  ...[...get(2), ...get(3), ...i32(3), 0x76, 0x6a, 0x2d, 0, 0],
  ...[...i32(1), ...get(3), ...i32(7), 0x71, 0x74, 0x72, 0x3a, 0, 0],
  ...[...get(4), ...i32(1), 0x6a, ...setLocal(4), END],
  ...[...get(0), ...i32(48), 0x6a, ...setLocal(0)],
  ...[...get(3), ...i32(1), 0x6a, ...setLocal(3)],
  ...[0x0c, 0, END, END],
  ...get(4),
];
const evenModule = (parts: ModuleParts = {}): Uint8Array =>
  buildModule({ memory: [0, 8], ...parts, functions: filterFunctions(EVEN, [[2, I32]]) });
const loop = [0x03, VOID, 0x0c, 0, END];
const twoPages: ModuleParts = { memory: [0, 8] };

const clock = createManualClock();
const compiler = createFilterCompiler({ clock });
afterAll(() => compiler.close());

async function compiled(bytes: Uint8Array, version = '1'): Promise<CompiledFilter> {
  const result = await compiler.compile('test', version, bytes);
  if (!result.ok) throw new Error(`${result.reason}: ${result.detail}`);
  return result;
}

async function open(bytes: Uint8Array, options: Partial<FilterOptions> = {}): Promise<Filter> {
  const filter = openFilter(await compiled(bytes), { clock, ...options });
  if (isFailure(filter)) throw new Error(`${filter.kind}: ${filter.detail}`);
  return filter;
}
async function startFailure(
  bytes: Uint8Array,
  options: Partial<FilterOptions> = {},
): Promise<Failure['kind'] | 'opened'> {
  const filter = openFilter(await compiled(bytes), { clock, ...options });
  return isFailure(filter) ? filter.kind : 'opened';
}
/** What the first batch of a module with that filter_batch ends with. */
async function failureOf(
  code: readonly number[],
  parts: ModuleParts = {},
  fuelPerBatch = 100_000,
): Promise<Failure['kind'] | undefined> {
  const filter = await open(filterModule(code, { ...twoPages, ...parts }), { fuelPerBatch });
  return filter.judge([message('a')]).failure?.kind;
}

describe('a filter', () => {
  it('is known by name, version and the hash of what was given', async () => {
    const bytes = evenModule();
    const filter = await compiled(bytes, '2.1');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(filter).toMatchObject({ name: 'test', version: '2.1', sha256, functions: 3 });
    expect(filter.bytes.given).toBe(bytes.length);
    expect(filter.bytes.metered).toBeGreaterThan(bytes.length);
  });

  it('refuses what the engine refuses', async () => {
    expect(await compiler.compile('x', '1', filterModule([0x6a]))).toMatchObject({
      ok: false,
      reason: 'invalid',
    });
    expect(await compiler.compile('x', '1', new Uint8Array(2_000_000))).toMatchObject({
      ok: false,
      reason: 'limit',
    });
  });

  it('judges as the module does, whatever the size of batches', async () => {
    const { below } = createRandom(7);
    const messages = Array.from({ length: 500 }, () =>
      message(String.fromCharCode(65 + below(26)).repeat(1 + below(40))),
    );
    const expected = messages.map(({ payload }) => (payload[0] % 2 === 0 ? Verdict.Keep : Verdict.Drop));
    const bytes = evenModule();
    for (const bounds of [{}, { maxBatchMessages: 1 }, { maxBatchMessages: 33 }, { maxBatchBytes: 300 }]) {
      const filter = await open(bytes, bounds);
      expect([...(await filter.judgeAll(messages))]).toEqual(expected);
      const counters = filter.counters();
      expect(counters).toMatchObject({ messages: 500, undecided: 0, failures: 0, instances: 1 });
      expect(counters.kept).toBe(expected.filter((verdict) => verdict === Verdict.Keep).length);
      expect(counters.dropped).toBe(500 - counters.kept);
      expect(counters.fuelUsed).toBeGreaterThan(500);
    }
  });

  it('ends every runaway by its fuel: loops, recursion of one and of two, memory and table operations', async () => {
    const call = (target: number): FunctionPart => ({ code: [0x10, target, 0x10, target] });
    expect(await failureOf([...loop, ...i32(0)])).toBe('out-of-fuel');
    expect(await failureOf([0x03, I32, ...i32(1), 0x0d, 0, ...i32(0), END])).toBe('out-of-fuel');
    // Twice in each other, so that no stack is full before 2^n calls were made.
    const bounded = (target: number): FunctionPart => ({
      parameters: [I32],
      code: [
        ...get(0),
        0x04,
        VOID,
        ...[...get(0), ...i32(1), 0x6b, 0x10, target],
        ...[...get(0), ...i32(1), 0x6b, 0x10, target],
        END,
      ],
    });
    expect(await failureOf([...i32(40), 0x10, 3, ...i32(0)], { functions: [bounded(3)] })).toBe(
      'out-of-fuel',
    );
    expect(await failureOf([...i32(40), 0x10, 3, ...i32(0)], { functions: [bounded(4), bounded(3)] })).toBe(
      'out-of-fuel',
    );
    // Through the table.
    const indirect: FunctionPart = { code: [...i32(0), 0x11, 3, 0, ...i32(0), 0x11, 3, 0] };
    // Without end: the stack would be full later than this fuel is used up.
    const table = { table: [0x70, 0, 1], elements: [[0, ...i32(0), END, 1, 3]] };
    expect(await failureOf([0x10, 3, ...i32(0)], { ...table, functions: [indirect] }, 10_000)).toBe(
      'out-of-fuel',
    );
    expect(await failureOf([0x10, 3, ...i32(0)], { functions: [call(3)] }, 10_000)).toBe('out-of-fuel');
    // 500 KB at a time: a hundred instructions are enough for all of the fuel.
    const fill = [...i32(0), ...i32(7), ...i32(500_000), 0xfc, 11, 0];
    const copy = [...i32(0), ...i32(1), ...i32(500_000), 0xfc, 10, 0, 0];
    expect(await failureOf([...Array(50).fill(fill).flat(), ...i32(0)])).toBe('out-of-fuel');
    expect(await failureOf([...Array(50).fill(copy).flat(), ...i32(0)])).toBe('out-of-fuel');
    const tableCopy = [...i32(0), ...i32(0), ...i32(1), 0xfc, 14, 0, 0];
    const largeTable = { table: [0x70, 0, 0x90, 0x4e] };
    expect(await failureOf([...Array(50).fill(tableCopy).flat(), ...i32(0)], largeTable)).toBe('out-of-fuel');
    const grow = [...i32(1), 0x40, 0, 0x1a];
    expect(await failureOf([...Array(60).fill(grow).flat(), ...i32(0)])).toBe('out-of-fuel');
  });

  it('tells from each other: stack, trap, abort, refusal, answers that are none', async () => {
    const deep: FunctionPart = { code: [0x10, 3] };
    const filter = await open(filterModule([0x10, 3, ...i32(0)], { ...twoPages, functions: [deep] }), {
      fuelPerBatch: 2 ** 31 - 1,
    });
    expect(filter.judge([message('a')]).failure?.kind).toBe('stack');
    expect(await failureOf([0x00])).toBe('trap');
    expect(await failureOf([...i32(1), ...i32(0), 0x6d])).toBe('trap');
    expect(await failureOf([...i32(-8), 0x28, 0, 0])).toBe('trap');
    expect(await failureOf([...i32(1 << 30), ...i32(1), ...i32(16), 0xfc, 11, 0, ...i32(0)])).toBe('trap');
    expect(await failureOf(i32(-3))).toBe('refused');
    expect(await failureOf(i32(1))).toBe('answer');
    expect(await failureOf(i32(0x7fff_ffff))).toBe('answer');
    // Bits behind the last message; a bit, and not the number of it.
    expect(await failureOf([...get(2), ...i32(3), 0x3a, 0, 0, ...i32(2)])).toBe('answer');
    expect(await failureOf([...get(2), ...i32(1), 0x3a, 0, 0, ...i32(0)])).toBe('answer');
    expect(await failureOf([...get(2), ...i32(1), 0x3a, 0, 0, ...i32(1)])).toBeUndefined();
    const gives = [...i32(8), ...i32(1), ...i32(2), ...i32(3), 0x10, 0, ...i32(0)];
    const aborting = await open(
      buildModule({
        ...twoPages,
        imports: [importFunction('env', 'abort', 3)],
        types: [[0x60, 4, I32, I32, I32, I32, 0]],
        functions: filterFunctions(gives),
        data: [[0, ...i32(4), END, 8, 4, 0, 0, 0, 0x6e, 0, 0x6f, 0]],
      }),
    );
    const { failure } = aborting.judge([message('a')]);
    expect(failure).toEqual({ kind: 'abort', detail: 'no (line 2, column 3)' });
  });

  it('does not open what does not start', async () => {
    const withAlloc = (code: readonly number[]): Uint8Array => {
      const [marker, alloc, batch] = filterFunctions(i32(0));
      return buildModule({ ...twoPages, functions: [marker, { ...alloc, code }, batch] as FunctionPart[] });
    };
    expect(await startFailure(withAlloc(i32(0)))).toBe('area');
    expect(await startFailure(withAlloc(i32(1025)))).toBe('area');
    expect(await startFailure(withAlloc(i32(-8)))).toBe('area');
    expect(await startFailure(withAlloc(i32(8 * 65_536 - 8)))).toBe('area');
    expect(await startFailure(withAlloc([...loop, ...i32(0)]))).toBe('out-of-fuel');
    const initialize = (code: readonly number[]): Uint8Array =>
      filterModule(i32(0), { ...twoPages, functions: [{ exportAs: '_initialize', code }] });
    expect(await startFailure(initialize(loop))).toBe('out-of-fuel');
    expect(await startFailure(initialize([0x00]))).toBe('trap');
    expect(await startFailure(initialize([]))).toBe('opened');
    const outside = { ...twoPages, data: [[0, ...i32(8 * 65_536), END, 1, 7]] };
    expect(await compiler.compile('x', '1', filterModule(i32(0), outside))).toMatchObject({
      reason: 'instantiation',
    });
    const configure = (code: readonly number[]): Uint8Array =>
      filterModule(i32(0), {
        ...twoPages,
        functions: [{ exportAs: 'filter_configure', parameters: [I32, I32], results: [I32], code }],
      });
    // 0 when the first byte is 'x'.
    const isX = configure([...get(0), 0x2d, 0, 0, ...i32(0x78), 0x6b]);
    expect(await startFailure(isX, { configuration: bytesOf('x') })).toBe('opened');
    expect(await startFailure(isX, { configuration: bytesOf('y') })).toBe('configuration');
    expect(await startFailure(isX, { configuration: new Uint8Array(1_000_000) })).toBe('configuration');
    expect(await startFailure(filterModule(i32(0), twoPages), { configuration: bytesOf('x') })).toBe(
      'configuration',
    );
  });

  it('decides by policy what the module leaves open: failed unless said otherwise', async () => {
    const bytes = filterModule([0x00], twoPages);
    for (const [onFailure, verdict] of [
      [undefined, Verdict.Failed],
      ['fail', Verdict.Failed],
      ['pass', Verdict.Keep],
      ['drop', Verdict.Drop],
    ] as const) {
      const filter = await open(bytes, onFailure === undefined ? {} : { onFailure });
      const judged = filter.judge([message('a'), message('b')]);
      expect([...judged.verdicts]).toEqual([verdict, verdict]);
      expect(judged.failure?.kind).toBe('trap');
      expect(filter.counters()).toMatchObject({
        messages: 2,
        undecided: 2,
        kept: 0,
        dropped: 0,
        failures: 1,
      });
    }
  });

  it('throws away an instance that failed, and goes on with a new one', async () => {
    // Its first batch is counted in a global and kept; the second fails.
    const code = [
      ...[0x23, 0, 0x04, VOID, 0x00, END, ...i32(1), 0x24, 0],
      ...[...get(2), ...i32(1), 0x3a, 0, 0, ...i32(1)],
    ];
    const filter = await open(filterModule(code, { ...twoPages, globals: [[I32, 1, ...i32(0), END]] }));
    const kinds = [1, 2, 3, 4].map(() => filter.judge([message('a')]).failure?.kind);
    expect(kinds).toEqual([undefined, 'trap', undefined, 'trap']);
    expect(filter.counters()).toMatchObject({ instances: 2, failures: 2, kept: 2 });
  });

  it('lets a module that fails again and again rest, and tries it again afterwards', async () => {
    const clock = createManualClock();
    const filter = await open(filterModule([...loop, ...i32(0)], twoPages), {
      clock,
      maxFailures: 3,
      restMs: 500,
      fuelPerBatch: 1000,
    });
    const kind = () => filter.judge([message('a')]).failure?.kind;
    expect([kind(), kind(), kind(), kind(), kind()]).toEqual([
      'out-of-fuel',
      'out-of-fuel',
      'out-of-fuel',
      'resting',
      'resting',
    ]);
    await clock.advance(500);
    expect([kind(), kind()]).toEqual(['out-of-fuel', 'resting']);
    expect(filter.counters()).toMatchObject({ outOfFuel: 4, failures: 4, undecided: 7, instances: 4 });
    expect(filter.counters().fuelUsed).toBe(4000);
  });

  it('does not show the module a message larger than a batch, and judges the others', async () => {
    const filter = await open(evenModule(), { maxBatchBytes: 100, onFailure: 'drop' });
    const messages = [message('B'), message('B'.repeat(200)), message('B')];
    expect(filter.judge(messages, 1)).toMatchObject({ failure: { kind: 'too-large' } });
    expect([...(await filter.judgeAll(messages))]).toEqual([Verdict.Keep, Verdict.Drop, Verdict.Keep]);
    expect(filter.counters()).toMatchObject({ failures: 0, instances: 1 });
  });

  it('is replaced between two batches, and keeps the old module when the new one does not start', async () => {
    const filter = await open(evenModule(), { maxBatchMessages: 2 });
    const none = await compiled(filterModule(i32(0), twoPages), '2');
    const broken = await compiled(
      filterModule(i32(0), { ...twoPages, functions: [{ exportAs: '_initialize', code: [0x00] }] }),
      '3',
    );
    const all = filter.judgeAll(Array.from({ length: 6 }, () => message('B')));
    // The first batch is over by now; the others are of turns to come.
    expect(filter.replace(broken)?.kind).toBe('trap');
    expect(filter.current().version).toBe('1');
    expect(filter.replace(none)).toBeUndefined();
    expect(filter.current().version).toBe('2');
    expect([...(await all)]).toEqual([1, 1, 0, 0, 0, 0]);
    expect(filter.counters().replacements).toBe(1);
  });

  it('sees the area again after the module has grown its memory', async () => {
    const code = [...i32(1), 0x40, 0, 0x1a, ...EVEN];
    const filter = await open(buildModule({ memory: [0, 8], functions: filterFunctions(code, [[2, I32]]) }));
    for (let i = 0; i < 100; i++)
      expect([...filter.judge([message('A'), message('B')]).verdicts]).toEqual([0, 1]);
    expect(filter.memoryBytes()).toBe(64 * 65_536);
  });

  it('refuses options that are none', async () => {
    const module = await compiled(evenModule());
    for (const options of [
      { fuelPerBatch: 0 },
      { fuelPerBatch: 2 ** 31 },
      { maxBatchMessages: 0 },
      { maxBatchBytes: 0.5 },
    ]) {
      expect(() => openFilter(module, { clock, ...options })).toThrow(RangeError);
    }
    const filter = await open(evenModule());
    expect(() => filter.judge([])).toThrow(RangeError);
  });
});
