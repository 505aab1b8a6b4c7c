/**
 * Random programs do with fuel what they do without; what is cut or changed is refused or stays harmless. ROBUSTMQ_FUZZ_INPUTS
 * says how many, in place of the few of a normal run.
 */
import { describe, expect, it } from 'vitest';
import type { FilterMessage } from '../../src/filters/batch.ts';
import { createFilterCompiler } from '../../src/filters/compiler.ts';
import { openFilter } from '../../src/filters/filter.ts';
import { meterModule } from '../../src/filters/meter.ts';
import { isFailure } from '../../src/filters/sandbox.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { createRandom } from '../support/random.ts';
import { randomProgram } from './random-program.ts';
import { buildModule } from './wasm-builder.ts';

const inputs = Number(process.env.ROBUSTMQ_FUZZ_INPUTS ?? 150);
const FUEL = 2 ** 31 - 1;

interface Run {
  readonly result: number | 'trap';
  readonly memory: string;
  readonly global: number;
  readonly fuel: number;
}

function run(bytes: Uint8Array<ArrayBuffer>, fuel: number, a: number, b: number): Run {
  const exports = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as Record<string, unknown>;
  const left = exports['robustmq:fuel'] as WebAssembly.Global<'i32'> | undefined;
  if (left !== undefined) left.value = fuel;
  const memory = exports.memory as WebAssembly.Memory;
  let result: Run['result'];
  try {
    result = (exports.filter_batch as (...args: number[]) => number)(a, b, 0);
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    result = 'trap';
  }
  return {
    result,
    memory: Buffer.from(memory.buffer).toString('latin1'),
    global: (exports.g as WebAssembly.Global<'i32'>).value,
    fuel: left?.value ?? 0,
  };
}

describe('random modules', () => {
  it('do with fuel what they do without, and end exactly where it does', () => {
    const outcomes = { ended: 0, trapped: 0 };
    for (let seed = 1; seed <= inputs; seed++) {
      const random = createRandom(seed);
      const given = buildModule(randomProgram(random));
      const metered = meterModule(given);
      if (!metered.ok) throw new Error(`seed ${seed}: ${metered.reason}: ${metered.detail}`);
      const bytes = new Uint8Array(metered.bytes);
      const [a, b] = [random.below(1000), random.below(1000)];
      const plain = run(given, 0, a, b);
      const charged = run(bytes, FUEL, a, b);
      expect({ ...charged, fuel: 0 }, `seed ${seed}`).toEqual(plain);
      outcomes[plain.result === 'trap' ? 'trapped' : 'ended']++;
      const used = FUEL - charged.fuel;
      expect(used).toBeGreaterThan(0);
      expect(run(bytes, used, a, b), `seed ${seed}`).toEqual({ ...charged, fuel: 0 });
      const starved = run(bytes, Math.max(0, used - 1), a, b);
      expect(starved.result, `seed ${seed}`).toBe('trap');
      expect(starved.fuel, `seed ${seed}`).toBeLessThan(0);
    }
    expect(outcomes.ended).toBeGreaterThan(inputs / 2);
    expect(outcomes.trapped).toBeGreaterThan(0);
  });

  it('are refused at every length but their own', () => {
    const bytes = buildModule(randomProgram(createRandom(1)));
    expect(meterModule(bytes).ok).toBe(true);
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      const result = meterModule(cut);
      // The data at the end may go as a whole: what is left is a module.
      if (result.ok)
        expect(WebAssembly.validate(cut) && WebAssembly.validate(result.bytes), `${length} bytes`).toBe(true);
    }
  });

  it('are refused or stay harmless when bytes of them change', async () => {
    const clock = createManualClock();
    const compiler = createFilterCompiler({ clock });
    const message: FilterMessage = {
      topic: Buffer.from('a'),
      payload: Buffer.from('b'),
      headers: [],
      timestampMs: 1,
    };
    const kinds = new Map<string, number>();
    for (let seed = 1; seed <= inputs; seed++) {
      const random = createRandom(seed);
      const bytes = buildModule({ ...randomProgram(random), memory: [1, 8, 16] });
      for (let mutation = 0; mutation < 8; mutation++) {
        const changed = bytes.slice();
        for (let i = random.below(3); i >= 0; i--)
          changed[8 + random.below(bytes.length - 8)] = random.below(256);
        const compiled = await compiler.compile('x', '1', changed);
        let kind: string;
        if (!compiled.ok) {
          // What we take and the engine refuses has wrong types; what only becomes valid by our doing does not exist.
          expect(compiled.detail).not.toContain('after fuel');
          kind = compiled.reason;
        } else {
          expect(WebAssembly.validate(changed)).toBe(true);
          const filter = openFilter(compiled, { clock, fuelPerBatch: 100_000 });
          if (isFailure(filter)) kind = filter.kind;
          else {
            kind = filter.judge([message]).failure?.kind ?? 'answered';
            expect(filter.memoryBytes()).toBeLessThanOrEqual(64 * 65_536);
          }
        }
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
    }
    await compiler.close();
    for (const kind of ['malformed', 'invalid', 'opcode']) expect(kinds.get(kind), kind).toBeGreaterThan(0);
    expect([...kinds.values()].reduce((sum, each) => sum + each, 0)).toBe(inputs * 8);
  });
});
