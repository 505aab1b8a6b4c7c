import { describe, expect, it } from 'vitest';
import { DEFAULT_MODULE_LIMITS } from '../../src/filters/limits.ts';
import { meterModule } from '../../src/filters/meter.ts';
import { IMMEDIATES, Immediate } from '../../src/filters/opcodes.ts';
import {
  buildModule,
  END,
  F32,
  F64,
  type FunctionPart,
  filterFunctions,
  filterModule,
  get,
  I32,
  I64,
  i32,
  importFunction,
  list,
  type ModuleParts,
  name,
  section,
  u32,
  VOID,
} from './wasm-builder.ts';

const ABORT_TYPE = [0x60, 4, I32, I32, I32, I32, 0];
const helper = (code: readonly number[], more: Partial<FunctionPart> = {}): ModuleParts => ({
  functions: [{ code, ...more }],
});

function refusal(bytes: Uint8Array): string {
  const result = meterModule(bytes);
  return result.ok ? 'taken' : result.reason;
}

/** Taken, valid before and after. */
function metered(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  expect(WebAssembly.validate(bytes)).toBe(true);
  const result = meterModule(bytes);
  if (!result.ok) throw new Error(`${result.reason}: ${result.detail}`);
  const out = new Uint8Array(result.bytes);
  expect(WebAssembly.validate(out)).toBe(true);
  return out;
}

const instance = (bytes: Uint8Array<ArrayBuffer>, imports: WebAssembly.Imports = {}) =>
  new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports as Record<string, never>;

describe('the pass over a module', () => {
  it('takes the smallest filter and adds fuel to it', () => {
    const exports = instance(metered(filterModule(i32(0))));
    const fuel = exports['robustmq:fuel'] as WebAssembly.Global<'i32'>;
    expect(fuel.value).toBe(0);
    fuel.value = 100;
    expect((exports.filter_batch as (...args: number[]) => number)(0, 0, 0)).toBe(0);
    expect(fuel.value).toBeLessThan(100);
    expect(fuel.value).toBeGreaterThan(90);
  });

  it('runs nothing without fuel', () => {
    const { filter_batch: batch } = instance(metered(filterModule(i32(0))));
    expect(() => (batch as () => number)()).toThrow(WebAssembly.RuntimeError);
  });

  it('adds a function that calls each of the others, of which none runs', () => {
    // Each would change the global; the entry of the last ones costs 2^30, after which charges could come around.
    const change = [...i32(1), 0x24, 0];
    const copies = Array.from({ length: 5500 }, () => [
      ...i32(0),
      ...i32(0),
      ...i32(0),
      0xfc,
      14,
      0,
      0,
    ]).flat();
    const all = [I32, I64, F32, F64];
    const parts: ModuleParts = {
      table: [0x70, 0, ...u32(10_000)],
      globals: [[I32, 1, ...i32(0), END]],
      exports: [[...name('g'), 3, 0]],
      functions: [
        ...filterFunctions([...change, ...i32(0)]),
        { parameters: all, results: all, code: [...change, ...all.flatMap((_, i) => get(i))] },
        ...Array.from({ length: 4 }, () => ({ code: [...change, ...copies] })),
      ],
    };
    const exports = instance(metered(buildModule(parts)));
    const fuel = exports['robustmq:fuel'] as WebAssembly.Global<'i32'>;
    const call = exports['robustmq:call'] as (number: number) => number;
    for (const left of [0, 1000, -(2 ** 31), 2 ** 31 - 1]) {
      fuel.value = left;
      for (let i = 0; i < 8; i++) expect(() => call(i), `${i}`).toThrow('unreachable');
      expect(fuel.value).toBe(-(2 ** 30));
      expect(call(8)).toBe(0);
      expect(fuel.value).toBe(0);
    }
    expect((exports.g as WebAssembly.Global<'i32'>).value).toBe(0);
  });

  it('leaves every index of the user as it was: imports, types, functions, globals, tables, data', () => {
    const parts: ModuleParts = {
      imports: [importFunction('env', 'abort', 4)],
      types: [ABORT_TYPE],
      functions: [
        ...filterFunctions([
          // The table's second entry, plus a global, plus what passive data says.
          ...i32(7),
          ...i32(1),
          ...[0x11, 3, 0],
          ...[0x23, 1],
          0x6a,
          ...[...i32(64), ...i32(0), ...i32(1), 0xfc, 8, 0, 0],
          ...[...i32(64), 0x2d, 0, 0],
          0x6a,
        ]),
        { parameters: [I32], results: [I32], code: [...get(0), ...get(0), 0x6c] },
      ],
      table: [0x70, 0, 2],
      elements: [[0, ...i32(1), END, 1, 4]],
      globals: [
        [I64, 1, 0x42, 5, END],
        [I32, 0, ...i32(1000), END],
      ],
      data: [[1, 2, 11, 12]],
      dataCount: 1,
    };
    const exports = instance(metered(buildModule(parts)), { env: { abort: () => undefined } });
    (exports['robustmq:fuel'] as WebAssembly.Global<'i32'>).value = 1000;
    expect((exports.filter_batch as (...args: number[]) => number)(0, 0, 0)).toBe(49 + 1000 + 11);
  });

  it('gives memory no more than it may have, however much the module says', () => {
    for (const memory of [
      [0, 1],
      [1, 1, ...u32(65_536)],
      [1, 1, 64],
    ]) {
      const result = meterModule(filterModule(i32(0), { memory }));
      expect(result).toMatchObject({ ok: true, memoryPages: { initial: 1, maximum: 64 } });
    }
    expect(meterModule(filterModule(i32(0), { memory: [1, 1, 2] }))).toMatchObject({
      memoryPages: { maximum: 2 },
    });
    const exports = instance(metered(filterModule([...i32(64), 0x40, 0])));
    (exports['robustmq:fuel'] as WebAssembly.Global<'i32'>).value = 10_000;
    expect((exports.filter_batch as (...args: number[]) => number)(0, 0, 0)).toBe(-1);
    expect(refusal(filterModule(i32(0), { memory: [0, 65] }))).toBe('limit');
    expect(refusal(filterModule(i32(0), { memory: [0, ...u32(65_536)] }))).toBe('limit');
  });

  it('leaves custom sections out', () => {
    const custom = section(0, [...name('sourceMappingURL'), ...name('http://example.org/')]);
    const plain = meterModule(filterModule(i32(0)));
    for (const place of [1, 2, 6, 10, 99]) {
      expect(meterModule(filterModule(i32(0), { extra: { [place]: custom } }))).toEqual(plain);
    }
    expect(refusal(filterModule(i32(0), { extra: { 1: section(0, [5, 0x61]) } }))).toBe('malformed');
    expect(refusal(filterModule(i32(0), { extra: { 1: section(0, [1, 0xff]) } }))).toBe('malformed');
  });

  it('refuses what a filter may not be', () => {
    const wrong: Readonly<Record<string, [reason: string, bytes: Uint8Array]>> = {
      nothing: ['malformed', new Uint8Array()],
      'another version': ['malformed', new Uint8Array([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0])],
      'a header alone': ['export', new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])],
      'a start function': ['start', filterModule(i32(0), { extra: { 8: section(8, [0]) } })],
      'a tag section': ['section', filterModule(i32(0), { extra: { 6: section(13, [0]) } })],
      'an unknown section': ['section', filterModule(i32(0), { extra: { 99: section(77, []) } })],
      'a section twice': ['section', filterModule(i32(0), { extra: { 2: section(1, [0]) } })],
      'a section behind its place': ['section', filterModule(i32(0), { extra: { 99: section(6, [0]) } })],
      'a memory from outside': [
        'import',
        filterModule(i32(0), { memory: [], imports: [[...name('env'), ...name('memory'), 2, 0, 1]] }),
      ],
      'a global from outside': [
        'import',
        filterModule(i32(0), { imports: [[...name('env'), ...name('g'), 3, I32, 0]] }),
      ],
      'a function of WASI': [
        'import',
        filterModule(i32(0), { imports: [importFunction('wasi_snapshot_preview1', 'fd_write', 0)] }),
      ],
      'abort of another type': [
        'import',
        filterModule(i32(0), { imports: [importFunction('env', 'abort', 0)] }),
      ],
      'a name of a prototype': [
        'import',
        filterModule(i32(0), { imports: [importFunction('env', '__proto__', 0)] }),
      ],
      'shared memory': ['memory', filterModule(i32(0), { memory: [3, 1, 2] })],
      'memory of 64 bits': ['memory', filterModule(i32(0), { memory: [4, 1] })],
      'two memories': [
        'memory',
        filterModule(i32(0), {
          memory: [],
          extra: {
            6: section(
              5,
              list([
                [0, 1],
                [0, 1],
              ]),
            ),
          },
        }),
      ],
      'no memory': ['export', filterModule(i32(0), { memory: [] })],
      'a table of externals': ['table', filterModule(i32(0), { table: [0x6f, 0, 1] })],
      'a large table': ['limit', filterModule(i32(0), { table: [0x70, 0, ...u32(10_001)] })],
      'a type that is no function': ['type', filterModule(i32(0), { types: [[0x5f, 0]] })],
      'a vector': ['type', filterModule(i32(0), { types: [[0x60, 1, 0x7b, 0]] })],
      'a reference as local': ['type', filterModule(i32(0), helper([], { locals: [[1, 0x70]] }))],
      'a block of a reference': ['type', filterModule(i32(0), helper([0x02, 0x6f, 0x0b]))],
      'many locals': ['limit', filterModule(i32(0), helper([], { locals: [[4_000_000_000, I32]] }))],
      'locals that come around': [
        'limit',
        filterModule(
          i32(0),
          helper([], {
            locals: [
              [1500, I32],
              [1500, I32],
            ],
          }),
        ),
      ],
      'a global of another': ['constant', filterModule(i32(0), { globals: [[I32, 0, 0x23, 0, END]] })],
      'a computed global': [
        'constant',
        filterModule(i32(0), { globals: [[I32, 0, ...i32(1), ...i32(1), 0x6a, END]] }),
      ],
      'a name of the broker': [
        'export',
        filterModule(i32(0), { exports: [[...name('robustmq:fuel'), 0, 0]] }),
      ],
      'an export of what is not there': [
        'export',
        filterModule(i32(0), { exports: [[...name('x'), 0, 99]] }),
      ],
      'the fuel as an export': ['export', filterModule(i32(0), { exports: [[...name('x'), 3, 0]] })],
      'an export twice': ['malformed', filterModule(i32(0), { exports: [[...name('memory'), 2, 0]] })],
      'no exports': ['export', buildModule({ functions: [], memory: [] })],
      'no marker': ['export', buildModule({ functions: filterFunctions(i32(0)).slice(1) })],
      'no filter_batch': ['export', buildModule({ functions: filterFunctions(i32(0)).slice(0, 2) })],
      'filter_batch of another type': [
        'export',
        buildModule({
          functions: [...filterFunctions([]).slice(0, 2), { exportAs: 'filter_batch', code: [] }],
        }),
      ],
      'a call of nothing': ['malformed', filterModule(i32(0), helper([0x10, 9]))],
      'a call of what charges by length': [
        'malformed',
        filterModule(i32(0), helper([...i32(0), 0x10, 4, 0x1a])),
      ],
      'the fuel read': ['malformed', filterModule(i32(0), helper([0x23, 0, 0x1a]))],
      'the fuel written': ['malformed', filterModule(i32(0), helper([...i32(0), 0x24, 0]))],
      'an element that charges by length': [
        'malformed',
        filterModule(i32(0), { table: [0x70, 0, 1], elements: [[0, ...i32(0), END, 1, 3]] }),
      ],
      'elements by expression': [
        'table',
        filterModule(i32(0), { table: [0x70, 0, 1], elements: [[4, ...i32(0), END, 1, 0xd2, 0, END]] }),
      ],
      'a second table': ['table', filterModule(i32(0), helper([...i32(0), 0x11, 0, 1]))],
      'bits of several memories': ['memory', filterModule([...i32(0), 0x28, 0x42, 0, 0])],
      'deep nesting': [
        'limit',
        filterModule(i32(0), helper([...Array(1001).fill([0x02, VOID]).flat(), ...Array(1001).fill(END)])),
      ],
      'blocks of many values': [
        'limit',
        filterModule(i32(0), {
          types: [[0x60, 0, 8, ...Array(8).fill(I32)]],
          functions: [
            {
              code: Array(1300)
                .fill([0x02, 4, 0x00, END, ...Array(8).fill(0x1a)])
                .flat(),
            },
          ],
        }),
      ],
      'a body that goes on': ['malformed', filterModule(i32(0), helper([END, 0x01]))],
      'many segments': ['limit', filterModule(i32(0), { data: Array(1001).fill([1, 0]) })],
      'a long name': ['limit', filterModule(i32(0), { exports: [[...name('x'.repeat(257)), 0, 0]] })],
    };
    const found = Object.fromEntries(
      Object.entries(wrong).map(([what, [, bytes]]) => [what, refusal(bytes)]),
    );
    expect(found).toEqual(
      Object.fromEntries(Object.entries(wrong).map(([what, [reason]]) => [what, reason])),
    );
  });

  it('refuses counts that no module of its size can have before it believes them', () => {
    const huge = u32(0xffff_ffff);
    for (const id of [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]) {
      const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...section(id, huge)]);
      expect(refusal(bytes)).not.toBe('taken');
    }
    const labels = filterModule(i32(0), helper([...i32(0), 0x0e, ...huge, 0]));
    expect(refusal(labels)).toBe('malformed');
    expect(refusal(filterModule(i32(0), { data: [[1, ...huge]] }))).toBe('malformed');
    expect(refusal(new Uint8Array(DEFAULT_MODULE_LIMITS.maxModuleBytes + 1))).toBe('limit');
    // Numbers longer than they may be.
    expect(refusal(filterModule([0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0]))).toBe('malformed');
    expect(refusal(filterModule(i32(0), helper([0x10, 0x80, 0x80, 0x80, 0x80, 0x10])))).toBe('malformed');
  });

  it('bounds what fuel makes of a module of loops', () => {
    const loops = Array(20_000).fill([0x03, VOID, END]).flat();
    const limits = { ...DEFAULT_MODULE_LIMITS, maxMeteredBytes: 100_000 };
    expect(meterModule(filterModule([...loops, ...i32(0)]), limits)).toMatchObject({
      ok: false,
      reason: 'limit',
    });
    metered(filterModule([...loops, ...i32(0)]));
  });

  it('knows of every instruction whether a filter may have it, and takes no other', () => {
    const drop = 0x1a;
    const address = [0x00, 0x00];
    const zero: Readonly<Record<number, readonly number[]>> = {
      [I32]: i32(0),
      [I64]: [0x42, 0],
      [F32]: [0x43, 0, 0, 0, 0],
      [F64]: [0x44, 0, 0, 0, 0, 0, 0, 0, 0],
    };
    const operands = (opcode: number, immediate: readonly number[], arity: number): boolean => {
      // Which types it takes is for the engine to say: one of the combinations must be valid, or it is not an instruction.
      const types = [I32, I64, F32, F64];
      return types.some((a) =>
        (arity === 2 ? types : [a]).some((b) => {
          const before =
            arity === 0 ? [] : arity === 1 ? (zero[a] ?? []) : [...(zero[a] ?? []), ...(zero[b] ?? [])];
          return [[drop], []].some((after) => {
            const bytes = filterModule([...before, opcode, ...immediate, ...after, ...i32(0)]);
            if (!WebAssembly.validate(bytes) || refusal(bytes) !== 'taken') return false;
            metered(bytes);
            return true;
          });
        }),
      );
    };
    for (let opcode = 0x28; opcode <= 0xc4; opcode++) {
      if (IMMEDIATES[opcode] === Immediate.Address) {
        expect(
          [0, 1, 2].some((arity) => operands(opcode, address, arity)),
          `0x${opcode.toString(16)}`,
        ).toBe(true);
      } else if (IMMEDIATES[opcode] === Immediate.None) {
        expect(
          [1, 2].some((arity) => operands(opcode, [], arity)),
          `0x${opcode.toString(16)}`,
        ).toBe(true);
      }
    }
    for (let conversion = 0; conversion < 8; conversion++) expect(operands(0xfc, [conversion], 1)).toBe(true);
    const refused = Array.from({ length: 256 }, (_, opcode) => opcode).filter(
      (opcode) => refusal(filterModule([opcode, ...Array(20).fill(0)])) === 'opcode',
    );
    const groups = [
      [0x06, 0x0a], // exceptions
      [0x12, 0x19], // tail calls, delegate
      [0x1c, 0x1f], // typed select
      [0x25, 0x27], // tables
      [0xc5, 0xfb], // references, garbage collection
      [0xfd, 0xff], // vectors, threads
    ];
    expect(refused).toEqual(
      groups.flatMap(([first = 0, last = 0]) =>
        Array.from({ length: last - first + 1 }, (_, i) => first + i),
      ),
    );
    for (const bulk of [15, 16, 17, 18]) expect(refusal(filterModule([0xfc, bulk, 0, 0]))).toBe('opcode');
  });

  it('takes blocks and functions of several values, branches and tables of branches', () => {
    const pair = [0x60, 0, 2, I32, I32];
    const inner = [0x60, 2, I32, I32, 1, I32];
    const code = [
      ...[0x10, 3, 0x03, 5, 0x6a, END],
      ...[0x02, VOID, 0x02, VOID, ...i32(1), 0x0e, 1, 0, 1, END, END],
      ...[...i32(0), 0x04, I32, ...i32(1), 0x05, ...i32(2), END, 0x6a],
    ];
    const bytes = filterModule(code, {
      types: [pair, inner],
      functions: [{ results: [I32, I32], code: [...i32(3), ...i32(4)] }],
    });
    const exports = instance(metered(bytes));
    (exports['robustmq:fuel'] as WebAssembly.Global<'i32'>).value = 1000;
    expect((exports.filter_batch as (...args: number[]) => number)(0, 0, 0)).toBe(9);
  });
});
