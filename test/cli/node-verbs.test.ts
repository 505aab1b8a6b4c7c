/**
 * Verbs about a whole node, with a terminal where that makes a difference. Each is a process of its own in the long form
 * (ROBUSTMQ_TEST_PROCESSES=all); in the short form the first of each test is.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { startViewed, type ViewedNode } from '../node-view/support.ts';
import { testIo } from './support.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
let node: ViewedNode;

beforeAll(async () => {
  node = await startViewed({
    'storage.engine': 'memory',
    'listeners.kafka.enabled': true,
    'listeners.kafka.port': 0,
  });
  const client = await node.durable('cellar \u001b[31m/ä');
  await client.subscribe([{ filter: 'a/+', qos: 1 }]);
  await node.connect({ clientId: 'doomed' });
  await node.post('/topics', { name: 'orders', partitions: 2 });
  await node.post('/messages', { topic: '$delayed/3600/later', payload: 'late' });
  await node.post('/messages', { topic: 'kept/1', payload: 'x', retain: true });
});
afterAll(() => node.stop());

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function inProcess(...args: string[]): Promise<Ran> {
  const io = testIo();
  const code = await run([...args, '--data-dir', node.folder], io);
  return { code, out: io.outText(), err: io.errText() };
}

async function robustmq(...args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args, '--data-dir', node.folder]);
  child.stdin.end();
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, out, err };
}

async function all([first = [], ...rest]: readonly (readonly string[])[]): Promise<Ran[]> {
  const answers = [await robustmq(...first)];
  for (const line of rest) {
    answers.push(await (process.env.ROBUSTMQ_TEST_PROCESSES === 'all' ? robustmq : inProcess)(...line));
  }
  return answers;
}

/** As if somebody sat there and answered. */
async function atTerminal(answer: string, ...args: string[]): Promise<Ran> {
  const io = testIo(answer);
  Object.assign(io.in, { isTTY: true });
  Object.assign(io.out, { isTTY: true });
  Object.assign(io.err, { isTTY: true });
  const code = await run([...args, '--data-dir', node.folder], io);
  return { code, out: io.outText(), err: io.errText() };
}

describe('verbs about a node', () => {
  it('show what there is', { timeout: 60_000 }, async () => {
    const [clients, client, subscriptions, topics, topic, groups, delayed, late, dead, certs, ...none] =
      await all([
        ['client', 'list'],
        ['client', 'show', 'doomed', '-o', 'ndjson'],
        ['subscription', 'list', '--topic', 'a/b', '-o', 'ndjson'],
        ['topic', 'list', '--prefix', 'o'],
        ['topic', 'show', 'orders', '--json'],
        ['group', 'list', '--json'],
        ['delayed', 'list', '-o', 'ndjson'],
        ['delayed', 'show', '1', '--json'],
        ['dlq', 'list', '--json'],
        ['cert', 'list', '--json'],
        ['dlq', 'show', 'nothing'],
        ['dlq', 'redrive', 'nothing', '--max', '1', '--dry-run'],
        ['cert', 'show', 'mqtts'],
      ]);
    expect(clients).toMatchObject({ code: 0, err: '' });
    expect(clients?.out).toMatch(/^ID +TENANT +PROTOCOL +ADDRESS/);
    // What a client calls itself does not reach the terminal as it is.
    expect(clients?.out).not.toContain('\u001b');
    expect(JSON.parse(client?.out ?? '')).toMatchObject({ id: 'mqtt:doomed', clientId: 'doomed' });
    expect(JSON.parse(subscriptions?.out ?? '')).toMatchObject({ filter: 'a/+', qos: 1 });
    expect(topics?.out).toMatch(/^orders +2 +0 /m);
    expect(JSON.parse(topic?.out ?? '')).toMatchObject({ name: 'orders', partitions: 2 });
    expect(JSON.parse(groups?.out ?? '')).toEqual([]);
    const { id } = JSON.parse(delayed?.out ?? '') as { id: number };
    expect(late?.code).toBe(id === 1 ? 0 : 1);
    expect(JSON.parse(dead?.out ?? '')).toEqual({ streams: [] });
    expect(JSON.parse(certs?.out ?? '')).toEqual([]);
    expect(none.map(({ code, out }) => [code, out])).toEqual([
      [1, ''],
      [1, ''],
      [1, ''],
    ]);
  });

  it.each([
    ['n', 'n\n'],
    ['Ctrl-C', '\u0003'],
    ['the end of the input', ''],
  ])('do nothing where the answer to whether to go on is %s', async (_name, answer) => {
    const { code, err } = await atTerminal(answer, 'session', 'end', 'nobody');
    expect(code).toBe(1);
    expect(err).toContain('Really? [y/N]');
    expect(err.trimEnd().split('\n').at(-1)).toMatch(/robustmq: nothing was done$/);
    expect(err).not.toContain('    at ');
  });

  it('show figures as they change: lines, and drawn in place at a terminal', {
    timeout: 60_000,
  }, async () => {
    const watch = ['top', '--interval', '100ms', '--count', '2'];
    const [plain, json, whole] = await all([watch, [...watch, '-o', 'ndjson'], [...watch, '--json']]);
    expect(plain).toMatchObject({ code: 0, err: '' });
    expect(plain?.out).toMatch(
      /^atMs=\S+ health=green connections=2 .* receivedPerSecond=- .*\natMs=\S+ .* receivedPerSecond=0 .*\n$/,
    );
    const looks = (json?.out ?? '')
      .trim()
      .split('\n')
      .map((each) => JSON.parse(each) as object);
    expect(looks).toMatchObject([
      { connections: 2, sentPerSecond: null },
      { sentPerSecond: 0, problems: [] },
    ]);
    expect(whole).toMatchObject({ code: 2, out: '' });
    const drawn = await atTerminal('', ...watch);
    expect(drawn.out.split('\u001b[H\u001b[J')).toHaveLength(3);
    expect(drawn.out).toMatch(/^connections +2$/m);
  });

  it('change it, and say so on standard error', { timeout: 60_000 }, async () => {
    const [created, updated, published, kicked, counted, removed, missing, wrong] = await all([
      ['topic', 'create', 'bills', '--partitions', '3', '--configs', 'retention.ms=1000'],
      ['topic', 'update', 'orders', '--configs', 'cleanup.policy=compact', '--dry-run'],
      ['message', 'publish', 'a/b', '21.5', '--qos', '1'],
      ['client', 'kick', 'doomed'],
      ['client', 'kick-all', '--prefix', 'cellar', '--dry-run', '--json'],
      ['retained', 'delete-all', 'kept/#', '--json'],
      ['group', 'show', 'nobody'],
      ['group', 'reset', 'nobody', '--to', 'somewhere', '--yes'],
    ]);
    expect(created).toEqual({ code: 0, out: '', err: 'the topic is there\n' });
    expect(updated).toEqual({ code: 0, out: '', err: 'the topic could be changed\n' });
    expect(published).toEqual({ code: 0, out: '', err: 'published\n' });
    expect(kicked).toEqual({ code: 0, out: '', err: 'the client is disconnected; its session stays\n' });
    expect(JSON.parse(counted?.out ?? '')).toEqual({ matched: 1, kicked: 0 });
    expect(JSON.parse(removed?.out ?? '')).toEqual({ matched: 1, removed: 1, hasMore: false });
    expect(missing).toEqual({ code: 1, out: '', err: 'robustmq: there is no group "nobody"\n' });
    expect(wrong).toMatchObject({ code: 2, out: '' });
  });

  it('ask at a terminal before what does not come back', { timeout: 60_000 }, async () => {
    expect(await atTerminal('n\n', 'topic', 'delete', 'bills')).toMatchObject({
      code: 1,
      err: expect.stringContaining('nothing was done'),
    });
    expect((await node.get('/topics/bills')).status).toBe(200);
    expect(await atTerminal('y\n', 'topic', 'delete', 'bills')).toMatchObject({
      code: 0,
      err: expect.stringContaining('the topic is deleted'),
    });
    const [deleted, cancelled, group] = await all([
      ['topic', 'delete', 'orders', '--yes'],
      ['delayed', 'cancel', '7', '--yes'],
      ['group', 'delete', 'nobody', '--yes'],
    ]);
    expect(deleted).toEqual({ code: 0, out: '', err: 'the topic is deleted\n' });
    expect([cancelled?.code, group?.code]).toEqual([1, 1]);
    expect((await node.get('/topics/orders')).status).toBe(404);
    // Nothing comes back from a look: nobody is asked.
    expect(await atTerminal('', 'client', 'kick-all', '--prefix', 'x', '--dry-run')).toMatchObject({
      code: 0,
    });
  });
});
