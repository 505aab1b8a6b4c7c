import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { type DataPlane, type Group, IngestStatus, PublishFlag, Row } from '../../src/wasm/data-plane.ts';
import { connect, flush, ingestAll, ingestOnce, planeOf } from './data-plane-driver.ts';

const utf8 = (text: string): Uint8Array => Buffer.from(text);

function publishBytes(
  topic: string,
  payload: string | Buffer,
  more: Partial<IPublishPacket> = {},
  version = 4,
): Buffer {
  return generate(
    { cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false, ...more } as IPublishPacket,
    { protocolVersion: version },
  );
}

function parse(bytes: Buffer | undefined, version = 4): Packet[] {
  const packets: Packet[] = [];
  const reader = parser({ protocolVersion: version });
  reader.on('packet', (packet) => packets.push(packet));
  reader.on('error', (error) => {
    throw error;
  });
  reader.parse(bytes ?? Buffer.alloc(0));
  return packets;
}

function group(members: number[], more: Partial<Group> = {}): Group {
  return {
    version: 3,
    qos: 0,
    subscriptionIds: new Uint8Array(0),
    topicAlias: 0,
    noLocal: false,
    members: Uint32Array.from(members),
    ...more,
  };
}

function flow(plane: DataPlane, topic: string, groups: Group[], hostPart = false): number[] {
  const handles = groups.map((g) => plane.createGroup(g));
  expect(plane.installFlow(0, utf8(topic), handles, hostPart)).toBeGreaterThanOrEqual(0);
  return handles;
}

describe('framing', () => {
  it('reports every packet before establish as Control, one at a time', () => {
    const plane = planeOf();
    plane.open(0, 1000);
    const bytes = generate({
      cmd: 'connect',
      clientId: 'a',
      clean: true,
      keepalive: 0,
      protocolId: 'MQTT',
      protocolVersion: 4,
    });
    const step = ingestOnce(plane, 0, Buffer.concat([bytes, publishBytes('t', 'x')]));
    expect(step).toMatchObject({ status: IngestStatus.Again, consumed: bytes.length });
    expect(step.rows).toHaveLength(1);
    expect(step.rows[0]).toMatchObject({ kind: Row.Control, extra: 0x10 });
    expect(step.rows[0]?.frame).toEqual(bytes);
  });

  it('refuses anything but CONNECT first at its first byte', () => {
    const plane = planeOf();
    for (let type = 0; type < 16; type++) {
      if (type === 1 || type === 15) continue;
      plane.open(1, 1000);
      expect(ingestOnce(plane, 1, Buffer.from([type << 4])).status).toBe(IngestStatus.Violation);
      plane.close(1);
    }
  });

  it.each([
    ['five-byte remaining length', '30ffffffff7f', 0x81],
    ['remaining length that is longer than needed', '308000', 0x81],
    ['QoS 3', '3605', 0x81],
    ['DUP with QoS 0', '3805', 0x81],
    ['PUBREL with wrong flags', '60020001', 0x81],
    ['second CONNECT', '100c', 0x82],
    ['a packet that only servers send', 'd000', 0x82],
    ['reserved type 0', '0000', 0x81],
    ['packet above the maximum, before its body came', '30ffff7f', 0x95],
    ['PINGREQ with a body', 'c00100', 0x81],
    ['packet identifier 0', '320600017400007878'.slice(0, 16), 0x82],
    ['topic longer than the packet', '3003000541', 0x81],
    ['topic with a wildcard', '30040002612b', 0x90],
    ['topic with U+0000', '300400026100', 0x81],
    ['over-long UTF-8 in the topic', '30040002c080', 0x81],
    ['empty topic in MQTT 3', '30020000', 0x90],
    ['PUBACK with a body of 3 in MQTT 3', '4003000110', 0x81],
  ])('names the violation: %s', (_name, hex, reason) => {
    const plane = planeOf();
    connect(plane, 2);
    const step = ingestOnce(plane, 2, Buffer.from(hex, 'hex'));
    expect(step).toMatchObject({ status: IngestStatus.Violation, reason, consumed: 0 });
  });

  it('asks for more at every split of a packet and says how long it is once known', () => {
    const plane = planeOf();
    connect(plane, 0);
    const bytes = publishBytes('some/topic', 'p'.repeat(300));
    for (let cut = 1; cut < bytes.length; cut++) {
      const step = ingestOnce(plane, 0, bytes.subarray(0, cut));
      expect(step).toMatchObject({
        status: IngestStatus.NeedMore,
        consumed: 0,
        needBytes: cut < 3 ? 0 : bytes.length,
      });
    }
  });
});

describe('flows', () => {
  it('admits a topic at its second sighting and serves it from then on', () => {
    const plane = planeOf();
    connect(plane, 0);
    connect(plane, 1);
    const bytes = publishBytes('a/b', 'hello');
    expect(ingestOnce(plane, 0, bytes).rows[0]).toMatchObject({ kind: Row.Publish, topic: 'a/b', extra: 0 });
    expect(ingestOnce(plane, 0, bytes).rows[0]).toMatchObject({
      kind: Row.Publish,
      extra: PublishFlag.Admit,
    });
    flow(plane, 'a/b', [group([1])]);
    const step = ingestOnce(plane, 0, Buffer.concat([bytes, bytes]));
    expect(step).toMatchObject({ status: IngestStatus.NeedMore, consumed: bytes.length * 2, rows: [] });
    expect(flush(plane).get(1)).toEqual(Buffer.concat([bytes, bytes]));
  });

  it.each([
    ['a/b/c', 'a/b/c', true],
    ['a/b/c', 'a/b/d', false],
    ['a/b/c', '#', true],
    ['a/b/c', '+/b/c', true],
    ['a/b/c', 'a/#', true],
    ['a/b/c', 'a/b/+', true],
    ['a/b/c', 'a/b/c/#', true],
    ['a/b/c/d/e', 'a/b/c/d/+', true],
    ['a/b/c/d/e', 'a/b/x/#', false],
    ['a', 'a/#', true],
    ['/x', '/+', true],
    ['$SYS/x', '$SYS/#', true],
  ])('flow %s after a change of %s: stale %s', (topic, filter, stale) => {
    const plane = planeOf();
    connect(plane, 0);
    connect(plane, 1);
    flow(plane, topic, [group([1])]);
    plane.invalidateFilter(utf8(filter));
    const step = ingestOnce(plane, 0, publishBytes(topic, 'x'));
    expect(step.rows.length).toBe(stale ? 1 : 0);
    if (stale) expect(step.rows[0]).toMatchObject({ kind: Row.Publish, extra: PublishFlag.Admit });
  });

  it('with a prefix serve what publishers of the class write, and are stale by what the broker calls it', () => {
    const plane = planeOf();
    for (const [slot, classId] of [0, 7, 8, 0].entries()) connect(plane, slot, { classId });
    const install = (): void => {
      const groups = [plane.createGroup(group([3]))];
      expect(plane.installFlow(7, utf8('$tenant/acme/a/b'), groups, false, false, 13)).toBeGreaterThanOrEqual(
        0,
      );
    };
    const bytes = publishBytes('a/b', 'x');
    const isServed = (slot: number): boolean => ingestOnce(plane, slot, bytes).rows.length === 0;
    install();
    expect([0, 1, 2].map(isServed)).toEqual([false, true, false]);
    expect(flush(plane).get(3)).toEqual(bytes);
    for (const [filter, stale] of [
      ['a/b', false],
      ['a/#', false],
      ['$tenant/ac/a/b', false],
      ['$tenant/acme/a/b', true],
      ['$tenant/acme/#', true],
      ['$tenant/+/a/b', true],
    ] as const) {
      install();
      plane.invalidateFilter(utf8(filter));
      expect(isServed(1), filter).toBe(!stale);
    }
  });

  it('with and without a prefix take each other’s places, and leave no memory behind', () => {
    const plane = planeOf({ flowCacheEntries: 16 });
    connect(plane, 0);
    const topics = Array.from({ length: 200 }, (_, i) => `${'p'.repeat(i % 90)}/${i}`);
    const fill = (): number => {
      topics.forEach((topic, i) => {
        plane.installFlow(0, utf8(topic), [], false, false, i % 3 === 0 ? i % 90 : 0);
      });
      return plane.counters().slabBytesUsed;
    };
    const before = fill();
    for (let round = 0; round < 5; round++) expect(fill()).toBe(before);
  });

  it('tells which flow it overwrites, and survives more topics than it has room for', () => {
    const plane = planeOf({ flowCacheEntries: 16 });
    connect(plane, 0);
    connect(plane, 1);
    const handles = new Map<number, number>();
    plane.onEvict = (id) => {
      plane.releaseGroup(handles.get(id) as number);
      handles.delete(id);
    };
    for (let i = 0; i < 100; i++) {
      const handle = plane.createGroup(group([1]));
      const id = plane.installFlow(0, utf8(`t/${i}`), [handle], false);
      handles.set(id, handle);
      ingestOnce(plane, 0, publishBytes(`t/${i}`, `${i}`));
    }
    expect(plane.counters()).toMatchObject({ flows: 16, groups: 16 });
    expect(parse(flush(plane).get(1))).toHaveLength(100);
  });

  it('shares one encoding among many members and keeps each one in order with its other output', () => {
    const plane = planeOf();
    connect(plane, 0);
    for (let slot = 1; slot <= 20; slot++) connect(plane, slot);
    const everyone = Array.from({ length: 20 }, (_, i) => i + 1);
    flow(plane, 'all', [group(everyone)]);
    flow(plane, 'some', [group([1, 2, 3])]);
    flow(plane, 'one', [group([3])]);
    const order = ['all', 'one', 'all', 'all', 'some', 'all', 'one', 'one', 'some', 'all'];
    ingestOnce(plane, 0, Buffer.concat(order.map((topic, i) => publishBytes(topic, `${i}`))));
    plane.append(3, Buffer.from([0xd0, 0]));
    const out = flush(plane);
    const numbers = (slot: number): string[] =>
      parse(out.get(slot)).map((p) => (p.cmd === 'publish' ? p.payload.toString() : p.cmd));
    expect(numbers(3)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'pingresp']);
    expect(numbers(1)).toEqual(['0', '2', '3', '4', '5', '8', '9']);
    expect(numbers(20)).toEqual(['0', '2', '3', '5', '9']);
  });

  it('gives every block and slab back when output is written and connections are closed', () => {
    const plane = planeOf();
    const before = plane.counters();
    connect(plane, 0);
    for (let slot = 1; slot <= 10; slot++) connect(plane, slot, { sendWindow: 1000 });
    const handles = flow(plane, 'x', [group([1, 2, 3, 4, 5]), group([6, 7, 8, 9, 10], { qos: 1 })]);
    for (const size of [10, 5000, 100_000]) {
      ingestOnce(plane, 0, publishBytes('x', Buffer.alloc(size, 1), { qos: 1, messageId: 7 }));
      const out = flush(plane);
      for (let slot = 1; slot <= 10; slot++) {
        const [packet] = parse(out.get(slot)) as IPublishPacket[];
        expect(packet?.payload.length).toBe(size);
        expect(packet?.qos).toBe(slot <= 5 ? 0 : 1);
      }
    }
    plane.invalidateAll();
    for (const handle of handles) plane.releaseGroup(handle);
    for (let slot = 0; slot <= 10; slot++) plane.close(slot);
    flush(plane);
    // Two cursors may keep a block each; the flow that nobody evicted keeps its topic.
    expect(plane.counters().blocksFree).toBeGreaterThanOrEqual(before.blocksFree - 2);
    expect(plane.counters().groups).toBe(0);
    expect(plane.counters().slabBytesUsed).toBeLessThanOrEqual(64);
  });

  it('encodes for MQTT 5 with identifiers and properties, for 3 without, and keeps user properties in order', () => {
    const plane = planeOf();
    connect(plane, 0, { version: 5 });
    connect(plane, 1, { version: 5 });
    connect(plane, 2, { version: 4 });
    flow(plane, 'p', [
      group([1], { version: 5, qos: 1, subscriptionIds: Uint8Array.from([0x0b, 0x05, 0x0b, 0x80, 0x01]) }),
      group([2]),
    ]);
    const properties = {
      payloadFormatIndicator: true,
      messageExpiryInterval: 9,
      contentType: 'text',
      responseTopic: 'r',
      correlationData: Buffer.from([1, 2]),
      userProperties: { a: ['1', '2'], b: '3' },
    };
    const bytes = publishBytes('p', 'body', { qos: 2, messageId: 300, properties }, 5);
    expect(ingestOnce(plane, 0, bytes).rows).toEqual([]);
    const out = flush(plane);
    expect(parse(out.get(1), 5)[0]).toMatchObject({
      topic: 'p',
      qos: 1,
      properties: { ...properties, subscriptionIdentifier: [5, 128] },
    });
    expect(out.get(2)).toEqual(publishBytes('p', 'body'));
    expect(out.get(0)?.toString('hex')).toBe('5002012c');
  });

  it('uses a topic alias once it has introduced it', () => {
    const plane = planeOf();
    connect(plane, 0, { version: 5 });
    connect(plane, 1, { version: 5 });
    flow(plane, 'long/topic/name', [group([1], { version: 5, topicAlias: 3 })]);
    const bytes = publishBytes('long/topic/name', 'x', {}, 5);
    ingestOnce(plane, 0, Buffer.concat([bytes, bytes]));
    const [first, second] = parse(flush(plane).get(1), 5) as IPublishPacket[];
    expect(first).toMatchObject({ topic: 'long/topic/name', properties: { topicAlias: 3 } });
    expect(second).toMatchObject({ topic: '', properties: { topicAlias: 3 } });
  });

  it('does not send to the publisher itself where No Local is set', () => {
    const plane = planeOf();
    connect(plane, 0, { version: 5 });
    connect(plane, 1, { version: 5 });
    flow(plane, 'n', [group([0, 1], { version: 5, noLocal: true })]);
    ingestOnce(plane, 0, publishBytes('n', 'x', {}, 5));
    expect([...flush(plane).keys()]).toEqual([1]);
  });

  it('drops and counts what is larger than the client accepts, without disturbing others', () => {
    const plane = planeOf();
    connect(plane, 0);
    connect(plane, 1, { maxPacketBytesOut: 20 });
    for (const slot of [2, 3, 4]) connect(plane, slot);
    flow(plane, 'm', [group([1, 2, 3, 4])]);
    ingestOnce(plane, 0, Buffer.concat([publishBytes('m', 'x'.repeat(100)), publishBytes('m', 'y')]));
    const out = flush(plane);
    expect(parse(out.get(1))).toHaveLength(1);
    expect(parse(out.get(2))).toHaveLength(2);
    expect(plane.counters().droppedTooLarge).toBe(1);
  });
});

describe('quality of service', () => {
  it('acknowledges by the publisher, 0x10 to MQTT 5 when nobody subscribes', () => {
    const plane = planeOf();
    connect(plane, 0, { version: 5 });
    connect(plane, 1);
    flow(plane, 'q', [group([1], { qos: 2 })]);
    flow(plane, 'nobody', []);
    ingestOnce(
      plane,
      0,
      Buffer.concat([
        publishBytes('q', '1', { qos: 1, messageId: 1 }, 5),
        publishBytes('nobody', '2', { qos: 1, messageId: 2 }, 5),
        publishBytes('q', '3', { qos: 2, messageId: 3 }, 5),
      ]),
    );
    expect(flush(plane).get(0)?.toString('hex')).toBe('40020001' + '4003000210' + '50020003');
  });

  it('delivers a QoS 2 message once however often it is sent before PUBREL', () => {
    const plane = planeOf();
    connect(plane, 0);
    connect(plane, 1);
    flow(plane, 'q', [group([1])]);
    const bytes = publishBytes('q', '1', { qos: 2, messageId: 9 });
    ingestOnce(
      plane,
      0,
      Buffer.concat([bytes, bytes, Buffer.from('62020009', 'hex'), Buffer.from('62020009', 'hex'), bytes]),
    );
    const out = flush(plane);
    expect(out.get(0)?.toString('hex')).toBe('50020009' + '50020009' + '70020009' + '70020009' + '50020009');
    expect(parse(out.get(1))).toHaveLength(2);
  });

  it('answers PUBREL of an unknown identifier with 0x92 to MQTT 5', () => {
    const plane = planeOf();
    connect(plane, 0, { version: 5 });
    ingestOnce(plane, 0, Buffer.from('62020009', 'hex'));
    expect(flush(plane).get(0)?.toString('hex')).toBe('7003000992');
  });

  it('refuses more unreleased QoS 2 messages than its Receive Maximum', () => {
    const plane = planeOf();
    connect(plane, 0, { receiveMaximum: 3 });
    flow(plane, 'q', []);
    const bytes = [1, 2, 3, 4].map((messageId) => publishBytes('q', 'x', { qos: 2, messageId }));
    expect(ingestOnce(plane, 0, Buffer.concat(bytes))).toMatchObject({
      status: IngestStatus.Violation,
      reason: 0x93,
    });
  });

  it('hands deliveries to the host when the window is full, until the host ends host mode', () => {
    const plane = planeOf();
    connect(plane, 0);
    connect(plane, 1, { sendWindow: 2 });
    flow(plane, 'w', [group([1], { qos: 1 })]);
    const bytes = publishBytes('w', 'x', { qos: 1, messageId: 5 });
    const step = ingestOnce(plane, 0, Buffer.concat([bytes, bytes, bytes, bytes]));
    expect(step.rows.map((r) => [r.kind, r.extra])).toEqual([
      [Row.Overflow, 1],
      [Row.Overflow, 1],
    ]);
    expect(parse(flush(plane).get(1))).toHaveLength(2);
    const acked = ingestOnce(plane, 1, Buffer.from('40020001', 'hex'));
    expect(acked.rows.map((r) => r.kind)).toEqual([Row.Window]);
    // Host mode stays on until the host has emptied its queue.
    expect(ingestOnce(plane, 0, bytes).rows[0]?.kind).toBe(Row.Overflow);
    expect(plane.takePacketId(1, 1, false)).toBe(3);
    plane.releasePacketId(1, 3);
    plane.setHostMode(1, false);
    expect(ingestOnce(plane, 0, bytes).rows).toEqual([]);
    expect(plane.inFlight(1)).toBe(2);
  });

  it('runs the sender side of QoS 2 and tells the host about its own identifiers', () => {
    const plane = planeOf();
    connect(plane, 1, { version: 5 });
    const id = plane.takePacketId(1, 2, true);
    const received = ingestOnce(plane, 1, Buffer.from([0x50, 2, 0, id]));
    expect(received.rows[0]).toMatchObject({ kind: Row.Ack, a: 5, b: 0, packetId: id });
    expect(flush(plane).get(1)).toEqual(Buffer.from([0x62, 2, 0, id]));
    const completed = ingestOnce(plane, 1, Buffer.from([0x70, 2, 0, id]));
    expect(completed.rows[0]).toMatchObject({ kind: Row.Ack, a: 7, packetId: id });
    expect(plane.inFlight(1)).toBe(0);
    const refused = plane.takePacketId(1, 2, true);
    expect(ingestOnce(plane, 1, Buffer.from([0x50, 3, 0, refused, 0x97])).rows[0]).toMatchObject({
      a: 5,
      b: 0x97,
    });
    expect(plane.inFlight(1)).toBe(0);
  });

  it('lets the host acknowledge messages with a host part, in order with later ones', () => {
    const plane = planeOf();
    connect(plane, 0);
    flow(plane, 'host', [], true);
    flow(plane, 'fast', []);
    const bytes = Buffer.concat([
      publishBytes('host', '1', { qos: 1, messageId: 1 }),
      publishBytes('host', '2', { qos: 1, messageId: 2 }),
      publishBytes('fast', '3', { qos: 1, messageId: 3 }),
    ]);
    ingestAll(plane, 0, bytes, (row) => {
      expect(row.kind).toBe(Row.HostPart);
      plane.acknowledge(0, 4, row.packetId, 0);
    });
    expect(flush(plane).get(0)?.toString('hex')).toBe('400200014002000240020003');
  });
});

describe('limits', () => {
  it('drops QoS 0 to a connection that holds too much, counts it, and goes on when that was written', () => {
    const plane = planeOf();
    connect(plane, 0);
    connect(plane, 1, { maxHeldBytes: 10_000 });
    for (const slot of [2, 3, 4]) connect(plane, slot);
    flow(plane, 'd', [group([1, 2, 3, 4])]);
    const bytes = Buffer.concat(Array.from({ length: 20 }, () => publishBytes('d', 'x'.repeat(1000))));
    const stuck: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      ingestOnce(plane, 0, bytes);
      for (const slot of Int32Array.from(plane.takeDirty())) {
        if ((plane.collect(slot)?.length ?? 0) === 0) continue;
        if (slot === 1) stuck.push(slot);
        else plane.complete(slot);
      }
    }
    expect(stuck).toEqual([1]);
    // Within the first turn the bound is looked at when a block is full; all later turns are dropped whole.
    expect(plane.counters().droppedQueueFull).toBeGreaterThanOrEqual(80);
    expect(plane.heldBytes(1)).toBeLessThan(40_000);
    plane.complete(1);
    ingestOnce(plane, 0, publishBytes('d', 'again'));
    expect(parse(flush(plane).get(1))).toHaveLength(1);
  });

  it('keeps the blocks of an unfinished write until it completes, and the slot until then', () => {
    const plane = planeOf();
    connect(plane, 1);
    plane.append(1, Buffer.alloc(50_000, 7));
    plane.takeDirty();
    const views = plane.collect(1);
    plane.close(1);
    expect(plane.isFree(1)).toBe(false);
    connect(plane, 2);
    plane.append(2, Buffer.alloc(100_000, 9));
    expect(Buffer.concat(views ?? []).equals(Buffer.alloc(50_000, 7))).toBe(true);
    plane.complete(1);
    expect(plane.isFree(1)).toBe(true);
  });

  it('refuses a memory that its tables do not fit into, with the size that would', () => {
    expect(() => planeOf({ maxConnections: 1_000_000, memoryBytes: 1 << 20 })).toThrow(/at least \d+ MiB/);
  });

  it('says false when output memory is out and recovers when it is back', () => {
    const plane = planeOf({ memoryBytes: 16 * 1024 * 1024 });
    for (let slot = 0; slot < 64; slot++) connect(plane, slot, { maxHeldBytes: 0xffffffff });
    let refused = false;
    for (let i = 0; i < 64 && !refused; i++) refused = !plane.append(i, Buffer.alloc(1 << 20));
    expect(refused).toBe(true);
    for (let slot = 0; slot < 64; slot++) plane.close(slot);
    plane.open(0, 1000);
    expect(plane.append(0, Buffer.alloc(1 << 20))).toBe(true);
  });
});
