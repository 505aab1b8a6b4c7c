/**
 * What fuel costs a user's filter, and what a filter costs a message, in process.
 *
 *   cd examples/filters && npx asc hot-rooms.ts --outFile ../../build/hot-rooms.wasm
 *   node --import tsx bench/filters.ts build/hot-rooms.wasm
 *
 * The first two lines run the same batches on the module with and without its charges; medians of nine rounds, by CPU time.
 * The last ones compile modules that are made to be much work, and say how long the event loop stood still at most.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { areaBytes, createBatchArea, type FilterMessage } from '../src/filters/batch.ts';
import { createFilterCompiler } from '../src/filters/compiler.ts';
import { openFilter } from '../src/filters/filter.ts';
import { meterModule } from '../src/filters/meter.ts';
import { isFailure } from '../src/filters/sandbox.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { filterModule, get, i32 } from '../test/filters/wasm-builder.ts';

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

/** Many functions of `code`, with locals whose places the engine notes at each block. */
const hostile = (functions: number, locals: number, code: readonly number[]): Uint8Array =>
  filterModule(i32(0), {
    memory: [0, 8],
    functions: Array.from({ length: functions }, () => ({ locals: [[locals, 0x7e]], code })),
  });
const repeated = (count: number, code: readonly number[]): number[] =>
  Array.from({ length: count }, () => code).flat();
const block = [...get(0), 0xa7, 0x04, 0x40, 0x0b];
const loop = [0x03, 0x40, 0x0b];
for (const [name, module] of [
  ['seven functions of 12,000 blocks', hostile(7, 2000, repeated(12_000, block))],
  ['a hundred functions of 1,500 blocks', hostile(100, 2000, repeated(1500, block))],
  ['loops of nothing', hostile(7, 0, repeated(12_000, loop))],
  ['900 functions', hostile(900, 100, repeated(100, block))],
] as const) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const from = performance.now();
  const result = await compiler.compile(name, '1', module);
  const tookMs = performance.now() - from;
  if (result.ok) {
    const opened = openFilter(result, { clock: systemClock });
    if (!isFailure(opened)) opened.judge(messages);
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.disable();
  const outcome = result.ok ? 'compiled' : result.reason;
  const [wholeMs, p99Ms] = [delay.max / 1e6, delay.percentile(99) / 1e6];
  console.log(
    `${name}: ${outcome} after ${tookMs.toFixed(0)} ms; loop late by ${wholeMs.toFixed(1)} ms at most, p99 ${p99Ms.toFixed(1)} ms`,
  );
}
await compiler.close();
