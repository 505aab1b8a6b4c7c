/** Sessions belong to who made them: nobody else takes them over, resumes them or has their will published. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openDataDirectory } from '../../../../src/storage/data-directory/data-directory.ts';
import * as wire from '../../../support/wire.ts';
import { P } from '../../../support/wire.ts';
import { allow, deny, PASSWORD, type SecureNode, startSecureNode } from './support.ts';

let node: SecureNode;
const folders: string[] = [];
afterEach(async () => {
  await node.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const durable = { clean: false, properties: [[P.sessionExpiry, 1000]] } as const;
const mallory = { username: 'mallory', password: PASSWORD } as const;

describe('item 40: the client identifier of another user', () => {
  test.each([4, 5] as const)(
    'MQTT %i: connected, away or started anew, it stays its owner’s',
    async (version) => {
      node = await startSecureNode();
      await node.rules([], 'allow');
      await node.user('mallory');
      const ann = await node.as('ann', { ...durable, clientId: 'c', will: { topic: 'w', payload: 'ann' } });
      await ann.subscribe(['a']);
      const refused = version === 5 ? 0x85 : 2;
      for (const clean of [false, true]) {
        const will = { topic: 'w', payload: 'mallory' };
        expect(await node.refusal({ version, clientId: 'c', clean, will, ...mallory })).toBe(refused);
      }
      await ann.quiet();
      ann.send(wire.disconnect());
      await ann.closed();
      expect(await node.refusal({ version, clientId: 'c', clean: false, ...mallory })).toBe(refused);
      expect((await node.as('ann', { ...durable, clientId: 'c' })).connack?.sessionPresent).toBe(true);
      expect(node.node.mqtt.counters.takeoversDenied).toBe(3);
    },
  );

  test('a session that has ended is nobody’s, and a user without a name owns none of a user with one', async () => {
    node = await startSecureNode({ 'security.authentication.anonymous': 'allow' });
    await node.rules([], 'allow');
    const ann = await node.as('ann', { clientId: 'c' });
    expect(await node.refusal({ clientId: 'c' })).toBe(0x85);
    ann.send(wire.disconnect());
    await ann.closed();
    expect(await node.refusal({ clientId: 'c' })).toBe(0);
  });
});

describe('after a restart', () => {
  const start = async (folder: string) => {
    const dataDirectory = await openDataDirectory(folder);
    const started = await startSecureNode({ 'storage.engine': 'files' }, { dataDirectory });
    return { ...started, stop: () => started.stop().then(() => dataDirectory.close()) };
  };

  test('a session is still its owner’s, and what it was allowed is asked about again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-'));
    folders.push(folder);
    node = await start(folder);
    await node.rules([], 'allow');
    await node.user('mallory');
    const ann = await node.as('ann', { ...durable, clientId: 'c' });
    await ann.subscribe(['a/+']);
    ann.send(wire.disconnect());
    await ann.closed();
    const publisher = await node.as('pub');
    for (const topic of ['a/secret', 'a/open']) await publisher.publish({ topic, payload: 'x', qos: 1 });
    await node.stop();

    node = await start(folder);
    await node.rules([allow(['#']), deny(['a/secret'], { users: ['ann'] })]);
    expect(await node.refusal({ ...durable, clientId: 'c', ...mallory })).toBe(0x85);
    const again = await node.as('pub');
    for (const topic of ['a/secret', 'a/open']) await again.publish({ topic, payload: 'y', qos: 1 });
    const back = await node.as('ann', { ...durable, clientId: 'c' });
    expect(back.connack?.sessionPresent).toBe(true);
    const got = [await back.waitFor('publish'), await back.waitFor('publish')];
    expect(got.map(({ topic, payload }) => `${topic}=${payload}`)).toEqual(['a/open=x', 'a/open=y']);
    await back.quiet();
  });

  test('the will of a user who was deleted is not published', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-'));
    folders.push(folder);
    node = await start(folder);
    await node.rules([], 'allow');
    const will = { topic: 'w', payload: 'x', properties: [[P.willDelay, 100]] } as const;
    for (const name of ['ann', 'bob']) {
      const client = await node.as(name, { ...durable, will: { ...will, payload: name } });
      client.send(wire.disconnect(4));
      await client.closed();
    }
    await node.node.security.users.delete('ann');
    await node.stop();

    node = await start(folder);
    await node.rules([], 'allow');
    const watcher = await node.as('watcher');
    await watcher.subscribe(['#']);
    await node.clock.advance(101_000);
    expect((await watcher.waitFor('publish')).payload.toString()).toBe('bob');
    await watcher.quiet();
  });
});
