import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { startViewed, type ViewedNode } from '../node-view/support.ts';
import { testIo } from './support.ts';

let node: ViewedNode;

beforeAll(async () => {
  node = await startViewed({ 'storage.engine': 'memory' });
  await node.connect({ clientId: 'kitchen' });
  const client = await node.connect({ clientId: 'cellar \u001b[31m' });
  await client.subscribe(['a/+']);
  await node.post('/bans', { kind: 'client', value: 'noisy' });
});
afterAll(() => node.stop());

async function robustmq(...args: string[]) {
  const io = testIo();
  const code = await run([...args, '--data-dir', node.folder], io);
  return { code, out: io.outText(), err: io.errText() };
}

describe('robustmq events', () => {
  it('shows the last ones, the newest at the end', async () => {
    const { code, out } = await robustmq('events', '--kind', 'client', '--last', '3');
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^AT +KIND +PROTOCOL +CLIENT ID +USER +TENANT +ADDRESS +SUBJECT +REASON$/);
    expect(lines[1]).toMatch(/client\.connected +mqtt +kitchen +- +- +127\.0\.0\.1/);
    expect(lines[3]).toMatch(/client\.subscribed +mqtt +cellar \\u001b\[31m .* a\/\+/);
    expect((await robustmq('events', '--last', '0', '-o', 'ndjson')).out).toBe('');
  });

  it('gives every field as JSON', async () => {
    const { out } = await robustmq('events', '--kind', 'ban.set', '-o', 'ndjson');
    expect(JSON.parse(out)).toMatchObject({ kind: 'ban.set', subject: 'client noisy', clientId: null });
  });

  it('follows what happens, after what has happened', async () => {
    const following = robustmq('events', '-f', '--client', 'late', '--count', '1', '-o', 'ndjson');
    await node.connect({ clientId: 'late' });
    expect(JSON.parse((await following).out)).toMatchObject({ kind: 'client.connected', clientId: 'late' });
    const { code, out } = await robustmq('events', '--follow', '--client', 'kitchen', '--count', '1');
    expect([code, out]).toEqual([
      0,
      '2026-01-01T00:00:00Z client.connected protocol=mqtt listener=mqtt address=127.0.0.1 clientId=kitchen\n',
    ]);
  });

  it('says what there is where a kind is none, and that a stream has no end', async () => {
    const wrong = await robustmq('events', '--kind', 'clients');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('no events of the kind "clients"')]);
    const followed = await robustmq('events', '-f', '--kind', 'clients');
    expect([followed.code, followed.err]).toEqual([2, wrong.err]);
    const json = await robustmq('events', '-f', '--json');
    expect([json.code, json.err]).toEqual([2, expect.stringContaining('use -o ndjson')]);
  });

  it('ends with code 5 when the broker stops', async () => {
    const other = await startViewed({ 'storage.engine': 'memory' });
    const io = testIo();
    const following = run(['events', '-f', '--data-dir', other.folder], io);
    while (!io.outText().includes('late')) {
      await other.connect({ clientId: 'late' });
    }
    await other.stop();
    expect([await following, io.errText()]).toEqual([5, 'robustmq: the broker is stopping\n']);
  });
});

it('goes on behind what it has seen when the broker is back, where that is asked for', async () => {
  const first = await startViewed({ 'storage.engine': 'memory' });
  const io = testIo();
  const args = ['events', '-f', '--retry', '--kind', 'client.connected', '-o', 'ndjson'];
  const following = run([...args, '--data-dir', first.folder], io);
  await first.connect({ clientId: 'before' });
  await io.outMatches(/"before"/);
  await first.halt();
  const second = await startViewed({ 'storage.engine': 'memory' }, first.folder);
  await second.connect({ clientId: 'behind' });
  await io.outMatches(/"behind"/);
  io.signal('SIGINT');
  expect(await following).toBe(0);
  expect(io.outText().match(/"(?:before|behind)"/g)).toEqual(['"before"', '"behind"']);
  expect(io.errText()).toContain('the broker is stopping; trying again\n');
  await second.stop();
});

describe('robustmq tail', () => {
  /** Publishes until somebody has seen as much as was asked for. */
  async function tailing(message: object, ...args: string[]) {
    const seen = robustmq('tail', 'seen/#', '--count', '1', ...args);
    let isDone = false;
    void seen.finally(() => {
      isDone = true;
    });
    while (!isDone) await node.post('/messages', { topic: 'seen/1', ...message });
    return seen;
  }

  it('shows messages as text, as JSON, and as bytes', async () => {
    const properties = [{ name: 'k', value: 'v' }];
    const text = await tailing({ payload: 'one\n\u001b[31mtwo', userProperties: properties });
    expect(text.out).toBe('2026-01-01T00:00:00Z  mqtt  seen/1  12 B  k=v\n  one\n  \\u001b[31mtwo\n');
    const json = await tailing({ payloadJson: { a: [1] } }, '--format', 'json');
    expect(json.out).toContain('\n  {\n    "a": [\n      1\n    ]\n  }\n');
    const bytes = await tailing({ payloadBase64: '/wA=' });
    expect(bytes.out).toMatch(/ 2 B\n {2}ff00\n$/);
    const hex = await tailing({ payload: 'abcdef' }, '--format', 'hex', '--max-payload', '2');
    expect(hex.out).toMatch(/ 6 B\n {2}6162 …\n$/);
  });

  it('gives every field as JSON, and says what is wrong with a filter', async () => {
    const { out } = await tailing({ payload: 'x' }, '-o', 'ndjson');
    expect(JSON.parse(out)).toMatchObject({ topic: 'seen/1', payload: 'x', protocol: 'mqtt' });
    const wrong = await robustmq('tail', 'a/#/b');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('a/#/b: ')]);
  });
});
