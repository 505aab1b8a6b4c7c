/** Messages that are kept by others than the data plane: on their way in as batches, and out again as runs. */
import fc from 'fast-check';
import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { decodeBodies } from '../../src/kernel/message-store/body.ts';
import { type DataPlane, type Established, IngestStatus, Row } from '../../src/wasm/data-plane.ts';
import { connect, flush, ingestAll, ingestOnce, planeOf, type RowView } from './data-plane-driver.ts';

const NO_IDS = new Uint8Array(0);

interface Sent {
  readonly topic: string;
  readonly payload: string;
  readonly contentType: string | undefined;
}

function publish({ topic, payload, contentType }: Sent, messageId: number, version: 4 | 5): Buffer {
  const properties = version === 5 && contentType !== undefined ? { contentType } : {};
  const packet: IPublishPacket = {
    cmd: 'publish',
    topic,
    payload,
    qos: 1,
    dup: false,
    retain: false,
    messageId,
    properties,
  };
  return generate(packet, { protocolVersion: version });
}

function parse(bytes: Buffer | undefined, version: 4 | 5): Packet[] {
  const packets: Packet[] = [];
  const reader = parser({ protocolVersion: version });
  reader.on('packet', (packet) => packets.push(packet));
  reader.on('error', (error) => {
    throw error;
  });
  reader.parse(bytes ?? Buffer.alloc(0));
  return packets;
}

const flow = (plane: DataPlane, topic: string): number =>
  plane.installFlow(0, Buffer.from(topic), [], true, true);

/** Sends what a publisher of version 5 sends in one go; the rows of it, and all bodies. */
function batchOf(plane: DataPlane, sent: readonly Sent[]): { rows: RowView[]; bodies: Buffer } {
  for (const { topic } of sent) expect(flow(plane, topic)).toBeGreaterThanOrEqual(0);
  const rows: RowView[] = [];
  const bytes = Buffer.concat(sent.map((one, i) => publish(one, i + 1, 5)));
  ingestAll(plane, 0, bytes, (row) => void rows.push(row));
  return { rows, bodies: Buffer.concat(rows.map((row) => row.bodies)) };
}

/** Offset and length of each body. */
function placesOf(bodies: Buffer): [number, number][] {
  const places: [number, number][] = [];
  for (let at = 0; at < bodies.length; ) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bodies[at++] as number;
      length += (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    places.push([at, length]);
    at += length;
  }
  return places;
}

function putAll(plane: DataPlane, slot: number, bodies: Buffer, firstId: number, ids = NO_IDS): number {
  const places = placesOf(bodies);
  for (const [i, [offset, length]] of places.entries()) {
    plane.storedPlaces[2 * i] = offset;
    plane.storedPlaces[2 * i + 1] = length;
  }
  return plane.putStored(slot, bodies, places.length, firstId, ids);
}

const some = (count: number, payload = 'payload'): Sent[] =>
  Array.from({ length: count }, (_, i) => ({
    topic: 'a/b',
    payload: `${payload} ${i}`,
    contentType: undefined,
  }));

function planeWith(subscriber: Partial<Established> = {}): DataPlane {
  const plane = planeOf();
  connect(plane, 0, { version: 5 });
  connect(plane, 1, subscriber);
  return plane;
}

describe('batches', () => {
  const sent = fc.record({
    topic: fc.constantFrom('a', 'a/b', 'é/ü'),
    payload: fc.string({ maxLength: 300 }),
    contentType: fc.option(fc.string({ minLength: 1, maxLength: 20 }), { nil: undefined }),
  });

  it('have what was sent, and go out again as it was', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(
        fc.array(sent, { minLength: 1, maxLength: 60 }),
        fc.constantFrom(4, 5),
        fc.integer({ min: 1, max: 65_535 }),
        fc.option(fc.integer({ min: 1, max: 127 }), { nil: undefined }),
        (all, version, firstId, identifier) => {
          const plane = planeWith({ version });
          const { rows, bodies } = batchOf(plane, all);
          expect(rows.every(({ kind }) => kind === Row.Batch)).toBe(true);
          const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
          const decoded = decodeBodies(bodies);
          expect(decoded.map(({ topic, payload }) => [text(topic), text(payload)])).toEqual(
            all.map(({ topic, payload }) => [topic, payload]),
          );
          const ids = identifier === undefined ? NO_IDS : Uint8Array.of(0x0b, identifier);
          expect(putAll(plane, 1, bodies, firstId, ids)).toBe(all.length);
          expect(plane.inFlight(1)).toBe(all.length);
          const out = flush(plane).get(1);
          expect(plane.result.storedBytes).toBe(out?.length);
          const packets = parse(out, version) as IPublishPacket[];
          expect(
            packets.map((one) => [
              one.topic,
              one.payload.toString(),
              one.qos,
              one.dup,
              one.retain,
              one.messageId,
            ]),
          ).toEqual(
            all.map(({ topic, payload }, i) => [
              topic,
              payload,
              1,
              false,
              false,
              ((firstId - 1 + i) % 65_535) + 1,
            ]),
          );
          if (version === 4) return;
          expect(packets.map(({ properties }) => properties?.contentType)).toEqual(
            all.map(({ contentType }) => contentType),
          );
          expect(packets.map(({ properties }) => properties?.subscriptionIdentifier)).toEqual(
            all.map(() => identifier),
          );
        },
      ),
    );
  });

  it('have the topic as the broker calls it, and go out to those who do not see its prefix without it', () => {
    const prefixes = ['$tenant/acme/', '$tenant$/acme/'] as const;
    const topics = ['a', 'a/b', '$own/x', '$'];
    const plane = planeOf();
    connect(plane, 0, { version: 5, classId: 3 });
    connect(plane, 1, { version: 5, topicPrefixBytes: prefixes[0].length });
    connect(plane, 2, { version: 5 });
    const whole = topics.map((topic) => `${prefixes[topic.startsWith('$') ? 1 : 0]}${topic}`);
    whole.forEach((topic, i) => {
      const prefixBytes = topic.length - (topics[i] ?? '').length;
      expect(plane.installFlow(3, Buffer.from(topic), [], true, true, prefixBytes)).toBeGreaterThanOrEqual(0);
    });
    const sent = topics.map((topic, i) => publish({ topic, payload: `${i}`, contentType: 'x' }, i + 1, 5));
    const rows: RowView[] = [];
    ingestAll(plane, 0, Buffer.concat(sent), (row) => void rows.push(row));
    expect(rows.every(({ kind }) => kind === Row.Batch)).toBe(true);
    const bodies = Buffer.concat(rows.map((row) => row.bodies));
    const stored = decodeBodies(bodies);
    expect(stored.map(({ topic }) => Buffer.from(topic).toString())).toEqual(whole);
    expect(stored.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['0', '1', '2', '3']);
    for (const [slot, seen] of [[1, topics] as const, [2, whole] as const]) {
      expect(putAll(plane, slot, bodies, 1)).toBe(topics.length);
      const packets = parse(flush(plane).get(slot), 5) as IPublishPacket[];
      expect(packets.map(({ topic }) => topic)).toEqual(seen);
      expect(packets.map(({ payload }) => payload.toString())).toEqual(['0', '1', '2', '3']);
    }
  });

  it('of a topic that its prefix makes too long are none', () => {
    const plane = planeOf();
    connect(plane, 0, { version: 5 });
    const prefix = 'p'.repeat(100);
    for (const [payloadBytes, kind] of [
      [3995, Row.Batch],
      [3996, Row.HostPart],
    ] as const) {
      expect(plane.installFlow(0, Buffer.from(`${prefix}t`), [], true, true, 100)).toBeGreaterThanOrEqual(0);
      const bytes = publish({ topic: 't', payload: 'x'.repeat(payloadBytes), contentType: undefined }, 1, 5);
      expect(ingestOnce(plane, 0, bytes).rows.map((row) => row.kind)).toEqual([kind]);
    }
  });

  it('are one row for identifiers in a row on one flow', () => {
    const plane = planeWith();
    flow(plane, 'x');
    flow(plane, 'y');
    const one = (topic: string, messageId: number): Buffer =>
      publish({ topic, payload: 'p', contentType: undefined }, messageId, 5);
    const bytes = Buffer.concat([
      one('x', 7),
      one('x', 8),
      one('y', 9),
      one('y', 10),
      one('y', 3),
      one('x', 4),
    ]);
    const { rows } = ingestOnce(plane, 0, bytes);
    expect(rows.map(({ kind, packetId, count }) => [kind, packetId, count])).toEqual(
      [
        [7, 2],
        [9, 2],
        [3, 1],
        [4, 1],
      ].map((each) => [Row.Batch, ...each]),
    );
    for (const { packetId, count } of rows) plane.acknowledge(0, 4, packetId, 0, count);
    const answers = parse(flush(plane).get(0), 5).map((packet) => packet.messageId);
    expect(answers).toEqual([7, 8, 9, 10, 3, 4]);
  });

  it('take neither what is long or expires nor what is not of QoS 1', () => {
    const plane = planeWith();
    flow(plane, 'x');
    const kinds = (more: Partial<IPublishPacket>): number[] => {
      const packet = { cmd: 'publish', topic: 'x', payload: 'p', qos: 1, dup: false, retain: false, ...more };
      const bytes = generate({ ...packet, messageId: 9 } as IPublishPacket, { protocolVersion: 5 });
      return ingestOnce(plane, 0, bytes).rows.map(({ kind }) => kind);
    };
    expect(kinds({})).toEqual([Row.Batch]);
    expect(kinds({ payload: 'p'.repeat(5000) })).toEqual([Row.HostPart]);
    expect(kinds({ properties: { messageExpiryInterval: 10 } })).toEqual([Row.HostPart]);
    expect(kinds({ qos: 2 })).toEqual([Row.HostPart]);
    expect(kinds({ qos: 0 })).toEqual([Row.HostPart]);
  });

  it('are walked before more is staged than there is room for', () => {
    const plane = planeWith();
    flow(plane, 'x');
    const one = { topic: 'x', payload: 'p'.repeat(4000), contentType: undefined };
    // More than the read window has, as if much had been carried over.
    const bytes = Buffer.concat(Array.from({ length: 80 }, (_, i) => publish(one, i + 1, 5)));
    const offset = plane.readOffset + plane.readWindow.length - bytes.length;
    plane.memory.set(bytes, offset);
    let at = 0;
    let taken = 0;
    let status: number = IngestStatus.Again;
    for (let rounds = 0; status === IngestStatus.Again && rounds < 10; rounds++) {
      const count = plane.ingest(0, offset + at, bytes.length - at);
      at += plane.result.consumed;
      status = plane.result.status;
      for (let row = 0; row < count; row++) taken += plane.rows[row * 12 + 8] as number;
    }
    expect([status, at, taken]).toEqual([IngestStatus.NeedMore, bytes.length, 80]);
  });
});

describe('runs', () => {
  const bodiesOf = (plane: DataPlane, all: readonly Sent[]): Buffer => batchOf(plane, all).bodies;

  it('end where the window ends, and their acknowledgements come as runs', () => {
    const plane = planeWith({ sendWindow: 5 });
    const bodies = bodiesOf(plane, some(8));
    expect(putAll(plane, 1, bodies, 65_533)).toBe(5);
    expect(parse(flush(plane).get(1), 4).map(({ messageId }) => messageId)).toEqual([
      65_533, 65_534, 65_535, 1, 2,
    ]);
    const acks = [65_533, 65_534, 65_535, 1, 2].map((id) => generate({ cmd: 'puback', messageId: id }));
    const { rows } = ingestOnce(plane, 1, Buffer.concat(acks));
    expect(rows.map(({ kind, packetId, count }) => [kind, packetId, count])).toEqual([
      [Row.Ack, 65_533, 3],
      [Row.Ack, 1, 2],
    ]);
    expect(plane.inFlight(1)).toBe(0);
  });

  it('end at a packet that is too large for the client', () => {
    const plane = planeWith({ maxPacketBytesOut: 100 });
    const bodies = bodiesOf(plane, [...some(2), ...some(1, 'x'.repeat(100)), ...some(1)]);
    expect(putAll(plane, 1, bodies, 1)).toBe(2);
    expect(plane.inFlight(1)).toBe(2);
  });

  it('end where too much output is held', () => {
    const plane = planeWith({ maxHeldBytes: 100 });
    expect(putAll(plane, 1, bodiesOf(plane, some(20)), 1)).toBeLessThan(10);
  });

  it('go nowhere when the connection is gone', () => {
    const plane = planeWith();
    const bodies = bodiesOf(plane, some(2));
    plane.close(1);
    expect([putAll(plane, 1, bodies, 1), plane.result.storedBytes]).toEqual([0, 0]);
  });

  it('leave bodies of other forms to the host', () => {
    const plane = planeWith();
    const bodies = bodiesOf(plane, some(2));
    const [, second] = placesOf(bodies);
    bodies[second?.[0] ?? 0] = 1;
    expect(putAll(plane, 1, bodies, 1)).toBe(1);
  });
});
