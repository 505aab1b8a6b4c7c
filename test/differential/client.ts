/**
 * A client for comparing two brokers: it acknowledges as its script says, resolves topic aliases, and keeps what it
 * was sent in a form that must be the same whichever way the broker took.
 */
import type { FakeConnection, FakeNetwork } from '../support/fake-network.ts';
import { decodeServerPacket, type PacketOf, type ServerPacket } from '../support/server-packet.ts';
import * as wire from '../support/wire.ts';

export interface ClientOptions {
  readonly version: wire.Version;
  readonly clientId: string;
  readonly clean: boolean;
  readonly properties: wire.Properties;
  /** Acknowledgements wait until `releaseAcks`. */
  readonly isLazy: boolean;
}

export class ComparedClient {
  readonly options: ClientOptions;
  readonly #network: FakeNetwork;
  #connection: FakeConnection | undefined;
  #tail: Buffer = Buffer.alloc(0);
  #packetId = 0;
  readonly #aliases = new Map<number, string>();
  #acks: Buffer[] = [];
  /** Messages by stream: one publisher, topic, QoS and set of subscription identifiers. Order matters inside. */
  readonly streams = new Map<string, string[]>();
  /** CONNACK, SUBACK, acknowledgements of what it published, DISCONNECT: in the order they came. */
  readonly answers: string[] = [];
  messageCount = 0;

  constructor(network: FakeNetwork, options: ClientOptions) {
    this.#network = network;
    this.options = options;
  }

  connect(): void {
    this.#tail = Buffer.alloc(0);
    this.#aliases.clear();
    this.#acks = [];
    const connection = this.#network.connect('at once', (bytes) => this.#take(bytes));
    if (connection === undefined) throw new Error('refused');
    this.#connection = connection;
    const { version, clientId, clean, properties } = this.options;
    this.send(wire.connect({ version, clientId, clean, properties }));
  }

  get isConnected(): boolean {
    return this.#connection !== undefined && !this.#connection.isGone;
  }

  send(bytes: Buffer): void {
    this.#connection?.receive(bytes);
  }

  drop(): void {
    this.#connection?.destroy();
  }

  /** Sends the acknowledgements that waited; returns how many. */
  releaseAcks(): number {
    const acks = this.#acks;
    this.#acks = [];
    for (const ack of acks) this.send(ack);
    return acks.length;
  }

  nextPacketId(): number {
    this.#packetId = (this.#packetId % 65_535) + 1;
    return this.#packetId;
  }

  #take(bytes: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, bytes]);
    for (;;) {
      const packet = decodeServerPacket(this.#tail, this.options.version);
      if (packet === undefined) return;
      this.#tail = this.#tail.subarray(packet.frame.length);
      this.#handle(packet);
    }
  }

  #handle(packet: ServerPacket): void {
    switch (packet.type) {
      case 'publish':
        this.#message(packet);
        if (packet.qos === 1) this.#acknowledge(wire.ack('puback', packet.packetId));
        if (packet.qos === 2) this.#acknowledge(wire.ack('pubrec', packet.packetId));
        return;
      case 'pubrel':
        this.#acknowledge(wire.ack('pubcomp', packet.packetId));
        return;
      case 'pubrec':
        queueMicrotask(() => this.send(wire.ack('pubrel', packet.packetId)));
    }
    const { frame, ...rest } = packet;
    this.answers.push(JSON.stringify(rest));
  }

  #acknowledge(bytes: Buffer): void {
    if (this.options.isLazy) this.#acks.push(bytes);
    else queueMicrotask(() => this.send(bytes));
  }

  #message(packet: PacketOf<'publish'>): void {
    let { topic } = packet;
    const alias = packet.properties.find(([id]) => id === wire.P.topicAlias)?.[1];
    if (typeof alias === 'number') {
      if (topic === '') {
        const known = this.#aliases.get(alias);
        if (known === undefined) throw new Error(`alias ${alias} was not told`);
        topic = known;
      } else this.#aliases.set(alias, topic);
    }
    // Only the order of user properties means something.
    const properties = packet.properties
      .filter(([id]) => id !== wire.P.topicAlias && id !== wire.P.subscriptionId)
      .sort(([a], [b]) => a - b);
    const ids = packet.properties.filter(([id]) => id === wire.P.subscriptionId).map(([, value]) => value);
    // The payload begins with publisher and number; long ones are told apart by length and both ends.
    const text = packet.payload.toString('latin1');
    const shown = text.length > 60 ? `${text.slice(0, 30)}…${text.slice(-10)} ${text.length}` : text;
    const [publisher = ''] = text.split(':', 1);
    const stream = `${publisher} ${topic} qos ${packet.qos} ids ${ids.join()}`;
    const entry = `${shown} retain ${packet.retain} dup ${packet.dup} ${JSON.stringify(properties)}`;
    const list = this.streams.get(stream);
    if (list === undefined) this.streams.set(stream, [entry]);
    else list.push(entry);
    this.messageCount++;
  }
}
