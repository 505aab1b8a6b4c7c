/**
 * A small host around the data plane for fuzzing: it does what the front-end owes it (establish, flows, packet
 * identifiers, acknowledgements, the start of partial packets), with random decisions where the front-end would ask
 * configuration and subscriptions, and checks every answer of the module.
 */
import { decodeBodies } from '../../src/kernel/message-store/body.ts';
import { createDataPlane } from '../../src/wasm/create-data-plane.ts';
import {
  type DataPlane,
  type DataPlaneCounters,
  IngestStatus,
  PublishFlag,
  ROW_FIELDS,
  Row,
  RowField,
} from '../../src/wasm/data-plane.ts';
import type { Random } from '../support/random.ts';
import { decodeServerPacket } from '../support/server-packet.ts';
import type { Version } from '../support/wire.ts';

export const SLOTS = 32;
const MAX_PACKET_BYTES = 300_000;

export interface Slot {
  version: Version;
  state: 'free' | 'open' | 'established' | 'closing';
  carry: Buffer;
  /** A write under way: collected and not completed. */
  isWriting: boolean;
  written: Buffer;
}

export type Outcome = 'more' | 'closed';

/** Whatever the module says that the contract does not allow. */
export class ContractBroken extends Error {}

function ensure(holds: boolean, what: string): asserts holds {
  if (!holds) throw new ContractBroken(what);
}

const slabBytes = (bytes: number): number => Math.max(32, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));

export class FuzzHost {
  readonly plane: DataPlane;
  readonly slots: Slot[] = [];
  /** Rows that were given, in words: what a stream means, however it was cut. */
  log: string[] | undefined;
  private readonly random: Random;
  private readonly withFlows: boolean;
  private readonly groupsOfFlow = new Map<number, number[]>();
  /** What flows hold themselves: topic and list of groups, in slabs. */
  private readonly slabBytesOfFlow = new Map<number, number>();

  constructor(random: Random, withFlows: boolean) {
    this.random = random;
    this.withFlows = withFlows;
    this.plane = createDataPlane({
      maxConnections: SLOTS,
      memoryBytes: 24 << 20,
      flowCacheEntries: withFlows ? 64 : 0,
      strictText: random.oneIn(2),
    });
    this.plane.onEvict = (id) => {
      for (const group of this.groupsOfFlow.get(id) ?? []) this.plane.releaseGroup(group);
      this.groupsOfFlow.delete(id);
      this.slabBytesOfFlow.delete(id);
    };
    for (let i = 0; i < SLOTS; i++) {
      this.slots.push({
        version: 4,
        state: 'free',
        carry: Buffer.alloc(0),
        isWriting: false,
        written: Buffer.alloc(0),
      });
    }
  }

  slot(index: number): Slot {
    const slot = this.slots[index];
    if (slot === undefined) throw new Error('no such slot');
    return slot;
  }

  open(index: number, version: Version): void {
    const slot = this.slot(index);
    slot.version = version;
    slot.state = 'open';
    slot.carry = Buffer.alloc(0);
    slot.written = Buffer.alloc(0);
    this.plane.open(index, MAX_PACKET_BYTES);
  }

  /** One read of a connection, as a transport would give it. */
  read(index: number, piece: Buffer): Outcome {
    const { plane } = this;
    const slot = this.slot(index);
    if (slot.carry.length > plane.carryBytes || piece.length > plane.readWindow.length) return 'more';
    let offset = plane.readOffset - slot.carry.length;
    plane.memory.set(slot.carry, offset);
    plane.memory.set(piece, plane.readOffset);
    let length = slot.carry.length + piece.length;
    slot.carry = Buffer.alloc(0);
    for (let rounds = 0; ; rounds++) {
      ensure(rounds < 100_000, 'ingest makes no progress');
      const count = plane.ingest(index, offset, length);
      const { consumed, status, reason, needBytes } = plane.result;
      ensure(consumed >= 0 && consumed <= length, `consumed ${consumed} of ${length}`);
      const again = this.walk(index, count, offset, length);
      if (status === IngestStatus.Violation) {
        ensure(reason >= 0x80, `violation with reason ${reason}`);
        this.log?.push(`violation ${reason}`);
        return 'closed';
      }
      const used = again ?? consumed;
      if (status === IngestStatus.NeedMore) {
        const rest = length - consumed;
        ensure(needBytes === 0 || needBytes > rest, `needs ${needBytes}, has ${rest}`);
        ensure(needBytes <= MAX_PACKET_BYTES, `needs ${needBytes}, more than is allowed`);
        slot.carry = Buffer.from(plane.memory.subarray(offset + consumed, offset + length));
        return 'more';
      }
      ensure(status === IngestStatus.Again, `status ${status}`);
      ensure(used > 0 || count > 0 || again !== undefined, 'again, but nothing was done');
      offset += used;
      length -= used;
    }
  }

  /** Returns how much is consumed when the last frame is to be seen again. */
  private walk(index: number, count: number, offset: number, length: number): number | undefined {
    const { plane } = this;
    const rows: number[][] = [];
    for (let r = 0; r < count; r++) rows.push([...plane.rows.subarray(r * ROW_FIELDS, (r + 1) * ROW_FIELDS)]);
    for (const [at, row] of rows.entries()) {
      const field = (f: number): number => row[f] as number;
      const kind = field(RowField.Kind);
      if (kind === Row.Ack) {
        const first = field(RowField.PacketId);
        for (let id = first; id < first + field(RowField.Count); id++) {
          this.log?.push(`ack ${field(RowField.Frame)} ${field(RowField.FrameLength)} ${id}`);
        }
        continue;
      }
      if (kind === Row.Window) continue;
      if (kind === Row.Batch) {
        this.batch(index, row);
        continue;
      }
      const frame = field(RowField.Frame);
      const frameLength = field(RowField.FrameLength);
      const inside = (from: number, size: number, what: string): void =>
        ensure(
          size >= 0 && from >= offset && from + size <= offset + length,
          `${what} lies outside: ${from} + ${size}, read ${offset} + ${length}`,
        );
      inside(frame, frameLength, 'frame');
      if (kind !== Row.Control) {
        inside(field(RowField.Topic), field(RowField.TopicLength), 'topic');
        inside(field(RowField.Properties), field(RowField.PropertiesLength), 'properties');
        ensure(
          field(RowField.Payload) >= frame && field(RowField.Payload) <= frame + frameLength,
          'payload outside',
        );
      }
      if (kind === Row.Control || kind === Row.Publish) {
        ensure(at === rows.length - 1, 'a frame for the host is not the last row');
        this.log?.push(
          `${kind} ${Buffer.from(plane.memory.subarray(frame, frame + frameLength)).toString('hex')}`,
        );
      }
      if (kind === Row.Control) this.control(index, frame);
      else if (kind === Row.Publish) {
        if (this.publish(index, row)) return frame - offset;
      } else if (kind === Row.HostPart) {
        this.answer(index, frame, field(RowField.PacketId));
      } else if (kind === Row.Overflow) {
        ensure(field(RowField.Extra) >= 0 && field(RowField.Extra) < SLOTS, 'overflow of no slot');
        if (this.random.oneIn(2)) plane.setHostMode(field(RowField.Extra), false);
      } else throw new ContractBroken(`row of kind ${kind}`);
    }
    return undefined;
  }

  private control(index: number, frame: number): void {
    const slot = this.slot(index);
    const { random } = this;
    if (slot.state !== 'open') return;
    if ((this.plane.memory[frame] as number) >> 4 !== 1) return;
    slot.state = 'established';
    this.plane.establish(index, {
      version: slot.version,
      classId: 0,
      fastIngress: this.withFlows,
      sendWindow: this.withFlows ? 1 + random.below(30) : 10,
      receiveMaximum: this.withFlows ? 1 + random.below(30) : 10,
      maxPacketBytesOut: random.oneIn(4) ? 100 : 0xffffffff,
      maxHeldBytes: 50_000,
      isDurable: false,
    });
  }

  /** True when the frame is to be scanned again, since its flow is there now. */
  private publish(index: number, row: readonly number[]): boolean {
    const { plane, random } = this;
    const field = (f: number): number => row[f] as number;
    const packetId = field(RowField.PacketId);
    const flags = field(RowField.Extra);
    const frame = field(RowField.Frame);
    if ((flags & PublishFlag.Admit) !== 0) {
      const from = field(RowField.Topic);
      const topic = Uint8Array.from(plane.memory.subarray(from, from + field(RowField.TopicLength)));
      if (!random.oneIn(4) && this.install(topic)) return true;
      if (((plane.memory[frame] as number) & 6) === 4) plane.recordReceived(index, packetId);
    }
    this.answer(index, frame, packetId);
    return false;
  }

  /** Its bodies are what the message store takes. */
  private batch(index: number, row: readonly number[]): void {
    const { plane } = this;
    const field = (f: number): number => row[f] as number;
    const [from, count] = [field(RowField.Frame), field(RowField.Count)];
    const messages = decodeBodies(plane.memory.subarray(from, from + field(RowField.FrameLength)));
    ensure(messages.length === count, `${messages.length} bodies in a batch of ${count}`);
    ensure(this.groupsOfFlow.has(field(RowField.Extra)), 'a batch of no flow');
    plane.acknowledge(index, 4, field(RowField.PacketId), 0, count);
  }

  private answer(index: number, frame: number, packetId: number): void {
    const qos = ((this.plane.memory[frame] as number) >> 1) & 3;
    if (qos > 0) this.plane.acknowledge(index, qos === 1 ? 4 : 5, packetId, 0);
  }

  private install(topic: Uint8Array): boolean {
    const { plane, random } = this;
    const groups: number[] = [];
    for (const version of [3, 5] as const) {
      const members = this.slots.flatMap((slot, i) =>
        slot.state === 'established' && (slot.version === 5) === (version === 5) && random.oneIn(3)
          ? [i]
          : [],
      );
      if (members.length === 0) continue;
      const ids = version === 5 && random.oneIn(2) ? [0x0b, 1 + random.below(127)] : [];
      const group = plane.createGroup({
        version,
        qos: random.below(3) as 0 | 1 | 2,
        subscriptionIds: Uint8Array.from(ids),
        topicAlias: 0,
        noLocal: random.oneIn(3),
        members: Uint32Array.from(members),
      });
      ensure(group !== 0, 'no room for a group');
      groups.push(group);
    }
    const prefix = Buffer.alloc(random.oneIn(4) ? 1 + random.below(80) : 0, 'p');
    const whole = Buffer.concat([prefix, topic]);
    const id = plane.installFlow(0, whole, groups, random.oneIn(4), random.oneIn(2), prefix.length);
    if (id < 0) {
      for (const group of groups) plane.releaseGroup(group);
      return false;
    }
    this.groupsOfFlow.set(id, groups);
    const listBytes = groups.length > 1 ? slabBytes(groups.length * 4) : 0;
    this.slabBytesOfFlow.set(id, slabBytes(whole.length) + listBytes);
    return true;
  }

  /** End of a turn: output is written, some writes stay under way. */
  turn(): void {
    const { plane, random } = this;
    for (const index of Int32Array.from(plane.takeDirty())) {
      const slot = this.slot(index);
      if (slot.isWriting) throw new ContractBroken('dirty while a write is under way');
      const views = plane.collect(index);
      if (views === undefined || views.length === 0) continue;
      slot.isWriting = true;
      this.take(slot, Buffer.concat(views));
    }
    for (const [index, slot] of this.slots.entries()) {
      if (!slot.isWriting || random.oneIn(3)) continue;
      slot.isWriting = false;
      plane.complete(index);
      if (slot.state === 'closing') this.freed(index);
    }
  }

  /** What goes out is well formed, for the version of who gets it. */
  private take(slot: Slot, bytes: Buffer): void {
    slot.written = slot.written.length === 0 ? bytes : Buffer.concat([slot.written, bytes]);
    for (;;) {
      const packet = decodeServerPacket(slot.written, slot.version);
      if (packet === undefined) return;
      this.log?.push(`out ${packet.frame.toString('hex')}`);
      slot.written = slot.written.subarray(packet.frame.length);
    }
  }

  close(index: number): void {
    const slot = this.slot(index);
    if (slot.state === 'free' || slot.state === 'closing') return;
    // Flows may name the slot.
    if (slot.state === 'established' && this.withFlows) this.plane.invalidateAll();
    slot.state = 'closing';
    this.plane.close(index);
    if (!slot.isWriting) this.freed(index);
  }

  private freed(index: number): void {
    ensure(this.plane.isFree(index), `slot ${index} is closed and has no write under way, but is not free`);
    this.slot(index).state = 'free';
  }

  /** Slab memory of the flows that are still in the cache: the only memory that outlives connections and groups. */
  flowBytes(): number {
    return [...this.slabBytesOfFlow.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Closes everything and gives back all groups; flows stay in the cache, stale. */
  closeAll(): DataPlaneCounters {
    for (let index = 0; index < SLOTS; index++) this.close(index);
    for (let rounds = 0; this.slots.some((slot) => slot.state !== 'free'); rounds++) {
      ensure(rounds < 1000, 'slots do not become free');
      this.turn();
    }
    for (const groups of this.groupsOfFlow.values())
      for (const group of groups) this.plane.releaseGroup(group);
    this.groupsOfFlow.clear();
    this.plane.invalidateAll();
    this.plane.takeDirty();
    return this.plane.counters();
  }
}
