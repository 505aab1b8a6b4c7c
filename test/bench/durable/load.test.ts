/** The loads of the durable benches do what they say, seen from another broker. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Aedes } from 'aedes';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publishAll, topicOf } from '../../../bench/durable/publish.ts';
import { firstAnswer, makeSessions, sessionName } from '../../../bench/durable/sessions.ts';
import { figure, markdown } from '../../../bench/durable/table.ts';

let broker: Aedes;
let server: Server;
let port: number;
const seen: { topic: string; retain: boolean }[] = [];

beforeAll(async () => {
  broker = await Aedes.createBroker();
  broker.on('publish', ({ topic, retain }) => {
    if (topic.startsWith('load/')) seen.push({ topic, retain });
  });
  server = createServer({ noDelay: true }, broker.handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterAll(() => {
  server.close();
  broker.close();
});

it('a number of messages goes to a number of topics in turn, each acknowledged', async () => {
  const batch = { port, prefix: 'load', count: 1203, topics: 7, payloadBytes: 10, retain: true };
  const { refused } = await publishAll(batch);
  expect(refused).toBe(0);
  const topics = Array.from({ length: 1203 }, (_, i) => topicOf('load', i % 7));
  expect(seen.map(({ topic }) => topic)).toEqual(topics);
  expect(seen.every(({ retain }) => retain)).toBe(true);
});

it('sessions are left behind, and the first that comes back says whether it was known', async () => {
  await makeSessions(port, 250, (index) => `session/${index}`);
  const gaveUp = (): undefined => undefined;
  expect(await firstAnswer(port, sessionName(249), gaveUp)).toEqual({ isSessionPresent: true });
  expect(await firstAnswer(port, sessionName(250), gaveUp)).toEqual({ isSessionPresent: false });
});

it('waiting for an answer ends when there will be none', async () => {
  await expect(firstAnswer(1, 'nobody', () => 'the broker ended')).rejects.toThrow('the broker ended');
});

it('a table is Markdown, and what is no number is a dash', () => {
  const table = { title: 'T', head: ['a', 'b'], rows: [['x', figure(Number.NaN)]], remarks: ['r'] };
  expect(markdown(table)).toBe('**T**\n\n| a | b |\n|---|--:|\n| x | – |\n\n- r\n');
});
