/** Decisions that take their time, and exchanges of AUTH: seen from a client. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  type AuthMethod,
  type AuthResult,
  allowEveryone,
  defaultAuthorizer,
} from '../../../src/protocols/mqtt/auth.ts';
import { hashOf } from '../../../src/protocols/mqtt/session.ts';
import { startTestNode, type TestNode } from '../../e2e/support.ts';
import { RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';

let node: TestNode | undefined;
afterEach(async () => {
  await node?.stop();
  node = undefined;
});

/** Says 'again' to everything but the secret. */
const secret: AuthMethod = {
  name: 'SECRET',
  begin: () => ({
    start: async () => ({ type: 'continue', data: Buffer.from('challenge') }),
    continue: async (data) =>
      Buffer.from(data ?? '').toString() === 'open'
        ? { type: 'success', data: Buffer.from('welcome') }
        : { type: 'failure', reasonCode: 0x87 },
  }),
};
const withMethod: wire.Properties = [[wire.P.authMethod, 'SECRET']];
const answer = (text: string): Buffer =>
  wire.auth(0x18, [
    [wire.P.authMethod, 'SECRET'],
    [wire.P.authData, Buffer.from(text)],
  ]);

describe('authentication', () => {
  test('what came while a decision was pending is handled after it, in order', async () => {
    let decide: (result: AuthResult) => void = () => {};
    node = await startTestNode(
      {},
      {
        authenticator: {
          authenticate: () =>
            new Promise<AuthResult>((resolve) => {
              decide = resolve;
            }),
        },
      },
    );
    const client = await RawClient.open(node.mqtt, 5, 'early');
    client.send(
      wire.connect({ clientId: 'early' }),
      wire.subscribe(5, 1, [{ filter: 'a', qos: 1 }]),
      wire.publish({ version: 5, topic: 'a', payload: 'x', qos: 1, packetId: 2 }),
    );
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(client.received).toEqual([]);
    decide({ allow: true });
    expect((await client.expect('connack')).reason).toBe(0);
    await client.expect('suback');
    await client.waitFor('puback');
    await client.waitFor('publish');
  });

  test('a decision that fails ends the connection and nothing else', async () => {
    node = await startTestNode(
      {},
      {
        authenticator: {
          authenticate: ({ clientId }) =>
            clientId === 'bad' ? Promise.reject(new Error('no database')) : { allow: true },
        },
      },
    );
    const good = await node.connect({ clientId: 'good' });
    const bad = await RawClient.open(node.mqtt, 5, 'bad');
    bad.send(wire.connect({ clientId: 'bad' }));
    await bad.closed();
    await good.quiet();
  });

  test('an exchange leads to CONNACK, and again later', async () => {
    node = await startTestNode({}, { authMethods: [secret] });
    const client = await RawClient.open(node.mqtt, 5, 'x');
    client.send(wire.connect({ clientId: 'x', properties: withMethod }));
    expect((await client.expect('auth')).reason).toBe(0x18);
    client.send(answer('open'));
    expect((await client.expect('connack')).reason).toBe(0);
    client.send(wire.auth(0x19, withMethod));
    expect((await client.expect('auth')).reason).toBe(0x18);
    client.send(wire.publish({ version: 5, topic: 'a', payload: '', qos: 1, packetId: 5 }), answer('open'));
    await client.expect('puback');
    expect((await client.expect('auth')).reason).toBe(0);
  });

  test('a failed exchange is told in CONNACK, a failed repetition in DISCONNECT', async () => {
    node = await startTestNode({}, { authMethods: [secret] });
    const first = await RawClient.open(node.mqtt, 5, 'x');
    first.send(wire.connect({ clientId: 'x', properties: withMethod }));
    await first.expect('auth');
    first.send(answer('no'));
    expect((await first.expect('connack')).reason).toBe(0x87);
    await first.closed();
    const second = await RawClient.open(node.mqtt, 5, 'x');
    second.send(wire.connect({ clientId: 'x', properties: withMethod }));
    await second.expect('auth');
    second.send(answer('open'));
    await second.expect('connack');
    second.send(wire.auth(0x19, withMethod));
    await second.expect('auth');
    second.send(answer('no'));
    expect((await second.expect('disconnect')).reason).toBe(0x87);
  });
});

describe('authorization', () => {
  test.each(['none', 'user', 'client'] as const)(
    'with decisions by %s each publish is decided for its own client',
    async (scope) => {
      node = await startTestNode(
        {},
        {
          authenticator: allowEveryone,
          authorizer: {
            ...defaultAuthorizer,
            publisherClass: ({ clientId = '', userName = '' }) =>
              scope === 'none' ? 0 : hashOf(scope === 'user' ? userName : clientId),
            mayPublish: ({ clientId, userName }) =>
              scope === 'none' || (scope === 'user' ? userName !== 'mallory' : clientId !== 'mallory'),
            maySubscribe: () => true,
          },
        },
      );
      const subscriber = await node.connect({ clientId: 'subscriber' });
      await subscriber.subscribe(['t']);
      const alice = await node.connect({ clientId: 'alice', username: 'alice' });
      const mallory = await node.connect({ clientId: 'mallory', username: 'mallory' });
      for (let i = 0; i < 4; i++) {
        expect(await alice.publish({ topic: 't', payload: 'a', qos: 1 })).toBe(0);
        expect(await mallory.publish({ topic: 't', payload: 'm', qos: 1 })).toBe(scope === 'none' ? 0 : 0x87);
      }
      const got = (await subscriber.barrier()).filter((packet) => packet.type === 'publish');
      expect(got.length).toBe(scope === 'none' ? 8 : 4);
    },
  );

  test('promised decisions keep the order of packets', async () => {
    node = await startTestNode(
      {},
      {
        authorizer: {
          ...defaultAuthorizer,
          mayPublish: async () => true,
          maySubscribe: async (_client, filter) => filter[0] === 0x61,
        },
      },
    );
    const client = await node.connect({ clientId: 'c' });
    const packets: Buffer[] = [wire.subscribe(5, 100, [{ filter: 'a' }, { filter: 'b' }])];
    for (let i = 1; i <= 20; i++) {
      packets.push(wire.publish({ version: 5, topic: 'a', payload: String(i), qos: 1, packetId: i }));
    }
    client.send(...packets);
    expect((await client.expect('suback')).reasons).toEqual([0, 0x87]);
    for (let i = 1; i <= 20; i++) {
      expect((await client.waitFor('puback')).packetId).toBe(i);
      expect((await client.waitFor('publish')).payload.toString()).toBe(String(i));
    }
  });
});
