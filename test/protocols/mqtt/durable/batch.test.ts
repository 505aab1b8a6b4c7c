/** Messages of QoS 1 that come in one piece, and durable sessions that keep them: what one of them gets, all get, in one change. */
import { describe, expect, it } from 'vitest';
import { TableId } from '../../../../src/kernel/state/table.ts';
import { SessionEntry } from '../../../../src/protocols/mqtt/durable/session-entries.ts';
import type { Ack, Publish } from '../../../support/server-packet.ts';
import * as wire from '../../../support/wire.ts';
import {
  configOf,
  type Disk,
  emptyDisk,
  type Link,
  type MortalBroker,
  startBroker,
} from './mortal-broker.ts';

const TOPIC = 't/a';

class World {
  readonly disk: Disk;
  readonly broker: MortalBroker;
  readonly publisher: Link;
  readonly subscriber: Link;
  private next = 1;

  private constructor(disk: Disk, broker: MortalBroker) {
    this.disk = disk;
    this.broker = broker;
    this.publisher = broker.connect();
    this.subscriber = broker.connect();
  }

  static async create({
    settings = {},
    filters = [{ filter: 't/#', qos: 1 }],
    properties = [],
  }: {
    readonly settings?: Readonly<Record<string, string | number | boolean>>;
    readonly filters?: readonly wire.Filter[];
    readonly properties?: wire.Properties;
  } = {}): Promise<World> {
    const disk = emptyDisk();
    const world = new World(disk, await startBroker(await configOf(settings), disk, 'journal'));
    const { broker, publisher, subscriber } = world;
    publisher.send(wire.connect({ clientId: 'publisher' }));
    subscriber.send(
      wire.connect({ clientId: 'subscriber', properties: [[wire.P.sessionExpiry, 1000], ...properties] }),
    );
    await broker.write();
    subscriber.send(wire.subscribe(5, 1, filters));
    await broker.write();
    // Seen twice, a topic has a flow.
    for (const payload of ['seen', 'seen again']) {
      publisher.send(world.messages([payload]));
      await broker.write();
    }
    world.acknowledgeAll();
    await broker.write();
    world.answers();
    return world;
  }

  messages(payloads: readonly string[], qos: 1 | 2 = 1): Buffer {
    return Buffer.concat(
      payloads.map((payload) => wire.publish({ topic: TOPIC, payload, qos, packetId: this.next++ })),
    );
  }

  /** What the publisher was told since it was last asked. */
  answers(): string[] {
    return this.publisher.inbox
      .splice(0)
      .filter(
        (packet): packet is Ack & { frame: Buffer } => packet.type === 'puback' || packet.type === 'pubrec',
      )
      .map(({ type, packetId, reason }) => `${type} ${packetId} ${reason}`);
  }

  received(): Publish[] {
    return this.subscriber.inbox
      .splice(0)
      .filter((packet): packet is Publish & { frame: Buffer } => packet.type === 'publish');
  }

  texts(): string[] {
    return this.received().map(({ payload }) => payload.toString());
  }

  /** In one piece. */
  acknowledgeAll(): string[] {
    const all = this.received();
    this.subscriber.send(Buffer.concat(all.map(({ packetId }) => wire.ack('puback', packetId))));
    return all.map(({ payload }) => payload.toString());
  }

  /** Of the frames that were written since then: table, and kind of those of sessions. */
  entriesSince(frames: number): string[] {
    return this.disk.frames
      .slice(frames)
      .flatMap(({ entries }) => entries)
      .map(({ table, bytes }) => (table === TableId.Sessions ? `session ${bytes[0]}` : `table ${table}`));
  }
}

const some = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `m${from + i}`);

describe('messages of one read', () => {
  it('are one entry, and another one says who keeps them; they are told and sent when both are written', async () => {
    const world = await World.create();
    const { broker, publisher, disk } = world;
    const frames = disk.frames.length;
    publisher.send(world.messages(some(50)));
    await broker.settle();
    expect([world.answers(), world.texts()]).toEqual([[], []]);
    await broker.write();
    expect(world.answers()).toEqual(some(50).map((_, i) => `puback ${i + 3} 0`));
    expect(world.entriesSince(frames)).toEqual([
      `table ${TableId.Messages}`,
      `session ${SessionEntry.DeliverRun}`,
    ]);
    const sent = disk.frames.length;
    expect(world.acknowledgeAll()).toEqual(some(50));
    await broker.write();
    expect(world.entriesSince(sent)).toEqual([
      `session ${SessionEntry.Sent}`,
      `session ${SessionEntry.SettleRun}`,
    ]);
    expect(broker.tables.store.count).toBe(0);
    expect(broker.defects).toEqual([]);
  });

  it('are told in the order in which they came, also where some are of QoS 2', async () => {
    const world = await World.create();
    const { broker, publisher } = world;
    const all = [world.messages(['a', 'b']), world.messages(['c'], 2), world.messages(['d', 'e'])];
    publisher.send(Buffer.concat(all));
    await broker.write();
    expect(world.answers()).toEqual(['puback 3 0', 'puback 4 0', 'pubrec 5 0', 'puback 6 0', 'puback 7 0']);
    expect(world.texts()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('are not acknowledged when they could not be written', async () => {
    const world = await World.create();
    const { broker, publisher } = world;
    publisher.send(world.messages(some(3)));
    await broker.settle();
    await broker.fail();
    expect(world.answers()).toEqual(['puback 3 131', 'puback 4 131', 'puback 5 131']);
    expect(broker.frontEnd.counters.publishesRefused).toBe(3);
    expect(world.texts()).toEqual([]);
  });

  it('are each refused while the journal takes nothing', async () => {
    const world = await World.create();
    const { broker, publisher } = world;
    broker.refuse('full');
    publisher.send(world.messages(some(3)));
    await broker.write();
    expect(world.answers()).toEqual(['puback 3 151', 'puback 4 151', 'puback 5 151']);
    broker.refuse(undefined);
    publisher.send(world.messages(['later']));
    await broker.write();
    expect([world.answers(), world.texts()]).toEqual([['puback 6 0'], ['later']]);
  });

  it.each([
    ['drop-newest', ['m0', 'm1', 'm2', 'm3'], [0, 0, 0, 0, 151, 151]],
    ['drop-oldest', ['m2', 'm3', 'm4', 'm5'], [0, 0, 0, 0, 0, 0]],
  ])('fill a queue up to its bound (%s)', async (overflow, kept, reasons) => {
    const world = await World.create({
      settings: { 'mqtt.queue.maxMessages': 4, 'mqtt.queue.overflow': overflow },
    });
    const { broker, publisher, subscriber } = world;
    subscriber.destroy();
    await broker.write();
    publisher.send(world.messages(some(6)));
    await broker.write();
    expect(world.answers()).toEqual(reasons.map((reason, i) => `puback ${i + 3} ${reason}`));
    const link = broker.connect();
    link.send(
      wire.connect({ clientId: 'subscriber', clean: false, properties: [[wire.P.sessionExpiry, 1000]] }),
    );
    await broker.write();
    const texts = link.inbox.flatMap((each) => (each.type === 'publish' ? [each.payload.toString()] : []));
    expect(texts).toEqual(kept);
  });

  it('come to a client that takes no large packets without the large ones', async () => {
    const world = await World.create({ properties: [[wire.P.maximumPacketSize, 100]] });
    const { broker, publisher } = world;
    publisher.send(world.messages(['a', 'x'.repeat(200), 'b']));
    await broker.write();
    expect(world.texts()).toEqual(['a', 'b']);
    expect(broker.frontEnd.counters.droppedTooLarge).toBe(1);
  });

  it('come one after the other to who gets each of them twice', async () => {
    const filters = [
      { filter: 't/#', qos: 1 },
      { filter: 't/+', qos: 2 },
    ] as const;
    const world = await World.create({ filters });
    const { broker, publisher } = world;
    publisher.send(world.messages(some(3)));
    await broker.write();
    expect(world.texts()).toEqual(['m0', 'm0', 'm1', 'm1', 'm2', 'm2']);
  });

  it('wait for a window, and go on with each acknowledgement, in order', async () => {
    const world = await World.create({ properties: [[wire.P.receiveMaximum, 7]] });
    const { broker, publisher } = world;
    publisher.send(world.messages(some(40)));
    publisher.send(world.messages(some(20, 40)));
    await broker.write();
    const got: string[] = [];
    for (let round = 0; got.length < 60 && round < 100; round++) {
      const now = world.acknowledgeAll();
      expect(now.length).toBeLessThanOrEqual(7);
      got.push(...now);
      await broker.write();
    }
    expect(got).toEqual(some(60));
    expect(broker.tables.store.count).toBe(0);
  });

  it('are there again after a crash, with DUP since they may have been sent', async () => {
    const world = await World.create({ properties: [[wire.P.receiveMaximum, 5]] });
    const { broker, publisher, disk } = world;
    publisher.send(world.messages(some(8)));
    await broker.write();
    await broker.write();
    expect(world.texts()).toEqual(some(5));
    publisher.send(world.messages(['not written']));
    await broker.settle();
    broker.kill();
    const next = await startBroker(await configOf({}), disk, 'journal');
    const link = next.connect();
    link.send(
      wire.connect({ clientId: 'subscriber', clean: false, properties: [[wire.P.sessionExpiry, 1000]] }),
    );
    for (let round = 0; round < 3; round++) await next.write();
    const sent = link.inbox.flatMap((each) => (each.type === 'publish' ? [each] : []));
    expect(sent.map(({ payload, dup }) => [payload.toString(), dup])).toEqual(
      some(8).map((text) => [text, true]),
    );
  });
});
