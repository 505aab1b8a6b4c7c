/** `start` and `stop` as processes: of each other, with what each says to programs and to people. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { asProcess, atTerminal, bundle, hasTerminals, type Ran, type Way } from './processes.ts';

let folder: string;
let way: Way;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-verbs-'));
  way = { environment: { HOME: folder, NO_COLOR: '1' }, folder };
  await bundle();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const settings = ['mqtt', 'ws', 'kafka', 'http'].flatMap((name) =>
  name === 'mqtt' ? ['--set', 'listeners.mqtt.port=0'] : ['--set', `listeners.${name}.enabled=false`],
);
const there = (): string[] => ['--data-dir', join(folder, 'data')];
const verb = (...args: string[]): Promise<Ran> => asProcess([...args, ...there()], way);
const starts = (runs: typeof asProcess): Promise<Ran> => runs(['start', ...there(), ...settings], way);

it('start logs lines of JSON, until stop says that it has ended', { timeout: 60_000 }, async () => {
  const started = starts(asProcess);
  expect(await verb('status', '--wait', '30s', '--json')).toMatchObject({ code: 0, err: '' });
  const second = await starts(asProcess);
  expect(second).toMatchObject({ code: 1, err: expect.stringContaining('in use by process') });
  const stopped = await verb('stop', '--json');
  expect(stopped).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(stopped.out)).toEqual({ processId: expect.any(Number), hasEnded: true });
  const { code, out, err } = await started;
  expect([code, err]).toEqual([0, '']);
  for (const line of out.trimEnd().split('\n')) JSON.parse(line);
});

it.skipIf(!hasTerminals)('start tells people where it listens', { timeout: 60_000 }, async () => {
  const started = starts(atTerminal);
  expect(await verb('status', '--wait')).toMatchObject({ code: 0 });
  expect(await verb('stop', '--now')).toMatchObject({ code: 0, out: '' });
  const { out } = await started;
  expect(out).toMatch(/mqtt:\/\/localhost:\d+$/m);
  expect(out).not.toMatch(/\u001b\[[0-9;]*m/);
});

it('stop and start refuse what they do not know', { timeout: 60_000 }, async () => {
  expect(await verb('stop')).toMatchObject({ code: 5, out: '' });
  for (const name of ['start', 'stop']) {
    expect(await verb(name, '--nonsense')).toMatchObject({ code: 2, out: '' });
  }
  expect(await verb('start', '--set', 'mqtt.maxQos=7')).toMatchObject({ code: 2, out: '' });
});
