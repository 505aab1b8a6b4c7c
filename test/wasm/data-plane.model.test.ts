/**
 * The data plane against a model that keeps, for each slot, the list of packets it must have been sent. Random
 * flows, publishes, acknowledgements, partial writes, reconnects; both builds of the module can be tested.
 */
import fc from 'fast-check';
import { generate, type IPublishPacket, parser } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';

import { decodeBodies } from '../../src/kernel/message-store/body.ts';
import { type DataPlane, IngestStatus, PublishFlag, Row } from '../../src/wasm/data-plane.ts';
import { connect, ingestAll, planeOf } from './data-plane-driver.ts';

const SLOTS = 12;
/** Who sends a message with this user property asks for what only the host does. */
const POLICY = 'policy-key';
const TOPICS = ['a', 'a/b', 'a/b/c', 'x/y/z/w', 'é/ü', '/'];

interface ModelGroup {
  qos: 0 | 1 | 2;
  ids: number[];
  noLocal: boolean;
  members: number[];
  handle: number;
}

interface ModelSlot {
  version: 4 | 5;
  window: number;
  maxPacket: number;
  hostMode: boolean;
  /** The session outlives it: the host says what QoS 2 is answered. */
  isDurable: boolean;
  /** The host owes acknowledgements: it says all of them. */
  owes: boolean;
  inFlight: Map<number, number>; // id -> 1 qos1, 2 qos2, 3 released
  /** Identifiers that the host took. */
  hosts: Set<number>;
  lastId: number;
  received: Set<number>;
  expected: string[];
  written: Buffer[];
  writing: Buffer[] | undefined;
}

class Model {
  readonly plane: DataPlane = planeOf({
    maxConnections: SLOTS,
    flowCacheEntries: 16,
    memoryBytes: 24 << 20,
    policyKeys: ['other-key', POLICY],
  });
  readonly slots: ModelSlot[] = [];
  readonly flows = new Map<string, { groups: ModelGroup[]; id: number; hostPart: boolean }>();
  readonly random: (below: number) => number;
  private counter = 0;

  constructor(seed: number) {
    let state = seed >>> 0;
    this.random = (below) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    this.plane.onEvict = (id) => {
      for (const [topic, flow] of this.flows) {
        if (flow.id !== id) continue;
        for (const group of flow.groups) this.plane.releaseGroup(group.handle);
        this.flows.delete(topic);
      }
    };
    for (let slot = 0; slot < SLOTS; slot++) this.openSlot(slot);
  }

  openSlot(slot: number): void {
    const version = this.random(2) === 0 ? 4 : 5;
    const window = [1, 3, 20, 200][this.random(4)] as number;
    const maxPacket = this.random(5) === 0 ? 200 : 0xffffffff;
    const isDurable = this.random(3) === 0;
    connect(this.plane, slot, {
      version,
      isDurable,
      sendWindow: window,
      maxPacketBytesOut: maxPacket,
      receiveMaximum: 60000,
    });
    this.slots[slot] = {
      version,
      window,
      maxPacket,
      hostMode: false,
      isDurable,
      owes: false,
      inFlight: new Map(),
      hosts: new Set(),
      lastId: 0,
      received: new Set(),
      expected: [],
      written: [],
      writing: undefined,
    };
  }

  slot(index: number): ModelSlot {
    const slot = this.slots[index];
    if (slot === undefined) throw new Error('no such slot');
    return slot;
  }

  install(): void {
    const topic = TOPICS[this.random(TOPICS.length)] as string;
    this.plane.invalidateFilter(Buffer.from(topic));
    const left = Array.from({ length: SLOTS }, (_, i) => i).filter(() => this.random(3) > 0);
    const groups: ModelGroup[] = [];
    while (left.length > 0 && this.random(5) > 0) {
      const members = left.splice(0, 1 + this.random(left.length));
      for (const version of [4, 5] as const) {
        const same = members.filter((m) => this.slot(m).version === version);
        if (same.length === 0) continue;
        const ids = version === 5 && this.random(3) === 0 ? [1 + this.random(200)] : [];
        const group = {
          qos: this.random(3) as 0 | 1 | 2,
          ids,
          noLocal: version === 5 && this.random(5) === 0,
          members: same,
          handle: 0,
        };
        group.handle = this.plane.createGroup({
          version: version === 5 ? 5 : 3,
          qos: group.qos,
          noLocal: group.noLocal,
          topicAlias: 0,
          subscriptionIds: Uint8Array.from(
            ids.flatMap((id) => (id < 128 ? [11, id] : [11, (id & 127) | 128, id >> 7])),
          ),
          members: Uint32Array.from(same),
        });
        expect(group.handle).toBeGreaterThan(0);
        groups.push(group);
      }
    }
    const hostPart = this.random(3) === 0;
    const id = this.plane.installFlow(
      0,
      Buffer.from(topic),
      groups.map((g) => g.handle),
      hostPart,
      this.random(2) === 0,
    );
    expect(id).toBeGreaterThanOrEqual(0);
    this.flows.set(topic, { groups, id, hostPart });
  }

  /** Sends a batch of publishes as one read. */
  publish(): void {
    const publisher = this.random(SLOTS);
    const from = this.slot(publisher);
    const parts: Buffer[] = [];
    const expectedRows: string[] = [];
    let lastId = 0;
    for (let n = 1 + this.random(6); n > 0; n--) {
      const topics = [...this.flows.keys()];
      if (topics.length === 0) return;
      const topic = topics[this.random(topics.length)] as string;
      const qos = this.random(3) as 0 | 1 | 2;
      const size = [8, 40, 300, 5000, 20_000][this.random(5)] as number;
      const payload = `${this.counter++}:`.padEnd(size, 'p');
      lastId = this.random(2) === 0 ? (lastId % 50) + 1 : 1 + this.random(50);
      const messageId = lastId;
      const withText = from.version === 5 && this.random(3) === 0;
      const asks = from.version === 5 && this.random(6) === 0;
      const packet: IPublishPacket = {
        cmd: 'publish',
        topic,
        payload,
        qos,
        dup: false,
        retain: false,
        ...(qos > 0 ? { messageId } : {}),
        ...(withText ? { properties: { contentType: 'c' } } : {}),
        ...(asks ? { properties: { userProperties: { [POLICY]: '1' } } } : {}),
      };
      parts.push(generate(packet, { protocolVersion: from.version }));
      if (qos === 2 && from.received.has(messageId)) {
        from.expected.push(`pubrec ${messageId}`);
        if (from.owes) expectedRows.push(`again ${messageId}`);
        continue;
      }
      if (qos === 2) from.received.add(messageId);
      if (qos === 1) from.expected.push(`puback ${messageId}`);
      if (qos === 2) from.expected.push(`pubrec ${messageId}`);
      if (asks) {
        expectedRows.push(`asks ${payload.slice(0, 12)}`);
        continue;
      }
      const flow = this.flows.get(topic);
      if (flow === undefined) throw new Error('no flow');
      for (const group of flow.groups) this.deliver(group, publisher, packet, withText, expectedRows);
      const isHosts = flow.hostPart || (qos > 0 && from.owes) || (qos === 2 && from.isDurable);
      if (isHosts) expectedRows.push(`host ${payload.slice(0, 12)}`);
    }
    const rows: string[] = [];
    const end = ingestAll(this.plane, publisher, Buffer.concat(parts), (row) => {
      const payload = row.payload.toString().slice(0, 12);
      const qos = ((row.frame[0] ?? 0) >> 1) & 3;
      const answer = (): void => {
        if (qos > 0) this.plane.acknowledge(publisher, qos === 1 ? 4 : 5, row.packetId, 0);
      };
      if (row.kind === Row.Overflow) rows.push(`over ${row.extra} ${payload}`);
      else if (row.kind === Row.HostPart) {
        rows.push(`host ${payload}`);
        answer();
      } else if (row.kind === Row.Publish) {
        const isAgain = (row.extra & PublishFlag.Duplicate) !== 0;
        rows.push(isAgain ? `again ${row.packetId}` : `asks ${payload}`);
        if (!isAgain) expect((row.extra & PublishFlag.Recorded) !== 0).toBe(qos === 2);
        answer();
      } else if (row.kind === Row.Batch) {
        const messages = decodeBodies(row.bodies);
        expect(messages.length).toBe(row.count);
        for (const one of messages) {
          rows.push(`host ${Buffer.from(one.payload).toString().slice(0, 12)}`);
          expect([one.qos, one.retain, one.expiresAtMs]).toEqual([1, false, 0]);
          expect(this.flows.has(Buffer.from(one.topic).toString())).toBe(true);
        }
        this.plane.acknowledge(publisher, 4, row.packetId, 0, row.count);
      } else throw new Error(`unexpected row ${row.kind} for ${row.topic}`);
    });
    expect(end.status).toBe(IngestStatus.NeedMore);
    expect(rows).toEqual(expectedRows);
  }

  private deliver(
    group: ModelGroup,
    publisher: number,
    packet: IPublishPacket,
    withText: boolean,
    rows: string[],
  ): void {
    const qos = Math.min(group.qos, packet.qos) as 0 | 1 | 2;
    for (const member of group.members) {
      if (group.noLocal && member === publisher) continue;
      const to = this.slot(member);
      const size = generate(
        {
          ...packet,
          qos,
          ...(qos > 0 ? { messageId: 1 } : {}),
          properties: {
            ...(withText ? { contentType: 'c' } : {}),
            ...(group.ids.length > 0 ? { subscriptionIdentifier: group.ids[0] as number } : {}),
          },
        } as IPublishPacket,
        { protocolVersion: to.version },
      ).length;
      if (size > to.maxPacket) continue;
      let id = 0;
      if (qos > 0) {
        if (to.hostMode || to.inFlight.size >= to.window) {
          to.hostMode = true;
          rows.push(`over ${member} ${String(packet.payload).slice(0, 12)}`);
          continue;
        }
        id = this.takeIdentifier(to, qos as 1 | 2);
      }
      const ids = to.version === 5 ? group.ids.join() : '';
      to.expected.push(
        `publish ${packet.topic} ${packet.payload.length} ${String(packet.payload).slice(0, 12)} q${qos} ${id} [${ids}]`,
      );
    }
  }

  /** What the client says of what it got, and of what it sent. The host answers after the batch. */
  acknowledge(): void {
    const index = this.random(SLOTS);
    const slot = this.slot(index);
    const bytes: number[] = [];
    const expectedRows: string[] = [];
    const later: string[] = [];
    for (const [id, state] of [...slot.inFlight].slice(0, 1 + this.random(5))) {
      const isHosts = slot.hosts.has(id);
      const type = state === 1 ? 4 : state === 2 ? 5 : this.random(4) === 0 ? 5 : 7;
      const isRefused = type === 5 && state === 2 && slot.version === 5 && this.random(6) === 0;
      bytes.push(type << 4, isRefused ? 3 : 2, id >> 8, id & 255, ...(isRefused ? [0x83] : []));
      if (type === 5 && !isRefused) {
        slot.inFlight.set(id, 3);
        if (isHosts && slot.isDurable) later.push(`pubrel ${id}`);
        else slot.expected.push(`pubrel ${id}`);
        // The host hears of it once; one of a durable session says PUBREL each time.
        if (isHosts && (state === 2 || slot.isDurable)) expectedRows.push(`ack 5 ${id} 0`);
        continue;
      }
      slot.inFlight.delete(id);
      slot.hosts.delete(id);
      if (isHosts) expectedRows.push(`ack ${type} ${id} ${isRefused ? 0x83 : 0}`);
    }
    const released = [...slot.received].slice(0, this.random(4));
    for (const id of [...released, ...(this.random(5) === 0 ? [60_000] : [])]) {
      const isKnown = slot.received.delete(id);
      bytes.push(0x62, 2, id >> 8, id & 255);
      if (slot.isDurable) expectedRows.push(`release ${id} ${isKnown ? 0 : 0x92}`);
      (slot.isDurable ? later : slot.expected).push(`pubcomp ${id}`);
    }
    if (this.random(4) === 0) {
      bytes.push(0xc0, 0);
      slot.expected.push('pingresp');
    }
    slot.expected.push(...later);
    const rows: string[] = [];
    ingestAll(this.plane, index, Uint8Array.from(bytes), ({ kind, a, b, packetId, count }) => {
      if (kind === Row.Window) return;
      if (kind === Row.Release) {
        rows.push(`release ${packetId} ${b}`);
        this.plane.acknowledge(index, 7, packetId, b);
        return;
      }
      for (let id = packetId; id < packetId + count; id++) rows.push(`ack ${a} ${id} ${b}`);
      if (a === 5 && b === 0 && slot.isDurable) this.plane.acknowledge(index, 6, packetId, 0, count);
    });
    expect(rows).toEqual(expectedRows);
    if (slot.hostMode && this.random(2) === 0) {
      this.plane.setHostMode(index, false);
      slot.hostMode = false;
    }
    expect(this.plane.inFlight(index)).toBe(slot.inFlight.size);
  }

  /** The host sends something of its own, or begins or ends to owe acknowledgements. */
  host(): void {
    const index = this.random(SLOTS);
    const slot = this.slot(index);
    if (this.random(3) === 0) {
      slot.owes = !slot.owes;
      this.plane.setOwes(index, slot.owes);
      return;
    }
    const qos = this.random(2) === 0 ? 1 : 2;
    if (this.random(3) === 0) {
      // As a session does that is resumed: under an identifier that it has had.
      const id = 30_000 + this.random(20);
      if (slot.inFlight.has(id) || slot.inFlight.size >= slot.window) return;
      const isReleased = this.random(3) === 0;
      this.plane.restorePacketId(index, id, isReleased ? 'released' : qos === 1 ? 'qos1' : 'qos2', true);
      slot.inFlight.set(id, isReleased ? 3 : qos);
      slot.hosts.add(id);
    } else {
      const id = this.plane.takePacketId(index, qos, true);
      if (slot.inFlight.size >= slot.window) {
        expect(id).toBe(0);
        return;
      }
      this.takeIdentifier(slot, qos);
      expect(id).toBe(slot.lastId);
      slot.hosts.add(id);
      if (this.random(5) === 0) {
        this.plane.releasePacketId(index, id);
        slot.inFlight.delete(id);
        slot.hosts.delete(id);
      }
    }
    expect(this.plane.inFlight(index)).toBe(slot.inFlight.size);
  }

  private takeIdentifier(slot: ModelSlot, qos: 1 | 2): number {
    do slot.lastId = slot.lastId === 65535 ? 1 : slot.lastId + 1;
    while (slot.inFlight.has(slot.lastId));
    slot.inFlight.set(slot.lastId, qos);
    return slot.lastId;
  }

  /** A turn: some writes complete, then dirty slots are collected; some of those stay under way. */
  turn(): void {
    for (let i = 0; i < SLOTS; i++)
      if (this.slot(i).writing !== undefined && this.random(2) === 0) this.complete(i);
    for (const index of Int32Array.from(this.plane.takeDirty())) {
      const views = this.plane.collect(index);
      if (views === undefined) throw new Error('broken');
      if (views.length > 0) this.slot(index).writing = views;
      if (this.random(3) > 0) this.complete(index);
    }
  }

  /** The bytes are read only now: what was handed out must have stayed as it was. */
  complete(index: number): void {
    const slot = this.slot(index);
    if (slot.writing === undefined) return;
    slot.written.push(...slot.writing.map((view) => Buffer.from(view)));
    slot.writing = undefined;
    this.plane.complete(index);
  }

  reconnect(): void {
    const index = this.random(SLOTS);
    const slot = this.slot(index);
    this.drain();
    this.check(index);
    for (const [topic, flow] of [...this.flows]) {
      if (!flow.groups.some((g) => g.members.includes(index))) continue;
      this.plane.invalidateFilter(Buffer.from(topic));
      this.flows.delete(topic);
      for (const group of flow.groups) this.plane.releaseGroup(group.handle);
      // The stale flow stays in the cache until it is replaced or evicted.
    }
    this.plane.close(index);
    expect(this.plane.isFree(index)).toBe(true);
    expect(slot.writing).toBeUndefined();
    this.openSlot(index);
  }

  drain(): void {
    for (;;) {
      for (let i = 0; i < SLOTS; i++) this.complete(i);
      const dirty = Int32Array.from(this.plane.takeDirty());
      if (dirty.length === 0) return;
      for (const index of dirty) {
        const views = this.plane.collect(index);
        if (views !== undefined && views.length > 0) this.slot(index).writing = views;
      }
    }
  }

  check(index: number): void {
    const slot = this.slot(index);
    const got: string[] = [];
    const reader = parser({ protocolVersion: slot.version });
    reader.on('error', (error) => {
      throw error;
    });
    reader.on('packet', (p) => {
      if (p.cmd === 'publish') {
        const id = p.properties?.subscriptionIdentifier;
        const ids = id === undefined ? '' : String(id);
        const text = p.payload.toString();
        got.push(
          `publish ${p.topic} ${text.length} ${text.slice(0, 12)} q${p.qos} ${p.messageId ?? 0} [${ids}]`,
        );
      } else got.push('messageId' in p && p.messageId !== undefined ? `${p.cmd} ${p.messageId}` : p.cmd);
    });
    reader.parse(Buffer.concat(slot.written));
    // Deliveries keep their order, and so does everything else; the host's acknowledgements come after a batch.
    const deliveries = (all: string[]): string[] => all.filter((entry) => entry.startsWith('publish'));
    const answers = (all: string[]): string[] => all.filter((entry) => !entry.startsWith('publish'));
    expect(deliveries(got)).toEqual(deliveries(slot.expected));
    expect(answers(got)).toEqual(answers(slot.expected));
    slot.written = [];
    slot.expected = [];
  }
}

describe('data plane against its model', () => {
  it('sends each client exactly its packets, in order, whatever happens around it', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.integer({ min: 0, max: 11 }), { minLength: 20, maxLength: 150 }),
        (seed, steps) => {
          const model = new Model(seed);
          model.install();
          for (const step of steps) {
            if (step < 4) model.publish();
            else if (step < 6) model.acknowledge();
            else if (step < 8) model.turn();
            else if (step < 9) model.install();
            else if (step > 9) model.host();
            else model.reconnect();
          }
          model.drain();
          for (let i = 0; i < SLOTS; i++) model.check(i);
          const { blocksTotal, blocksFree } = model.plane.counters();
          expect(blocksTotal - blocksFree).toBeLessThanOrEqual(2);
        },
      ),
      { numRuns: Number(process.env.ROBUSTMQ_TEST_RUNS ?? 60) },
    );
  }, 60_000);
});
