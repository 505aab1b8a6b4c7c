/** Readers that have enough: a pipe that closes early is a normal end, for every kind of output. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPlace, type Place } from './place.ts';
import { bundle, intoFile, intoHead, type Way } from './processes.ts';

let place: Place;
let way: Way;
let timer: NodeJS.Timeout;
const MANY = 3000;

beforeAll(async () => {
  [place] = await Promise.all([openPlace(), bundle()]);
  way = { environment: { HOME: place.folder, XDG_CONFIG_HOME: place.folder }, folder: place.folder };
  const { node } = place;
  const records = Array.from({ length: MANY }, () => ({ payload: 'x'.repeat(100) }));
  for (let at = 0; at < MANY; at += 500) {
    await node.post('/topics/orders/partitions/1/records', { records: records.slice(at, at + 500) });
  }
  const publisher = await node.connect({ clientId: 'publisher' });
  timer = setInterval(() => {
    for (const topic of ['ticks', 'sensors/1']) void publisher.publish({ topic, payload: 'x'.repeat(200) });
  }, 2);
}, 60_000);
afterAll(async () => {
  clearInterval(timer);
  await place.close();
});

const there = (): string[] => ['--data-dir', place.node.folder];

it.each<[string, () => string[]]>([
  ['a reference', () => ['config', 'docs']],
  ['one JSON document', () => ['config', 'schema']],
  ['a list', () => ['audit', 'list', ...there()]],
  ['what is exported', () => ['export', 'data', '--topic', 'orders', ...there()]],
  ['messages of a subscription', () => ['sub', 'ticks', '--url', place.mqttUrl]],
  ['messages as they are published', () => ['tail', 'ticks', ...there()]],
  ['steps of messages', () => ['trace', '--topic', 'ticks', '--rate', '100', ...there()]],
  ['figures as they change', () => ['top', '--interval', '100ms', ...there()]],
  ['records as they come', () => ['stream', 'read', 'telemetry', '--follow', ...there()]],
])('%s ends with its reader, without a word', { timeout: 30_000 }, async (_what, args) => {
  const { code, out, err } = await intoHead(args(), way);
  expect([code, out.split('\n').length]).toEqual([0, 2]);
  // Where it had written all of it before, it may say how much that was.
  expect(err).not.toMatch(/ {4}at |Error|EPIPE|robustmq:/);
});

it.skipIf(!existsSync('/dev/full'))('what cannot be written is said, and is no success', async () => {
  expect(await intoFile('/dev/full', ['config', 'docs'], way)).toEqual({
    code: 1,
    out: '',
    err: 'robustmq: cannot write standard output: no space left\n',
  });
});
