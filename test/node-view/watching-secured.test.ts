import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { testIo } from '../cli/support.ts';
import { until } from '../e2e/support.ts';
import { startViewed, type ViewedNode } from './support.ts';

const SECRET = 'planted-secret-8d1f';
let node: ViewedNode;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-events-'));
  node = await startViewed({
    'storage.engine': 'memory',
    'security.authentication.authenticators': 'database',
    'security.passwords.scryptLogCost': 10,
    'listeners.http.enabled': true,
    'listeners.http.port': 0,
  });
});
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true });
});

describe('what was shown to be let in', () => {
  it('is in no event: neither a password, nor what was typed as a user name, nor what messages say', async () => {
    const stranger = { clientId: 'stranger', username: SECRET, password: SECRET };
    const refused = await node.connect(stranger);
    expect(refused.connack?.reason).toBe(0x86);
    await node.post('/users', { name: 'ada', password: SECRET, isSuperuser: true });
    const ada = await node.connect({ clientId: 'a', username: 'ada', password: SECRET });
    await ada.publish({ topic: 'a', payload: SECRET, qos: 1 });
    await ada.drop();
    await until('all of it is noted', () => node.node.mqtt.state.connections === 0);
    const items = await node.all('/events', 100);
    expect(items.map(({ kind, clientId, user }) => [kind, clientId, user]).toReversed()).toEqual([
      ['client.refused', 'stranger', null],
      ['administration', null, null],
      ['client.connected', 'a', 'ada'],
      ['client.disconnected', 'a', 'ada'],
    ]);
    expect(JSON.stringify(items)).not.toContain(SECRET);
  });
});

describe('a tail over the control socket', () => {
  it('shows what tenants publish, under the names that the broker has for it', async () => {
    await node.post('/users', { name: 'tina', tenant: 'acme', password: SECRET, isSuperuser: true });
    const tailing = testIo();
    const args = ['--count', '1', '-o', 'ndjson', '--data-dir', node.folder];
    const tail = run(['tail', '$tenant/acme/#', ...args], tailing);
    let isDone = false;
    void tail.finally(() => {
      isDone = true;
    });
    const client = await node.connect({ clientId: 't', username: 'tina', password: SECRET });
    while (!isDone) await client.publish({ topic: 'a', payload: 'x', qos: 1 });
    expect([await tail, JSON.parse(tailing.outText())]).toEqual([
      0,
      expect.objectContaining({ topic: '$tenant/acme/a', payload: 'x' }),
    ]);
  });
});

describe('robustmq events and tail of a broker elsewhere', () => {
  it('follow with an API key, and end with code 4 when it is revoked', async () => {
    const listener = node.node.listeners.find(({ name }) => name === 'http')?.address;
    if (listener === undefined || !('port' in listener)) throw new Error('no http listener');
    await node.post('/users', { name: 'grace', password: SECRET, isSuperuser: true });
    const { body: key } = await node.post('/keys', { owner: 'grace' });
    const file = join(folder, 'key');
    writeFileSync(file, String(key.key));
    const elsewhere = ['--url', `http://127.0.0.1:${listener.port}`, '--api-key-file', file];
    const io = testIo();
    expect(await run(['events', '--kind', 'client', '-f', '--count', '1', ...elsewhere], io)).toBe(0);
    expect(io.outText()).toContain('client.refused');

    const tailing = testIo();
    const tail = run(['tail', 'b', '-o', 'ndjson', ...elsewhere], tailing);
    const following = testIo();
    const events = run(['events', '-f', '--last', '0', '--client', 'b', ...elsewhere], following);
    while (!tailing.outText().includes('"topic":"b"') || !following.outText().includes('clientId=b')) {
      await node.post('/messages', { topic: 'b', payload: 'x' });
      const client = await node.connect({ clientId: 'b', username: 'grace', password: SECRET });
      await client.drop();
    }
    await node.remove(`/keys/${String(key.id)}`);
    await node.clock.advance(1000);
    expect([await tail, await events]).toEqual([4, 4]);
    expect(following.errText()).toBe('robustmq: not allowed any more\n');
    const again = testIo();
    expect(await run(['events', '-f', ...elsewhere], again)).toBe(4);
  });
});
