import { describe, expect, it } from 'vitest';
import { ack, connect, P, publish, subscribe } from '../../support/wire.ts';
import { configOf, emptyDisk, type Link, type MortalBroker, startBroker } from './durable/mortal-broker.ts';

const payloadsOf = (link: Link): string[] =>
  link.inbox.flatMap((packet) => (packet.type === 'publish' ? [packet.payload.toString()] : []));

/** A durable member that is away, and a fleeting one with a window of 1. */
async function groupsOf(
  broker: MortalBroker,
  groups: readonly string[],
  properties: readonly (readonly [number, number])[] = [],
): Promise<Link> {
  const away = broker.connect();
  away.send(connect({ clientId: 'away', properties: [[P.sessionExpiry, 1000]] }));
  await broker.write();
  const filters = groups.map((group) => ({ filter: `$share/${group}/${group}`, qos: 1 }));
  away.send(subscribe(5, 1, filters));
  await broker.write();
  away.destroy();
  await broker.write();
  const fleeting = broker.connect();
  fleeting.send(connect({ clientId: 'fleeting', properties: [[P.receiveMaximum, 1], ...properties] }));
  fleeting.send(subscribe(5, 1, filters));
  await broker.write();
  return fleeting;
}

async function publisherOn(
  broker: MortalBroker,
): Promise<(topic: string, payload: string, expiry?: number) => void> {
  const link = broker.connect();
  link.send(connect({ clientId: 'publisher' }));
  await broker.settle();
  let packetId = 0;
  return (topic, payload, expiry) => {
    const properties = expiry === undefined ? [] : [[P.messageExpiry, expiry] as const];
    link.send(publish({ topic, payload, qos: 1, packetId: ++packetId, properties }));
  };
}

/** The fleeting member acknowledges what it gets, until nothing comes any more. */
async function takeAll(broker: MortalBroker, link: Link): Promise<string[]> {
  const taken: string[] = [];
  for (let idle = 0; idle < 3; ) {
    await broker.write();
    const got = link.inbox.splice(0);
    idle = got.length === 0 ? idle + 1 : 0;
    for (const packet of got) {
      if (packet.type !== 'publish') continue;
      taken.push(packet.payload.toString());
      link.send(ack('puback', packet.packetId));
    }
  }
  return taken;
}

const kept = (broker: MortalBroker): number =>
  [...broker.tables.groups.all()].reduce((sum, { queue }) => sum + queue.length, 0);

describe('what a group has given to a member that does not stay', () => {
  it('is settled when it is acknowledged, in order', async () => {
    const broker = await startBroker(await configOf({}), emptyDisk(), 'journal');
    const member = await groupsOf(broker, ['g']);
    const send = await publisherOn(broker);
    for (let n = 0; n < 20; n++) send('g', `${n}`);
    await broker.write();
    expect(payloadsOf(member)).toEqual(['0']);
    expect(kept(broker)).toBe(20);
    expect(await takeAll(broker, member)).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`));
    expect([kept(broker), broker.tables.store.count]).toEqual([0, 0]);
  });

  it('is not kept for ever when it is too large for its only member', async () => {
    const broker = await startBroker(await configOf({}), emptyDisk(), 'journal');
    const member = await groupsOf(broker, ['g'], [[P.maximumPacketSize, 100]]);
    const send = await publisherOn(broker);
    for (const payload of ['a', 'b', 'x'.repeat(200), 'c']) send('g', payload);
    expect(await takeAll(broker, member)).toEqual(['a', 'b', 'c']);
    expect([kept(broker), broker.tables.store.count]).toEqual([0, 0]);
  });

  it('is not kept for ever when it expires in the queue of the member', async () => {
    const broker = await startBroker(await configOf({}), emptyDisk(), 'journal');
    const member = await groupsOf(broker, ['g']);
    const send = await publisherOn(broker);
    send('g', 'a');
    send('g', 'b', 1);
    send('g', 'c');
    await broker.write();
    await broker.clock.advance(2000);
    expect(await takeAll(broker, member)).toEqual(['a', 'c']);
    expect([kept(broker), broker.tables.store.count]).toEqual([0, 0]);
  });

  it('goes back when the member leaves, and does not go round while the queue of the member is full', async () => {
    const each = 400;
    const config = await configOf({ 'mqtt.queue.maxMessages': each });
    const broker = await startBroker(config, emptyDisk(), 'journal');
    const member = await groupsOf(broker, ['g', 'h']);
    const send = await publisherOn(broker);
    for (let n = 0; n < each; n++) {
      send('g', `g${n}`);
      send('h', `h${n}`);
      if (n % 50 === 0) await broker.write();
    }
    for (let turn = 0; turn < 20; turn++) await broker.write();
    const { counters } = broker.frontEnd;
    expect(counters.droppedQueueFull).toBe(0);
    expect(kept(broker)).toBe(2 * each);
    const taken = await takeAll(broker, member);
    expect([...taken].sort()).toEqual(
      Array.from({ length: each }, (_, n) => [`g${n}`, `h${n}`])
        .flat()
        .sort(),
    );
    expect([kept(broker), broker.tables.store.count]).toEqual([0, 0]);
    member.destroy();
    await broker.write();
    expect(broker.defects).toEqual([]);
  });
});
