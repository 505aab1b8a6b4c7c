/**
 * MQTT 5 over WebSocket for web pages, without dependencies: publish and subscribe with QoS 0 and 1, a will,
 * keep-alive, and reconnecting with growing pauses. What it does not do: QoS 2, topic aliases, enhanced
 * authentication.
 *
 * Guarantees: subscriptions come back after a reconnect. A QoS 1 publish is sent again until it is acknowledged;
 * its promise settles then. QoS 0 is refused while there is no connection. Everything that waits is bounded
 * (`maxPending`, `maxBufferedBytes`) and refused above the bound. Output of one turn leaves in one WebSocket message.
 */
import { createFramer, type Framer, type OnFrame } from './frames.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import {
  decode,
  encodeConnect,
  encodeDisconnect,
  encodePingreq,
  encodePuback,
  encodePublish,
  type Qos,
  type Received,
} from './packets.ts';
import type { Properties } from './properties.ts';
import {
  createSubscriptions,
  type IncomingMessage,
  type SubscribeOptions,
  type Subscription,
  type Subscriptions,
} from './subscriptions.ts';
import { loadScanner } from './wasm-scanner.ts';

export type { IncomingMessage } from './subscriptions.ts';

export interface PublishOptions {
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly properties?: Properties;
}

export type ClientState =
  | { readonly status: 'connecting' }
  | { readonly status: 'connected'; readonly sessionPresent: boolean; readonly properties: Properties }
  | { readonly status: 'waiting'; readonly retryInMs: number; readonly reason: string }
  /** For good: `close` was called, or the server's refusal will not change by trying again. */
  | { readonly status: 'closed'; readonly reason: string };

export interface ClientOptions {
  /** ws: or wss:, e.g. `ws://host:8083/mqtt`. */
  readonly url: string;
  /** Default: assigned by the server, and kept across reconnects. */
  readonly clientId?: string;
  readonly username?: string;
  readonly password?: string;
  /** Applies to the first connection; a reconnect always resumes. */
  readonly cleanStart?: boolean;
  readonly keepAliveSeconds?: number;
  /** How long the server keeps the session while we are away. */
  readonly sessionExpirySeconds?: number;
  readonly will?: {
    readonly topic: string;
    readonly payload: string | Uint8Array;
    readonly qos?: 0 | 1 | 2;
    readonly retain?: boolean;
    readonly delaySeconds?: number;
    readonly properties?: Properties;
  };
  /** Pause before the first and at most before any later attempt; false = close instead. */
  readonly reconnect?: { readonly minMs: number; readonly maxMs: number } | false;
  readonly connectTimeoutMs?: number;
  readonly maxPacketBytes?: number;
  /** QoS 1 publishes without their acknowledgement, kept across reconnects. At most 32,767. */
  readonly maxPending?: number;
  readonly maxBufferedBytes?: number;
  readonly onState?: (state: ClientState) => void;
  /** For tests. */
  readonly WebSocket?: typeof WebSocket;
  readonly random?: () => number;
}

export interface MqttClient {
  readonly state: ClientState;
  publish(topic: string, payload: string | Uint8Array, options?: PublishOptions): Promise<void>;
  /** Resolves when the server has granted it. `onMessage` is called for each delivery of this subscription. */
  subscribe(
    filter: string,
    onMessage: (message: IncomingMessage) => void,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  /** Says DISCONNECT (no will) and stops for good. */
  close(): void;
}

/** Refusals that another attempt cannot change. */
const FINAL_REASONS = new Set([
  0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c, 0x8e, 0x90, 0x95, 0x9a, 0x9b, 0x9d,
]);
const PROTOCOL_ERROR = 0x82;

const encoder = new TextEncoder();

export function bytesOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === 'string' ? encoder.encode(payload) : payload;
}

export function describeReason(code: number, properties: Properties): string {
  const hex = `0x${code.toString(16).padStart(2, '0')}`;
  return properties.reasonString === undefined ? hex : `${hex} ${properties.reasonString}`;
}

export function connect(options: ClientOptions): MqttClient {
  const maxPacketBytes = options.maxPacketBytes ?? 1_048_576;
  const maxBufferedBytes = options.maxBufferedBytes ?? 8_388_608;
  const reconnect = options.reconnect ?? { minMs: 500, maxMs: 30_000 };
  const Socket = options.WebSocket ?? WebSocket;
  const random = options.random ?? Math.random;
  const scanner = loadScanner();

  let state: ClientState = { status: 'connecting' };
  let socket: WebSocket | undefined;
  let framer: Framer | undefined;
  let clientId = options.clientId ?? '';
  let everConnected = false;
  let failures = 0;
  let output: Uint8Array<ArrayBuffer>[] = [];
  let outputBytes = 0;
  let connectTimer: ReturnType<typeof setTimeout> | undefined;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let keepAliveTimer: ReturnType<typeof setInterval> | undefined;
  let sent = false;
  let heard = false;
  let pinged = false;

  const outbox: Outbox = createOutbox({ send, maxPending: options.maxPending ?? 1000 });
  const subscriptions: Subscriptions = createSubscriptions(outbox);

  function setState(next: ClientState): void {
    state = next;
    options.onState?.(next);
  }

  function send(bytes: Uint8Array<ArrayBuffer>): void {
    sent = true;
    if (output.length === 0) queueMicrotask(flush);
    output.push(bytes);
    outputBytes += bytes.length;
  }

  function flush(): void {
    const batch = new Uint8Array(outputBytes);
    let at = 0;
    for (const bytes of output) {
      batch.set(bytes, at);
      at += bytes.length;
    }
    output = [];
    outputBytes = 0;
    if (at > 0 && socket?.readyState === Socket.OPEN) socket.send(batch);
  }

  function open(): void {
    setState({ status: 'connecting' });
    framer = undefined;
    const opening = new Socket(options.url, ['mqtt']);
    socket = opening;
    opening.binaryType = 'arraybuffer';
    // The server is silent until CONNECT, so each connection has one scanner from its first byte.
    opening.onopen = async () => {
      const scan = await scanner;
      if (socket !== opening) return;
      framer = createFramer(maxPacketBytes, scan);
      sendConnect();
    };
    opening.onmessage = (event: MessageEvent<unknown>) => {
      if (event.data instanceof ArrayBuffer) receive(opening, new Uint8Array(event.data));
      else fail('the server sent text instead of bytes', true);
    };
    opening.onclose = (event: CloseEvent) => lost(opening, event.reason || 'the connection was lost');
    connectTimer = setTimeout(
      () => fail('the server did not answer', false),
      options.connectTimeoutMs ?? 10_000,
    );
  }

  function sendConnect(): void {
    const { will, username, password } = options;
    send(
      encodeConnect({
        clientId,
        cleanStart: everConnected ? false : (options.cleanStart ?? true),
        keepAliveSeconds: options.keepAliveSeconds ?? 60,
        username,
        password: password === undefined ? undefined : encoder.encode(password),
        will: will && {
          topic: will.topic,
          payload: bytesOf(will.payload),
          qos: will.qos ?? 0,
          retain: will.retain ?? false,
          properties: {
            ...will.properties,
            ...(will.delaySeconds ? { willDelayInterval: will.delaySeconds } : {}),
          },
        },
        properties: {
          sessionExpiryInterval: options.sessionExpirySeconds ?? 0,
          receiveMaximum: 1000,
          maximumPacketSize: maxPacketBytes,
        },
      }),
    );
  }

  function receive(from: WebSocket, chunk: Uint8Array): void {
    heard = true;
    const onFrame: OnFrame = (bytes, packet, body, end) => {
      // A packet before this one may have ended the connection.
      if (socket === from) handle(decode(bytes, packet, body, end));
    };
    const reason = framer === undefined ? PROTOCOL_ERROR : framer.frames(chunk, onFrame);
    if (reason !== 0 && socket === from) violation(reason);
  }

  function handle(packet: Received): void {
    if ((state.status === 'connected') === (packet.type === 'connack')) {
      violation(PROTOCOL_ERROR);
      return;
    }
    switch (packet.type) {
      case 'connack':
        if (packet.reason === 0) connected(packet);
        else refused(packet.reason, packet.properties);
        break;
      case 'publish':
        subscriptions.deliver(packet);
        if (packet.qos === 1) send(encodePuback(packet.packetId));
        break;
      case 'puback':
        outbox.settle(packet.packetId, packet.reason, packet.properties);
        break;
      case 'suback':
      case 'unsuback':
        outbox.settle(packet.packetId, packet.reasons[0] ?? PROTOCOL_ERROR, packet.properties);
        break;
      case 'disconnect':
        refused(packet.reason, packet.properties);
        break;
      case 'pingresp':
        break;
      case 'malformed':
        violation(PROTOCOL_ERROR);
    }
  }

  function connected(connack: Extract<Received, { type: 'connack' }>): void {
    const { properties, sessionPresent } = connack;
    clearTimeout(connectTimer);
    clientId = properties.assignedClientIdentifier ?? clientId;
    everConnected = true;
    failures = 0;
    setState({ status: 'connected', sessionPresent, properties });
    startKeepAlive(properties.serverKeepAlive ?? options.keepAliveSeconds ?? 60);
    subscriptions.useIdentifiers(properties.subscriptionIdentifierAvailable !== 0);
    if (!sessionPresent) subscriptions.renew();
    outbox.resume(properties.receiveMaximum ?? 65_535, sessionPresent);
  }

  /** Two looks per interval: something leaves within each interval, and a server that is gone is noticed in one. */
  function startKeepAlive(seconds: number): void {
    pinged = false;
    if (seconds === 0) return;
    keepAliveTimer = setInterval(() => {
      if (pinged && !heard) {
        fail('the server stopped answering', false);
        return;
      }
      pinged = !sent || !heard;
      if (pinged) send(encodePingreq());
      sent = heard = false;
    }, seconds * 500);
  }

  function refused(reason: number, properties: Properties): void {
    fail(
      `the server closed the connection: ${describeReason(reason, properties)}`,
      FINAL_REASONS.has(reason),
    );
  }

  function violation(reason: number): void {
    send(encodeDisconnect(reason));
    flush();
    fail(`the server broke the protocol: ${describeReason(reason, {})}`, true);
  }

  function fail(reason: string, final: boolean): void {
    const failing = socket;
    if (failing === undefined) return;
    if (final) {
      stop(reason);
      return;
    }
    lost(failing, reason);
    failing.close();
  }

  /** Closing handshakes may take long: a socket is forgotten before it has closed, and its events are ignored then. */
  function detach(): void {
    if (socket !== undefined) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket = undefined;
    }
    clearTimeout(connectTimer);
    clearTimeout(retryTimer);
    clearInterval(keepAliveTimer);
    output = [];
    outputBytes = 0;
    outbox.pause();
  }

  function lost(from: WebSocket, reason: string): void {
    if (socket !== from) return;
    if (reconnect === false) {
      stop(reason);
      return;
    }
    detach();
    const ceilingMs = Math.min(reconnect.maxMs, reconnect.minMs * 2 ** Math.min(failures++, 20));
    // Half of it is random, so that the pages of a restarted broker do not come back all at once.
    const retryInMs = Math.round(ceilingMs * (0.5 + random() / 2));
    retryTimer = setTimeout(open, retryInMs);
    setState({ status: 'waiting', retryInMs, reason });
  }

  function stop(reason: string): void {
    if (state.status === 'closed') return;
    const closing = socket;
    detach();
    closing?.close();
    outbox.rejectAll(reason);
    setState({ status: 'closed', reason });
  }

  function close(): void {
    if (state.status === 'connected') {
      send(encodeDisconnect(0));
      flush();
    }
    stop('closed by the page');
  }

  async function publish(
    topic: string,
    payload: string | Uint8Array,
    how: PublishOptions = {},
  ): Promise<void> {
    const { qos = 0, retain = false, properties = {} } = how;
    if (state.status === 'closed') throw new Error('the client is closed');
    if ((socket?.bufferedAmount ?? 0) + outputBytes > maxBufferedBytes)
      throw new Error('too much output is waiting');
    if (topic === '' || /[+#\0]/.test(topic)) throw new Error('not a topic to publish to');
    const fields = { topic, payload: bytesOf(payload), retain, properties };
    const limits = state.status === 'connected' ? state.properties : {};
    if (qos > (limits.maximumQos ?? 1)) throw new Error('the server does not take this QoS');
    // Encoding twice is only worth it near the limit.
    const maxBytes = limits.maximumPacketSize ?? Number.POSITIVE_INFINITY;
    if (fields.payload.length > maxBytes / 2) {
      const { length } = encodePublish({ ...fields, qos, duplicate: false, packetId: 1 });
      if (length > maxBytes) throw new Error('larger than the server accepts');
    }
    if (qos === 1) {
      await outbox.request(
        (packetId, duplicate) => encodePublish({ ...fields, qos, duplicate, packetId }),
        true,
      );
      return;
    }
    if (state.status !== 'connected') throw new Error('not connected');
    send(encodePublish({ ...fields, qos, duplicate: false, packetId: 0 }));
  }

  open();
  return {
    get state() {
      return state;
    },
    publish,
    subscribe: (filter, onMessage, how = {}) => {
      if (state.status === 'closed') return Promise.reject(new Error('the client is closed'));
      return subscriptions.add(filter, onMessage, how);
    },
    close,
  };
}
