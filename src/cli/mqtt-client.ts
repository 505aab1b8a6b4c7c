/**
 * The MQTT client behind `pub` and `sub`: one connection, no reconnect, QoS 0 to 2 in both directions. It obeys the
 * broker's Receive Maximum and waits for the socket, so that a fast producer cannot fill the memory.
 */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  generate,
  type IConnackPacket,
  type IConnectPacket,
  type IPublishPacket,
  type ISubscription,
  type Packet,
  parser,
  type QoS,
} from 'mqtt-packet';
import { type Clock, systemClock } from '../kernel/clock.ts';
import { reasonName } from '../protocols/mqtt/codec/reason-codes.ts';
import { CliError, ExitCode, exitCodeOfRefusal } from './exit-codes.ts';
import { describeTarget, openStream, type Target } from './mqtt-target.ts';

export interface ClientOptions {
  readonly target: Target;
  readonly version: 3 | 4 | 5;
  readonly clientId: string | undefined;
  readonly clean: boolean;
  readonly keepAliveSeconds: number;
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
  readonly will: IConnectPacket['will'] | undefined;
  readonly properties: IConnectPacket['properties'] | undefined;
  readonly connectTimeoutMs: number;
}

/** Called from the first packet on: messages of a resumed session may follow CONNACK at once. */
export type OnMessage = (packet: IPublishPacket) => void;

export type Publication = Pick<IPublishPacket, 'topic' | 'payload' | 'qos' | 'retain' | 'properties'>;

/** Ours when the broker allows more: enough for throughput, little to lose. */
const ownWindow = 1000;

const returnCodes: readonly string[] = [
  'accepted',
  'unacceptable protocol version',
  'client identifier rejected',
  'server unavailable',
  'bad user name or password',
  'not authorized',
];

interface Waiting {
  resolve(code: number): void;
  reject(error: Error): void;
}

export class MqttClient {
  readonly connack: IConnackPacket;
  /** Resolves when the connection is gone: undefined after `end`, otherwise why. */
  readonly closed: Promise<CliError | undefined>;

  readonly #onMessage: OnMessage;
  readonly #stream: Duplex;
  readonly #version: 3 | 4 | 5;
  readonly #target: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #granted = new Map<number, (codes: readonly number[]) => void>();
  readonly #received = new Set<number>();
  readonly #window: number;
  #publishing = 0;
  #roomWaiters: (() => void)[] = [];
  #lastPacketId = 0;
  #ending = false;
  #failure: CliError | undefined;
  #stopPing: () => void = () => {};

  constructor(
    stream: Duplex,
    options: ClientOptions,
    connack: IConnackPacket,
    onMessage: OnMessage,
    clock: Clock,
  ) {
    this.#onMessage = onMessage;
    this.#stream = stream;
    this.#version = options.version;
    this.#target = describeTarget(options.target);
    this.connack = connack;
    this.#window = Math.min(ownWindow, connack.properties?.receiveMaximum ?? 65_535);
    this.closed = new Promise((resolve) => {
      stream.once('close', () => resolve(this.#gone()));
    });
    stream.on('error', (error: Error) => this.#fail(`connection to ${this.#target} lost: ${error.message}`));
    this.#startPing(connack.properties?.serverKeepAlive ?? options.keepAliveSeconds, clock);
  }

  /** Resolves with the broker's reason code; for QoS 0 with 0 once the socket has taken it. */
  async publish(publication: Publication): Promise<number> {
    await this.#room(publication.qos);
    if (publication.qos === 0) {
      await this.#send({ ...publication, cmd: 'publish', dup: false });
      return 0;
    }
    this.#publishing++;
    try {
      const messageId = this.#nextPacketId();
      const acknowledged = new Promise<number>((resolve, reject) =>
        this.#waiting.set(messageId, { resolve, reject }),
      );
      await Promise.all([
        this.#send({ ...publication, cmd: 'publish', dup: false, messageId }),
        acknowledged,
      ]);
      return await acknowledged;
    } finally {
      this.#publishing--;
      this.#roomWaiters.shift()?.();
    }
  }

  /** Resolves with one code per filter: the granted QoS, or 0x80 and above. */
  async subscribe(
    subscriptions: ISubscription[],
    subscriptionIdentifier?: number,
  ): Promise<readonly number[]> {
    const messageId = this.#nextPacketId();
    const properties = subscriptionIdentifier === undefined ? {} : { properties: { subscriptionIdentifier } };
    const granted = new Promise<readonly number[]>((resolve) => this.#granted.set(messageId, resolve));
    await this.#send({ cmd: 'subscribe', messageId, subscriptions, ...properties });
    return Promise.race([granted, this.closed.then((error) => Promise.reject(error ?? this.#lost()))]);
  }

  /** Takes no more from the network until `resume`; the broker then sees a slow consumer. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  async end(): Promise<void> {
    if (!this.#ending && !this.#stream.destroyed) {
      this.#ending = true;
      await this.#send(this.#version === 5 ? { cmd: 'disconnect', reasonCode: 0 } : { cmd: 'disconnect' });
      this.#stream.end();
      this.#stream.resume();
      const linger = setTimeout(() => this.#stream.destroy(), 1000);
      await this.closed;
      clearTimeout(linger);
    }
    await this.closed;
  }

  /** Takes one packet that the parser has read. */
  receive(packet: Packet): void {
    switch (packet.cmd) {
      case 'publish':
        this.#deliver(packet);
        return;
      case 'puback':
      case 'pubcomp':
        this.#settle(packet.messageId ?? 0, packet.reasonCode ?? 0);
        return;
      case 'pubrec': {
        const messageId = packet.messageId ?? 0;
        if ((packet.reasonCode ?? 0) >= 0x80) this.#settle(messageId, packet.reasonCode ?? 0x80);
        else this.#reply({ cmd: 'pubrel', messageId });
        return;
      }
      case 'pubrel': {
        const messageId = packet.messageId ?? 0;
        this.#received.delete(messageId);
        this.#reply({ cmd: 'pubcomp', messageId });
        return;
      }
      case 'suback': {
        const messageId = packet.messageId ?? 0;
        this.#granted.get(messageId)?.(packet.granted.map(Number));
        this.#granted.delete(messageId);
        return;
      }
      case 'disconnect':
        this.#fail(`the broker closed the connection: ${reasonText(packet)}`);
        return;
      default:
        return;
    }
  }

  #deliver(packet: IPublishPacket): void {
    const messageId = packet.messageId ?? 0;
    if (packet.qos === 2) {
      const known = this.#received.has(messageId);
      this.#received.add(messageId);
      if (!known) this.#onMessage(packet);
      this.#reply({ cmd: 'pubrec', messageId });
      return;
    }
    this.#onMessage(packet);
    if (packet.qos === 1) this.#reply({ cmd: 'puback', messageId });
  }

  #settle(messageId: number, code: number): void {
    this.#waiting.get(messageId)?.resolve(code);
    this.#waiting.delete(messageId);
  }

  async #room(qos: QoS): Promise<void> {
    while (qos > 0 && this.#publishing >= this.#window && !this.#stream.destroyed) {
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
    }
  }

  #nextPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 65_535) + 1;
    while (this.#waiting.has(this.#lastPacketId) || this.#granted.has(this.#lastPacketId));
    return this.#lastPacketId;
  }

  #send(packet: Packet): Promise<void> {
    if (this.#stream.destroyed || this.#stream.writableEnded) {
      return this.#ending ? Promise.resolve() : Promise.reject(this.#failure ?? this.#lost());
    }
    // Packets of one turn leave in one write.
    if (this.#stream.writableCorked === 0) {
      this.#stream.cork();
      setImmediate(() => this.#stream.uncork());
    }
    if (this.#stream.write(generate(packet, { protocolVersion: this.#version }))) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#stream.off('drain', done).off('close', done);
        resolve();
      };
      this.#stream.on('drain', done).on('close', done);
    });
  }

  /** When the connection is gone, `closed` says so; a reply has nothing to add. */
  #reply(packet: Packet): void {
    this.#send(packet).catch(() => {});
  }

  #startPing(keepAliveSeconds: number, clock: Clock): void {
    if (keepAliveSeconds === 0) return;
    this.#stopPing = clock.every((keepAliveSeconds * 1000) / 2, () => this.#reply({ cmd: 'pingreq' }));
  }

  #fail(reason: string): void {
    this.#failure ??= new CliError(ExitCode.Unreachable, reason);
    this.#stream.destroy();
  }

  #lost(): CliError {
    return new CliError(ExitCode.Unreachable, `connection to ${this.#target} closed by the broker`);
  }

  #gone(): CliError | undefined {
    this.#stopPing();
    const failure = this.#ending ? undefined : (this.#failure ?? this.#lost());
    for (const { reject } of this.#waiting.values()) reject(failure ?? this.#lost());
    this.#waiting.clear();
    for (const waiter of this.#roomWaiters.splice(0)) waiter();
    return failure;
  }
}

/** Connects and completes the handshake; fails with one sentence. */
export async function connectMqtt(
  options: ClientOptions,
  onMessage: OnMessage = () => {},
  clock: Clock = systemClock,
): Promise<MqttClient> {
  const stream = await openStream(options.target, options.connectTimeoutMs);
  const packets = parser({ protocolVersion: options.version });
  const where = describeTarget(options.target);
  return new Promise((resolve, reject) => {
    let client: MqttClient | undefined;
    const fail = (exitCode: number, reason: string): void => {
      clearTimeout(timer);
      stream.destroy();
      reject(new CliError(exitCode, reason));
    };
    const timer = setTimeout(
      () => fail(ExitCode.Unreachable, `${where} did not answer CONNECT`),
      options.connectTimeoutMs,
    );
    const lost = (): void => fail(ExitCode.Unreachable, `${where} closed the connection before CONNACK`);
    stream.on('error', lost).on('close', lost);
    packets.on('packet', (packet) => {
      if (client !== undefined) return client.receive(packet);
      if (packet.cmd !== 'connack') return fail(ExitCode.Failed, `${where} does not speak MQTT as expected`);
      const code = packet.reasonCode ?? packet.returnCode ?? 0;
      if (code !== 0)
        return fail(exitCodeOfRefusal(code), `${where} refused the connection: ${refusal(packet, code)}`);
      clearTimeout(timer);
      stream.off('error', lost).off('close', lost);
      client = new MqttClient(stream, options, packet, onMessage, clock);
      resolve(client);
    });
    packets.on('error', () => {
      if (client === undefined) fail(ExitCode.Failed, `${where} does not speak MQTT`);
      else stream.destroy(new Error('the broker sent a malformed packet'));
    });
    stream.on('data', (chunk: Buffer) => void packets.parse(chunk));
    stream.write(generate(connectPacket(options), { protocolVersion: options.version }));
  });
}

export function connectPacket(options: ClientOptions): IConnectPacket {
  const { version, username, password, will, properties } = options;
  return {
    cmd: 'connect',
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion: version,
    clientId: options.clientId ?? `robustmq-${randomBytes(6).toString('hex')}`,
    clean: options.clean,
    keepalive: options.keepAliveSeconds,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(will === undefined ? {} : { will }),
    ...(properties === undefined || version !== 5 ? {} : { properties }),
  };
}

function refusal(packet: IConnackPacket, code: number): string {
  if (packet.reasonCode === undefined && code < returnCodes.length) return returnCodes[code] ?? String(code);
  return reasonText({
    reasonCode: code,
    ...(packet.properties === undefined ? {} : { properties: packet.properties }),
  });
}

function reasonText(packet: { reasonCode?: number; properties?: { reasonString?: string } }): string {
  const code = packet.reasonCode ?? 0;
  const text = packet.properties?.reasonString;
  return `${describeReason(code)}${text === undefined ? '' : ` (${text})`}`;
}

/** `0x87 Not authorized` */
export function describeReason(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')} ${reasonName(code)}`;
}
