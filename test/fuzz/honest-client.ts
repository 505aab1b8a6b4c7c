/** Clients that keep to the rules beside those that do not: whatever the others send, these must not notice it. */
import type { FakeConnection, FakeNetwork } from '../support/fake-network.ts';
import { decodeServerPacket, type ServerPacket } from '../support/server-packet.ts';
import * as wire from '../support/wire.ts';

export class HonestClient {
  readonly version: wire.Version;
  readonly #connection: FakeConnection;
  #tail: Buffer = Buffer.alloc(0);
  #packetId = 0;
  /** Payloads in the order in which they came. */
  readonly messages: string[] = [];
  /** Anything a well-behaved client should not be sent. */
  readonly surprises: string[] = [];

  constructor(network: FakeNetwork, version: wire.Version, clientId: string) {
    this.version = version;
    const connection = network.connect('at once', (bytes) => this.#take(bytes));
    if (connection === undefined) throw new Error('refused');
    this.#connection = connection;
    this.send(wire.connect({ version, clientId }));
  }

  get isConnected(): boolean {
    return !this.#connection.isGone;
  }

  send(bytes: Buffer): void {
    this.#connection.receive(bytes);
  }

  #take(bytes: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, bytes]);
    for (;;) {
      const packet = decodeServerPacket(this.#tail, this.version);
      if (packet === undefined) return;
      this.#tail = this.#tail.subarray(packet.frame.length);
      this.#handle(packet);
    }
  }

  #handle(packet: ServerPacket): void {
    switch (packet.type) {
      case 'publish':
        this.messages.push(`${packet.topic} ${packet.qos} ${packet.payload.toString()}`);
        if (packet.qos === 1) this.#answer(wire.ack('puback', packet.packetId));
        if (packet.qos === 2) this.#answer(wire.ack('pubrec', packet.packetId));
        break;
      case 'pubrec':
        this.#answer(wire.ack('pubrel', packet.packetId));
        break;
      case 'pubrel':
        this.#answer(wire.ack('pubcomp', packet.packetId));
        break;
      case 'connack':
        if (packet.reason !== 0) this.surprises.push(`connack ${packet.reason}`);
        break;
      case 'disconnect':
        this.surprises.push(`disconnect ${packet.reason}`);
        break;
      case 'suback':
        if (packet.reasons.some((reason) => reason > 2))
          this.surprises.push(`suback ${packet.reasons.join()}`);
    }
  }

  /** Never from inside the write that brought the packet. */
  #answer(bytes: Buffer): void {
    queueMicrotask(() => this.send(bytes));
  }

  subscribe(filter: string, qos: number): void {
    this.send(wire.subscribe(this.version, this.#nextId(), [{ filter, qos }]));
  }

  publish(topic: string, payload: string, qos: number): void {
    this.send(wire.publish({ version: this.version, topic, payload, qos, packetId: this.#nextId() }));
  }

  #nextId(): number {
    this.#packetId = (this.#packetId % 60_000) + 1;
    return this.#packetId;
  }

  end(): void {
    this.send(wire.disconnect());
    this.#connection.destroy();
  }
}
