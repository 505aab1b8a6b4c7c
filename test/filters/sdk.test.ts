/** The example of examples/filters, compiled as its head says, against the interface. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FilterHeader, FilterMessage } from '../../src/filters/batch.ts';
import { type CompiledFilter, createFilterCompiler } from '../../src/filters/compiler.ts';
import { type Filter, openFilter } from '../../src/filters/filter.ts';
import { isFailure } from '../../src/filters/sandbox.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { createRandom } from '../support/random.ts';

/** Keeps what is as the test below says, part by part. */
const CONFORMANCE = `
import { Bytes, judge, Message } from '../../assembly/filter-sdk/index';
export { filter_abi_1, filter_alloc } from '../../assembly/filter-sdk/index';

const a = Bytes.of('a');
const b = Bytes.of('b');
const none = Bytes.of('none');
const umlaut = Bytes.of('ü');
const one = Bytes.of('1');
const key = Bytes.of('key');
const rooms = Bytes.of('rooms/');
const seven = Bytes.of('7');
const payload = Bytes.of('payload');
const load1 = Bytes.of('load');
const other = Bytes.of('t/ü');
const abort = Bytes.of('abort');

function isKeyed(m: Message): bool {
  if (!m.hasKey() || !m.key().equals(key) || m.qos() != 2 || !m.isRetained() || m.timestampMs() != -5) return false;
  if (!m.topic().startsWith(rooms) || !m.topic().endsWith(seven) || m.topic().startsWith(payload)) return false;
  if (!m.payload().equals(payload) || m.payload().indexOf(load1) != 3 || m.payload().indexOf(rooms) != -1) return false;
  const first = m.header(a);
  if (first === null || !first.equals(one) || first.byte(0) != 0x31) return false;
  const empty = m.header(umlaut);
  return m.headerCount() == 4 && m.header(b) === null && m.header(none) === null && empty !== null && empty.length == 0;
}

function keeps(m: Message): bool {
  if (m.topic().equals(abort)) return m.payload().byte(0) == 0;
  if (m.topic().equals(other)) return m.hasKey() && m.key().length == 0 && m.payload().length == 0 && m.qos() == 0;
  if (m.hasKey()) return isKeyed(m);
  return m.timestampMs() == 1700000000123 && m.headerCount() == 0 && !m.isRetained();
}

export function filter_batch(rows: usize, count: i32, answer: usize): i32 {
  return judge(rows, count, answer, keeps);
}
`;

/** With a configuration of its own: the one of assembly/ is for modules that share the broker's memory. */
const root = fileURLToPath(new URL('../../examples/filters', import.meta.url));
const IN_MEMORY = 'conformance.ts';
/** null tells the compiler to look elsewhere. */
const readText = (path: string): string | null => (existsSync(path) ? readFileSync(path, 'utf8') : null);
const clock = createManualClock();
const compiler = createFilterCompiler({ clock });
let folder = '';

async function compileScript(entry: string, name: string): Promise<CompiledFilter> {
  const file = join(folder, `${name}.wasm`);
  // Paths as the compiler wants them: from its base directory.
  const { error, stderr } = await asc.main([entry, '--baseDir', root, '--outFile', relative(root, file)], {
    readFile: (path) => (path === IN_MEMORY ? CONFORMANCE : readText(join(root, path))),
  });
  if (error !== null) throw new Error(`${error.message}: ${stderr.toString()}`);
  const compiled = await compiler.compile(name, '1', readFileSync(file));
  if (!compiled.ok) throw new Error(`${compiled.reason}: ${compiled.detail}`);
  return compiled;
}

function open(compiled: CompiledFilter, configuration = ''): Filter {
  const filter = openFilter(compiled, { clock, configuration: Buffer.from(configuration) });
  if (isFailure(filter)) throw new Error(`${filter.kind}: ${filter.detail}`);
  return filter;
}

const header = (name: string, value?: string): FilterHeader => [
  Buffer.from(name),
  value === undefined ? undefined : Buffer.from(value),
];
const reading = (
  payload: string,
  headers: readonly FilterHeader[],
  more: Partial<FilterMessage> = {},
): FilterMessage => ({
  topic: Buffer.from('rooms/7'),
  payload: Buffer.from(payload),
  headers,
  timestampMs: 1_700_000_000_123,
  ...more,
});

describe("a user's filter in AssemblyScript", () => {
  let hotRooms: CompiledFilter;
  let conformance: CompiledFilter;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'robustmq-filter-'));
    hotRooms = await compileScript('hot-rooms.ts', 'hot-rooms');
    conformance = await compileScript(IN_MEMORY, 'conformance');
  });
  afterAll(async () => {
    await compiler.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('judges by header, payload and configuration', () => {
    const celsius = [header('site', 'b'), header('unit', 'celsius')];
    const messages = [
      reading('31.5', celsius),
      reading('29.9', celsius),
      reading('-31', celsius),
      reading('many', celsius),
      reading('99', [header('unit', 'kelvin')]),
      reading('1', []),
      reading('1', [header('unit')]),
      reading('1', [header('unite', 'celsius'), header('uni', 'x')]),
    ];
    expect([...open(hotRooms).judge(messages).verdicts]).toEqual([1, 0, 0, 0, 0, 1, 1, 1]);
    expect([...open(hotRooms, '-40').judge(messages).verdicts]).toEqual([1, 1, 1, 0, 0, 1, 1, 1]);
    expect(openFilter(hotRooms, { clock, configuration: Buffer.from('warm') })).toMatchObject({
      kind: 'configuration',
    });
  });

  it('judges as the same predicate here does, over many batches', async () => {
    const random = createRandom(5);
    const messages = Array.from({ length: 5000 }, () => {
      const unit = random.pick(['celsius', 'kelvin', undefined]);
      const degrees = (random.below(800) - 200) / 10;
      const filler = Array.from({ length: random.below(4) }, () =>
        header(`h${random.below(9)}`, 'x'.repeat(random.below(50))),
      );
      return {
        unit,
        degrees,
        message: reading(String(degrees), unit === undefined ? filler : [...filler, header('unit', unit)]),
      };
    });
    const filter = open(hotRooms);
    const expected = messages.map(({ unit, degrees }) =>
      unit === undefined || (unit === 'celsius' && degrees > 30) ? 1 : 0,
    );
    expect([...(await filter.judgeAll(messages.map(({ message }) => message)))]).toEqual(expected);
    expect(filter.counters()).toMatchObject({ messages: 5000, undecided: 0, failures: 0, instances: 1 });
    expect(filter.counters().batches).toBeGreaterThanOrEqual(5);
  });

  it('sees each part of a message as it is', () => {
    const filter = open(conformance);
    const keyed = reading('payload', [header('a', '1'), header('b'), header('a', '2'), header('ü', '')], {
      key: Buffer.from('key'),
      qos: 2,
      retain: true,
      timestampMs: -5,
    });
    const judged = filter.judge([
      keyed,
      reading('', [], { topic: Buffer.from('t/ü'), key: Buffer.alloc(0) }),
      reading('x', []),
    ]);
    expect(judged.failure).toBeUndefined();
    expect([...judged.verdicts]).toEqual([1, 1, 1]);
  });

  it('ends as a value when it gives up by an assertion', () => {
    const filter = open(conformance);
    const judged = filter.judge([reading('', [], { topic: Buffer.from('abort') })]);
    expect(judged.failure?.kind).toBe('abort');
    expect(judged.failure?.detail).toContain('a byte outside its range');
    expect([...judged.verdicts]).toEqual([2]);
  });
});
