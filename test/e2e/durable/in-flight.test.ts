/** Exchanges of QoS 1 and 2 that the end of a broker interrupts, in both directions: each goes on where it was. */
import { describe, expect, test } from 'vitest';
import type { PacketOf, RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { P } from '../../support/wire.ts';
import { type DurableBroker, ENDS, publisherOf, startDurable, take } from './broker.ts';

async function subscribed(
  broker: DurableBroker,
  version: wire.Version,
  properties: wire.Properties = [],
): Promise<RawClient> {
  const client = await broker.connect({ version, clientId: 'receiver', properties });
  await client.subscribe([{ filter: 't/#', qos: 2 }]);
  return client;
}

async function publish(broker: DurableBroker, ...messages: readonly (readonly [string, 1 | 2])[]) {
  const publisher = await publisherOf(broker);
  for (const [payload, qos] of messages) await publisher.publish({ topic: `t/${payload}`, payload, qos });
}

const shown = ({ payload, packetId, dup, qos }: PacketOf<'publish'>) => ({
  payload: payload.toString(),
  packetId,
  dup,
  qos,
});

describe.each(ENDS)('after a %s', (end) => {
  describe.each([4, 5] as const)('version %i', (version) => {
    test('what was not acknowledged comes again, as it was, ahead of what waited', async () => {
      const broker = await startDurable();
      const receiver = await subscribed(broker, version);
      await publish(broker, ['a', 1], ['b', 2], ['c', 1]);
      const first = [await receiver.expect('publish'), await receiver.expect('publish')];
      const third = await receiver.expect('publish');
      await receiver.complete(third);
      await receiver.barrier();
      await broker.restart(end);
      await publish(broker, ['d', 1]);
      const back = await broker.connect({ version, clientId: 'receiver' });
      const again = [await back.expect('publish'), await back.expect('publish')];
      expect(again.map(shown)).toEqual(first.map((packet) => ({ ...shown(packet), dup: true })));
      expect(await back.expect('publish')).toMatchObject({ payload: Buffer.from('d'), dup: false });
      await back.quiet();
    });

    test('a message whose PUBREC came is released, and not sent again', async () => {
      const broker = await startDurable();
      const receiver = await subscribed(broker, version);
      await publish(broker, ['received', 2], ['released', 2], ['complete', 2], ['open', 2]);
      const packets: PacketOf<'publish'>[] = [];
      for (let n = 0; n < 4; n++) packets.push(await receiver.expect('publish'));
      const [received, released, complete, open] = packets.map(({ packetId }) => packetId) as [
        number,
        number,
        number,
        number,
      ];
      for (const id of [received, released, complete]) receiver.send(wire.ack('pubrec', id));
      for (const id of [received, released, complete]) {
        expect((await receiver.expect('pubrel')).packetId).toBe(id);
      }
      receiver.send(wire.ack('pubcomp', complete));
      await receiver.barrier();
      await broker.restart(end);
      const back = await broker.connect({ version, clientId: 'receiver' });
      expect((await back.expect('pubrel')).packetId).toBe(received);
      expect((await back.expect('pubrel')).packetId).toBe(released);
      expect(await back.expect('publish')).toMatchObject({ packetId: open, dup: true });
      back.send(wire.ack('pubcomp', received), wire.ack('pubcomp', released), wire.ack('pubrec', open));
      expect((await back.expect('pubrel')).packetId).toBe(open);
      back.send(wire.ack('pubcomp', open));
      await back.quiet();
      await broker.restart(end);
      await (await broker.connect({ version, clientId: 'receiver' })).quiet();
    });

    test('a QoS 2 message that the broker has is not taken twice', async () => {
      const broker = await startDurable();
      const receiver = await subscribed(broker, version);
      await receiver.disconnect();
      const sender = await broker.connect({ version, clientId: 'sender' });
      sender.send(wire.publish({ version, topic: 't/x', payload: 'once', qos: 2, packetId: 9 }));
      await sender.expect('pubrec');
      await broker.restart(end);
      const back = await broker.connect({ version, clientId: 'sender' });
      back.send(wire.publish({ version, topic: 't/x', payload: 'once', qos: 2, packetId: 9, dup: true }));
      expect((await back.expect('pubrec')).packetId).toBe(9);
      back.send(wire.ack('pubrel', 9));
      expect((await back.expect('pubcomp')).packetId).toBe(9);
      await broker.restart(end);
      // Released: the identifier stands for a new message now.
      const third = await broker.connect({ version, clientId: 'sender' });
      third.send(wire.ack('pubrel', 9));
      await third.expect('pubcomp');
      await third.publish({ topic: 't/x', payload: 'another', qos: 2, packetId: 9 });
      const reader = await broker.connect({ version, clientId: 'receiver' });
      expect(await take(reader, 2)).toEqual(['once', 'another']);
      await reader.quiet();
    });
  });

  test('what was settled out of order stays settled', async () => {
    const broker = await startDurable();
    const receiver = await subscribed(broker, 5);
    const names = Array.from({ length: 40 }, (_, i) => String(i));
    await publish(broker, ...names.map((name) => [name, 1] as const));
    const packets: PacketOf<'publish'>[] = [];
    for (const _ of names) packets.push(await receiver.expect('publish'));
    const odd = packets.filter((_, i) => i % 2 === 1);
    for (const packet of odd.reverse()) receiver.send(wire.ack('puback', packet.packetId));
    await receiver.barrier();
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'receiver' });
    expect(await take(back, 20)).toEqual(names.filter((_, i) => i % 2 === 0));
    await back.quiet();
  });

  test('Receive Maximum of the new connection counts', async () => {
    const broker = await startDurable();
    const receiver = await subscribed(broker, 5, [[P.receiveMaximum, 10]]);
    const names = Array.from({ length: 12 }, (_, i) => String(i));
    await publish(broker, ...names.map((name) => [name, 1] as const));
    for (let n = 0; n < 10; n++) await receiver.expect('publish');
    await receiver.quiet();
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'receiver', properties: [[P.receiveMaximum, 3]] });
    const got: PacketOf<'publish'>[] = [];
    for (let n = 0; n < 3; n++) got.push(await back.expect('publish'));
    await back.quiet();
    for (let settled = 0; settled < 12; settled++) {
      await back.complete(got[settled] as PacketOf<'publish'>);
      if (got.length < 12) got.push(await back.expect('publish'));
      await back.quiet();
    }
    expect(got.map(({ payload }) => payload.toString())).toEqual(names);
    expect(got.slice(0, 10).every(({ dup }) => dup)).toBe(true);
  });

  test('packet identifiers of repeated deliveries and of new ones differ', async () => {
    const broker = await startDurable();
    const receiver = await subscribed(broker, 5);
    await publish(broker, ['a', 1], ['b', 1]);
    const [a, b] = [await receiver.expect('publish'), await receiver.expect('publish')];
    await receiver.complete(b);
    await receiver.barrier();
    await broker.restart(end);
    await publish(broker, ['c', 1], ['d', 2]);
    const back = await broker.connect({ clientId: 'receiver' });
    const ids: number[] = [];
    for (let n = 0; n < 3; n++) ids.push((await back.expect('publish')).packetId);
    expect(ids[0]).toBe(a.packetId);
    expect(new Set(ids).size).toBe(3);
  });
});
