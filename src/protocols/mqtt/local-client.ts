/**
 * Clients inside the process, for parts of the node that want to see messages as a subscriber does: rules, bans, limits of
 * output and the data plane treat them like any other. They have a transport without a socket, and are let in by a ticket
 * instead of a credential; they subscribe with QoS 0 and without retained messages, and a message that is not wanted is
 * counted without being decoded.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Accept, ConnectionHandler, Transport } from '../../net/transport.ts';
import type { Principal } from '../../security/security.ts';
import type { Authenticator } from './auth.ts';
import { decodeServerPacket, SPECIFICATION_LIMITS } from './codec/decode.ts';
import { encodeForServer } from './codec/encode.ts';
import {
  type ClientPacket,
  isViolation,
  PacketType,
  type PublishPacket,
  type SubscribePacket,
} from './codec/packets.ts';
import { ReasonCode, reasonName } from './codec/reason-codes.ts';

/** No listener of the configuration has this name. */
export const LOCAL_LISTENER = 'local';

export interface LocalClientOptions {
  readonly clock: Clock;
  /** Whose rules count; the client's identifier is made here. */
  readonly principal: Omit<Principal, 'clientId' | 'listener' | 'protocol'>;
  /** Start of the client identifier. */
  readonly name: string;
  readonly filters: readonly Uint8Array[];
  readonly onSubscribed: (reasonCodes: readonly number[]) => void;
  /** Asked for each message. False: it is not decoded. */
  readonly takes: () => boolean;
  readonly onMessage: (packet: PublishPacket) => void;
  /** Once, unless it was closed from here. */
  readonly onEnd: (reason: string) => void;
}

export interface LocalClient {
  close(): void;
}

export interface LocalClients {
  /** The node's, but for those who come with a ticket. */
  readonly authenticator: Authenticator;
  connect(accept: Accept, window: Uint8Array, options: LocalClientOptions): LocalClient;
}

export function createLocalClients(authenticator: Authenticator): LocalClients {
  /** By client identifier, until it has connected. */
  const tickets = new Map<string, Principal>();
  return {
    authenticator: {
      authenticate(request) {
        if (request.listener !== LOCAL_LISTENER) return authenticator.authenticate(request);
        const principal = tickets.get(request.clientId);
        tickets.delete(request.clientId);
        return principal === undefined
          ? { allow: false, reasonCode: ReasonCode.NotAuthorized }
          : { allow: true, principal };
      },
    },
    connect(accept, window, options) {
      const clientId = `${options.name}-${randomBytes(12).toString('hex')}`;
      tickets.set(clientId, { ...options.principal, clientId, listener: LOCAL_LISTENER, protocol: 'mqtt' });
      const client = new LocalTransport(window, options, clientId);
      client.open(accept);
      // Who was turned away at the door has not shown it.
      const close = (): void => {
        tickets.delete(clientId);
        client.close();
      };
      return { close };
    },
  };
}

const NOTHING = new Uint8Array(0);
const PUBLISH = 3;
const SUBSCRIPTION = { qos: 0, noLocal: false, retainAsPublished: true, retainHandling: 2 } as const;

class LocalTransport implements Transport {
  readonly kind = 'unix';
  readonly listener = LOCAL_LISTENER;
  readonly remoteAddress = '';
  readonly remotePort = 0;
  readonly localAddress = '';
  readonly localPort = 0;
  readonly serverName = undefined;
  readonly peerCertificate = undefined;

  readonly #window: Uint8Array;
  readonly #options: LocalClientOptions;
  readonly #clientId: string;
  #handler: ConnectionHandler | undefined;
  #unsent: Uint8Array[] = [];
  #rest: Uint8Array = NOTHING;
  #isPaused = false;
  #isClosed = false;
  #isClosedHere = false;
  #reason = 'the connection was closed';
  #stopPinging = (): void => {};

  constructor(window: Uint8Array, options: LocalClientOptions, clientId: string) {
    this.#window = window;
    this.#options = options;
    this.#clientId = clientId;
  }

  open(accept: Accept): void {
    this.#handler = accept(this);
    if (this.#handler === undefined) {
      this.#reason = 'there is no room for one more client';
      this.destroy();
      return;
    }
    this.#send({
      type: PacketType.Connect,
      version: 5,
      bridge: false,
      clean: true,
      keepAliveSeconds: 0,
      clientId: this.#clientId,
      properties: {},
    });
  }

  close(): void {
    this.#isClosedHere = true;
    this.destroy();
  }

  write(views: readonly Uint8Array[], done: () => void): void {
    const bytes = Buffer.concat([this.#rest, ...views]);
    let start = 0;
    for (let end = frameEnd(bytes, start); end > 0; end = frameEnd(bytes, start)) {
      // A view costs more than to see that it is not wanted.
      const isLeftOut = (bytes[start] as number) >> 4 === PUBLISH && !this.#options.takes();
      if (!isLeftOut) this.#take(bytes.subarray(start, end));
      start = end;
    }
    this.#rest = start === bytes.length ? NOTHING : bytes.subarray(start);
    done();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#flush();
  }

  end(): void {
    this.destroy();
  }

  /** Its handler hears of it in a turn of its own, as with sockets. */
  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopPinging();
    setImmediate(() => {
      this.#handler?.closed(undefined);
      if (!this.#isClosedHere) this.#options.onEnd(this.#reason);
    });
  }

  #send(packet: ClientPacket): void {
    const bytes = encodeForServer(packet, 5);
    if (bytes !== undefined) this.#unsent.push(bytes);
    this.#flush();
  }

  /** In a turn of its own: the window is everybody's. */
  #flush(): void {
    if (this.#unsent.length === 0) return;
    setImmediate(() => {
      while (!this.#isPaused && !this.#isClosed) {
        const bytes = this.#unsent.shift();
        if (bytes === undefined) return;
        for (let from = 0; from < bytes.length; from += this.#window.length) {
          const piece = bytes.subarray(from, from + this.#window.length);
          this.#window.set(piece);
          this.#handler?.read(piece.length);
        }
      }
    });
  }

  #take(frame: Uint8Array): void {
    if (this.#isClosed) return;
    const packet = decodeServerPacket(frame, 5, SPECIFICATION_LIMITS);
    if (isViolation(packet)) return;
    switch (packet.type) {
      case PacketType.Publish:
        this.#options.onMessage(packet);
        break;
      case PacketType.Connack:
        if (packet.reasonCode === ReasonCode.Success) this.#begin(packet.properties.serverKeepAliveSeconds);
        else this.#reason = packet.properties.reasonString ?? reasonName(packet.reasonCode);
        break;
      case PacketType.Suback:
        this.#options.onSubscribed(packet.reasonCodes);
        break;
      case PacketType.Disconnect:
        this.#reason = packet.properties.reasonString ?? reasonName(packet.reasonCode);
        break;
      default:
    }
  }

  #begin(keepAliveSeconds = 0): void {
    this.#send(this.#subscription());
    if (keepAliveSeconds === 0) return;
    this.#stopPinging = this.#options.clock.every(keepAliveSeconds * 500, () => {
      this.#send({ type: PacketType.Pingreq });
    });
  }

  #subscription(): SubscribePacket {
    return {
      type: PacketType.Subscribe,
      packetId: 1,
      subscriptions: this.#options.filters.map((filter) => ({ filter, ...SUBSCRIPTION })),
      properties: {},
    };
  }
}

/** Behind the frame that begins there; 0 where it is not complete. */
function frameEnd(bytes: Uint8Array, start: number): number {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    const at = start + 1 + i;
    if (at >= bytes.length) return 0;
    const byte = bytes[at] as number;
    length += (byte & 0x7f) * 128 ** i;
    if (byte < 0x80) return at + 1 + length <= bytes.length ? at + 1 + length : 0;
  }
  return 0;
}
