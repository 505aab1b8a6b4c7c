/**
 * An MQTT client for tests that does nothing by itself: it sends the bytes it is told to (right or wrong),
 * acknowledges nothing on its own, and keeps every packet it received in order until a test has asked for it.
 * Waiting always ends: with the packet, or with an error that says what came instead.
 */
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeServerPacket, type PacketOf, type ServerPacket } from './server-packet.ts';
import * as wire from './wire.ts';

export type { PacketOf, ServerPacket } from './server-packet.ts';

/** Mosquitto closes without a reason in places where MQTT 5 allows either. */
const SILENT_CLOSE_ALLOWED = process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto';
const TURN_MS = 20;
let longestWaitMs = Number(process.env.ROBUSTMQ_TEST_WAIT_MS ?? 10_000);

/** For tests whose broker has good reasons to take its time. */
export function waitAtLeast(ms: number): void {
  longestWaitMs = Math.max(longestWaitMs, ms);
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ClientPublish {
  readonly topic: string | Uint8Array;
  readonly payload?: string | Uint8Array;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly packetId?: number;
  readonly properties?: wire.Properties;
}

export function describePacket(packet: ServerPacket): string {
  const { frame, ...rest } = packet;
  const shown = JSON.stringify(rest, (_key, value: unknown) =>
    value !== null &&
    typeof value === 'object' &&
    'type' in value &&
    value.type === 'Buffer' &&
    'data' in value
      ? Buffer.from(value.data as number[])
          .toString('latin1')
          .slice(0, 80)
      : value,
  );
  return `${shown.slice(0, 400)} (${frame.length} bytes)`;
}

/** The value of a property, undefined when it is absent. */
export function property(packet: ServerPacket, id: number): wire.PropertyValue | undefined {
  return packet.properties.find(([seen]) => seen === id)?.[1];
}

/** All values of a property that may repeat, in order. */
export const propertyList = (packet: ServerPacket, id: number): wire.PropertyValue[] =>
  packet.properties.filter(([seen]) => seen === id).map(([, value]) => value);

export class RawClient {
  readonly version: wire.Version;
  readonly clientId: string;
  readonly socket: Socket;
  /** Everything that came, in order. */
  readonly received: ServerPacket[] = [];
  /** The CONNACK of `TestBroker.connect`. */
  connack: PacketOf<'connack'> | undefined;
  /** True when the server closed the connection (or reset it). */
  ended = false;
  #pending: ServerPacket[] = [];
  #tail: Buffer = Buffer.alloc(0);
  #decodeError: Error | undefined;
  /** Several may wait at once, each for something of its own. */
  readonly #waiting = new Set<() => void>();
  #packetId = 0;

  constructor(socket: Socket, version: wire.Version, clientId: string) {
    this.socket = socket;
    this.version = version;
    this.clientId = clientId;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', () => {});
    const ended = () => {
      this.ended = true;
      this.#wake();
    };
    socket.on('end', ended);
    socket.on('close', ended);
  }

  static async open(address: Address, version: wire.Version = 5, clientId = ''): Promise<RawClient> {
    const socket = connectSocket(address);
    await once(socket, 'connect');
    return new RawClient(socket, version, clientId);
  }

  #onData(chunk: Buffer): void {
    this.#tail = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk]);
    try {
      for (;;) {
        const packet = decodeServerPacket(this.#tail, this.version);
        if (packet === undefined) break;
        this.#tail = this.#tail.subarray(packet.frame.length);
        this.received.push(packet);
        this.#pending.push(packet);
      }
    } catch (error) {
      this.#decodeError = new Error(
        `the server sent a wrong packet: ${String(error)}; bytes ${this.#tail.subarray(0, 64).toString('hex')}`,
      );
    }
    this.#wake();
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** Waits until `look` gives a value, the connection ends or time is up. */
  async #until<T>(what: string, look: () => T | undefined, waitMs = longestWaitMs): Promise<T> {
    const deadline = performance.now() + waitMs;
    let isLate = false;
    for (;;) {
      if (this.#decodeError) throw this.#decodeError;
      const found = look();
      if (found !== undefined) return found;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 && !isLate && !this.ended) {
        // A process that stood still sees its timers before what has come in the meantime.
        isLate = true;
        await delay(TURN_MS);
        continue;
      }
      if (this.ended || leftMs <= 0) {
        const came = this.#pending.slice(-10).map(describePacket).join('\n  ') || 'nothing';
        throw new Error(
          `${this.clientId}: expected ${what}, but ${this.ended ? 'the server closed' : `${waitMs} ms passed`}; unread:\n  ${came}`,
        );
      }
      await new Promise<void>((resolve) => {
        const look = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(look);
          resolve();
        };
        const timer = setTimeout(look, leftMs);
        this.#waiting.add(look);
      });
    }
  }

  send(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  sendHex(hex: string): void {
    this.send(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
  }

  nextPacketId(): number {
    this.#packetId = (this.#packetId % 65535) + 1;
    return this.#packetId;
  }

  /** The next packet, whatever it is. */
  next(): Promise<ServerPacket> {
    return this.#until('a packet', () => this.#pending.shift());
  }

  /** The next packet, which must be of this type. */
  async expect<T extends ServerPacket['type']>(type: T): Promise<PacketOf<T>> {
    const packet = await this.#until(type, () => this.#pending.shift());
    if (packet.type !== type)
      throw new Error(`${this.clientId}: expected ${type}, got ${describePacket(packet)}`);
    return packet as PacketOf<T>;
  }

  /** The first packet of this type that satisfies `accept`; those before it stay unread. */
  waitFor<T extends ServerPacket['type']>(
    type: T,
    accept: (packet: PacketOf<T>) => boolean = () => true,
  ): Promise<PacketOf<T>> {
    return this.#until(type, () => {
      const at = this.#pending.findIndex((p) => p.type === type && accept(p as PacketOf<T>));
      return at < 0 ? undefined : (this.#pending.splice(at, 1)[0] as PacketOf<T>);
    });
  }

  /** Waits for the end of the connection and returns what came unread before it. */
  async closed(waitMs = longestWaitMs): Promise<ServerPacket[]> {
    if (!this.ended) {
      await this.#until('the connection to end', () => (this.ended ? true : undefined), waitMs).catch(
        (error) => {
          if (!this.ended) throw error;
        },
      );
    }
    if (this.#decodeError) throw this.#decodeError;
    this.socket.destroy();
    return this.#pending.splice(0);
  }

  /**
   * The server refuses what it got: MQTT 5 clients are told one of these reasons in DISCONNECT (CONNACK counts
   * where the connection was not accepted yet), MQTT 3 clients see the end of the connection only.
   */
  async expectRefusal(...reasons: readonly number[]): Promise<void> {
    const unread = await this.closed();
    if (this.version < 5) {
      const told = unread.filter((p) => p.type === 'disconnect');
      if (told.length > 0) throw new Error(`an MQTT 3 client got ${told.map(describePacket).join()}`);
      return;
    }
    if (SILENT_CLOSE_ALLOWED) return;
    const last = unread.at(-1);
    if (last?.type !== 'disconnect' && last?.type !== 'connack')
      throw new Error(
        `${this.clientId}: closed without a DISCONNECT; unread: ${unread.map(describePacket).join('; ') || 'nothing'}`,
      );
    if (!reasons.includes(last.reason))
      throw new Error(
        `${this.clientId}: expected reason ${reasons.map((r) => `0x${r.toString(16)}`).join(' or ')}, got ${describePacket(last)}`,
      );
  }

  /** Everything that arrives before the answer to a PINGREQ sent now (twice, so that work in later turns is seen). */
  async barrier(): Promise<ServerPacket[]> {
    for (let turn = 0; turn < 2; turn++) {
      this.send(wire.pingreq());
      await this.waitFor('pingresp');
    }
    return this.#pending.splice(0);
  }

  /** Fails when anything came since the last read. */
  async quiet(): Promise<void> {
    const unread = await this.barrier();
    if (unread.length > 0)
      throw new Error(`${this.clientId}: expected nothing, got ${unread.map(describePacket).join('; ')}`);
  }

  /** SUBSCRIBE and its SUBACK. */
  async subscribe(
    filters: readonly (string | wire.Filter)[],
    list?: wire.Properties,
  ): Promise<PacketOf<'suback'>> {
    const packetId = this.nextPacketId();
    const all = filters.map((f) => (typeof f === 'string' ? { filter: f, qos: 2 } : f));
    this.send(wire.subscribe(this.version, packetId, all, list));
    return await this.waitFor('suback', (p) => p.packetId === packetId);
  }

  async unsubscribe(filters: readonly string[]): Promise<PacketOf<'unsuback'>> {
    const packetId = this.nextPacketId();
    this.send(wire.unsubscribe(this.version, packetId, filters));
    return await this.waitFor('unsuback', (p) => p.packetId === packetId);
  }

  /** PUBLISH and, with QoS 1 and 2, the whole exchange; returns the reason of PUBACK or PUBREC. */
  async publish(options: ClientPublish): Promise<number> {
    const qos = options.qos ?? 0;
    const packetId = options.packetId ?? this.nextPacketId();
    this.send(wire.publish({ version: this.version, ...options, packetId }));
    if (qos === 0) return 0;
    if (qos === 1) return (await this.waitFor('puback', (p) => p.packetId === packetId)).reason;
    const received = await this.waitFor('pubrec', (p) => p.packetId === packetId);
    if (received.reason >= 0x80) return received.reason;
    this.send(wire.ack('pubrel', packetId));
    await this.waitFor('pubcomp', (p) => p.packetId === packetId);
    return received.reason;
  }

  /** The client's half of the exchange for a PUBLISH it received. */
  async complete(publish: PacketOf<'publish'>): Promise<void> {
    if (publish.qos === 1) this.send(wire.ack('puback', publish.packetId));
    if (publish.qos !== 2) return;
    this.send(wire.ack('pubrec', publish.packetId));
    await this.waitFor('pubrel', (p) => p.packetId === publish.packetId);
    this.send(wire.ack('pubcomp', publish.packetId));
  }

  /** The next PUBLISH, acknowledged. */
  async message(): Promise<PacketOf<'publish'>> {
    const packet = await this.expect('publish');
    await this.complete(packet);
    return packet;
  }

  /** A normal end, as the specification wants it. */
  async disconnect(reason?: number, list?: wire.Properties): Promise<void> {
    this.send(wire.disconnect(reason, list));
    await this.closed();
  }

  /** Ends as a lost network does: without DISCONNECT, and the server sees it. */
  async drop(): Promise<void> {
    this.socket.resetAndDestroy();
    if (!this.socket.closed) await once(this.socket, 'close');
  }
}
