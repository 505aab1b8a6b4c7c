/**
 * Random WebAssembly programs that end: loops count down in locals that nothing else writes, and functions call only those
 * behind them. They use numbers, memory, globals, calls through the table and bulk memory, and may trap.
 */
import type { Random } from '../support/random.ts';
import {
  END,
  type FunctionPart,
  filterFunctions,
  get,
  I32,
  I64,
  i32,
  type ModuleParts,
  setLocal,
  VOID,
} from './wasm-builder.ts';

const FUNCTIONS = 4;
/** Behind those that every filter has. */
const FIRST = 3;
const LOCALS = 4;
/** Two parameters, locals to work with, then a counter for each loop around. */
const FIRST_COUNTER = 2 + LOCALS;
const MAX_LOOPS = 2;

/** add, sub, mul, div_s, div_u, rem_s, rem_u, and, or, xor, shl, shr_s, shr_u, rotl, rotr; comparisons. */
const BINARY = [
  ...Array.from({ length: 15 }, (_, i) => 0x6a + i),
  ...Array.from({ length: 10 }, (_, i) => 0x46 + i),
];
const UNARY = [0x45, 0x67, 0x68, 0x69, 0xc0, 0xc1];
const TRAPPING = new Set([0x6d, 0x6e, 0x6f, 0x70]);

export function randomProgram(random: Random): ModuleParts {
  const body = (self: number): number[] => {
    let budget = 40;
    const address = (depth: number): number[] => [...expression(depth - 1), ...i32(0x7fff), 0x71];

    function expression(depth: number): number[] {
      if (depth <= 0 || budget-- <= 0) {
        return random.pick([
          () => i32(random.below(2 ** 32) | 0),
          () => get(random.below(2 + LOCALS)),
          () => [0x23, 0],
        ])();
      }
      switch (random.below(8)) {
        case 0:
          return [...expression(depth - 1), random.pick(UNARY)];
        case 1:
          return [...address(depth), random.pick([0x28, 0x2c, 0x2d, 0x2e, 0x2f]), 0, random.below(128)];
        case 2:
          return [
            ...expression(depth - 1),
            0x04,
            I32,
            ...expression(depth - 1),
            0x05,
            ...expression(depth - 1),
            END,
          ];
        case 3:
          // By way of i64 and f64, and back without a trap.
          return [
            ...expression(depth - 1),
            ...random.pick([
              [0xac, 0xc4, 0xa7],
              [0xb7, 0xfc, 0x02],
              [0xb3, 0xfc, 0x01],
            ]),
          ];
        case 4:
          if (self + 1 >= FUNCTIONS) return i32(1);
          return call(depth);
        default: {
          const operator = random.pick(BINARY);
          const right = expression(depth - 1);
          // Divisions by zero now and then, not always.
          const safe = TRAPPING.has(operator) && !random.oneIn(20) ? [...i32(1), 0x72] : [];
          return [...expression(depth - 1), ...right, ...safe, operator];
        }
      }
    }

    function call(depth: number): number[] {
      const target = self + 1 + random.below(FUNCTIONS - self - 1);
      const parameters = [...expression(depth - 1), ...expression(depth - 1)];
      if (random.oneIn(2)) return [...parameters, 0x10, FIRST + target];
      return [...parameters, ...i32(target), 0x11, FIRST, 0];
    }

    function statements(loops: number, depth: number): number[] {
      const code: number[] = [];
      for (let i = 1 + random.below(3); i > 0; i--) code.push(...statement(loops, depth));
      return code;
    }

    function statement(loops: number, depth: number): number[] {
      if (depth <= 0 || budget-- <= 0) return [...i32(1), ...setLocal(2)];
      switch (random.below(8)) {
        case 0: {
          if (loops >= MAX_LOOPS) return [0x01];
          const counter = FIRST_COUNTER + loops;
          const inside = statements(loops + 1, depth - 1);
          const down = [...get(counter), ...i32(1), 0x6b, 0x22, counter, 0x0d, 0];
          return [...i32(1 + random.below(3)), ...setLocal(counter), 0x03, VOID, ...inside, ...down, END];
        }
        case 1: {
          const out = [...expression(2), 0x0d, 0];
          return [0x02, VOID, ...statements(loops, depth - 1), ...out, ...statements(loops, depth - 1), END];
        }
        case 2:
          return [...address(2), ...expression(2), random.pick([0x36, 0x3a, 0x3b]), 0, random.below(128)];
        case 3:
          return [...expression(2), 0x24, 0];
        case 4: {
          const length = [...expression(1), ...i32(0xff), 0x71];
          if (random.oneIn(2)) return [...address(1), ...expression(1), ...length, 0xfc, 11, 0];
          return [...address(1), ...address(1), ...length, 0xfc, 10, 0, 0];
        }
        case 5:
          return [
            ...expression(2),
            0x04,
            VOID,
            ...statements(loops, depth - 1),
            0x05,
            ...statements(loops, depth - 1),
            END,
          ];
        case 6:
          return [
            0x02,
            VOID,
            0x02,
            VOID,
            ...expression(2),
            0x0e,
            1,
            0,
            1,
            END,
            ...statements(loops, depth - 1),
            END,
          ];
        default:
          return [...expression(3), ...setLocal(2 + random.below(LOCALS))];
      }
    }

    return [...statements(0, 4), ...expression(3)];
  };

  const own = Array.from(
    { length: FUNCTIONS },
    (_, self): FunctionPart => ({
      parameters: [I32, I32],
      results: [I32],
      locals: [
        [LOCALS + MAX_LOOPS, I32],
        [1, I64],
      ],
      code: body(self),
    }),
  );
  return {
    functions: [...filterFunctions([...get(0), ...get(1), 0x10, FIRST]), ...own],
    memory: [1, 1, 2],
    globals: [
      [I32, 1, ...i32(random.below(1000)), END],
      [I64, 0, 0x42, 7, END],
    ],
    exports: [[1, 0x67, 3, 0]],
    table: [0x70, 0, FUNCTIONS],
    elements: [[0, ...i32(0), END, FUNCTIONS, ...own.map((_, i) => FIRST + i)]],
    data: [[0, ...i32(256), END, 32, ...random.bytes(32)]],
  };
}
