/**
 * What fuel costs a user's filter, and what a filter costs a message, in process.
 *
 *   cd examples/filters && npx asc hot-rooms.ts --outFile ../../build/hot-rooms.wasm
 *   node --import tsx bench/filters.ts build/hot-rooms.wasm
 *
 * The first two lines run the same batches on the module with and without its charges; medians of nine rounds, by CPU time.
 */
import { readFileSync } from 'node:fs';
import { areaBytes, createBatchArea, type FilterMessage } from '../src/filters/batch.ts';
import { createFilterCompiler } from '../src/filters/compiler.ts';
import { openFilter } from '../src/filters/filter.ts';
import { meterModule } from '../src/filters/meter.ts';
import { isFailure } from '../src/filters/sandbox.ts';
import { systemClock } from '../src/kernel/clock.ts';

const BATCH = { maxMessages: 1024, maxBytes: 256 * 1024 };
const ROUNDS = 9;
const bytes = readFileSync(process.argv[2] ?? 'build/hot-rooms.wasm');
const header = (name: string, value: string): readonly [Uint8Array, Uint8Array] => [
  Buffer.from(name),
  Buffer.from(value),
];
const messages: FilterMessage[] = Array.from({ length: 1000 }, (_, i) => ({
  topic: Buffer.from(`rooms/${i}/temperature`),
  payload: Buffer.from(String(20 + (i % 20))),
  headers: [header('site', 'berlin'), header('unit', i % 3 === 0 ? 'kelvin' : 'celsius')],
  timestampMs: 1_700_000_000_000,
}));

/** Nanoseconds of CPU time for each message. */
function perMessage(run: () => void): number {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < 300; i++) run();
    const { user, system } = process.cpuUsage(before);
    rates.push(((user + system) * 1000) / (300 * messages.length));
  }
  return rates.sort((a, b) => a - b)[ROUNDS >> 1] ?? 0;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly 'robustmq:fuel'?: WebAssembly.Global<'i32'>;
  readonly _initialize: () => void;
  readonly filter_alloc: (size: number) => number;
  readonly filter_batch: (rows: number, count: number, answer: number) => number;
}

function batchesOf(module: Uint8Array): () => void {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(module)), {
    env: { abort: () => undefined },
  });
  const exports = instance.exports as unknown as Exports;
  const fuel = exports['robustmq:fuel'] ?? { value: 0 };
  fuel.value = 2 ** 31 - 1;
  exports._initialize();
  const area = createBatchArea(exports.memory, exports.filter_alloc(areaBytes(BATCH)), BATCH);
  area.begin();
  for (const message of messages) area.add(message);
  return () => {
    fuel.value = 2 ** 31 - 1;
    exports.filter_batch(area.rowsAddress, area.count(), area.answerAddress);
  };
}

const metered = meterModule(bytes);
if (!metered.ok) throw new Error(metered.detail);
const plain = batchesOf(bytes);
const charged = batchesOf(metered.bytes);
for (const run of [plain, charged]) perMessage(run);
const without = perMessage(plain);
const withFuel = perMessage(charged);
console.log(`without fuel ${without.toFixed(1)} ns per message`);
console.log(
  `with fuel    ${withFuel.toFixed(1)} ns per message, ${((withFuel / without - 1) * 100).toFixed(1)} % more`,
);
console.log(`module       ${bytes.length} bytes, ${metered.bytes.length} with fuel`);

const compiler = createFilterCompiler({ clock: systemClock });
const compiled = await compiler.compile('hot-rooms', '1', bytes);
if (!compiled.ok) throw new Error(compiled.detail);
const filter = openFilter(compiled, { clock: systemClock });
if (isFailure(filter)) throw new Error(filter.detail);
const judge = (): void => {
  filter.judge(messages);
};
perMessage(judge);
const judged = perMessage(judge);
const { fuelUsed, messages: seen } = filter.counters();
console.log(
  `judged       ${judged.toFixed(0)} ns per message, ${(fuelUsed / seen).toFixed(0)} units of fuel`,
);
