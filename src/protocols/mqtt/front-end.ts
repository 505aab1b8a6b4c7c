/**
 * The MQTT front-end: sessions, subscriptions and messages of MQTT 3.1, 3.1.1 and 5.0 clients, on the data plane in
 * WebAssembly and the kernel's router. This module builds the parts and hands the transports' events to them.
 *
 * It guarantees: one owner per client identifier; whatever a client sends ends at worst its own connection; every
 * queue is bounded by the configuration; no step of work holds the event loop for long; what a client was promised is in
 * the journal first. It does not know sockets.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { type ClientEvents, unobserved } from '../../events/client-events.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Change } from '../../kernel/crossing/crossing.ts';
import type { Deduplication } from '../../kernel/deduplication-table.ts';
import type { Delayed } from '../../kernel/delayed/delayed.ts';
import type { Message } from '../../kernel/message.ts';
import type { RetainedStore } from '../../kernel/retained.ts';
import type { Router } from '../../kernel/router.ts';
import { TimerWheel } from '../../kernel/timer-wheel.ts';
import type { ConnectionHandler, Transport } from '../../net/transport.ts';
import type { TraceHub } from '../../telemetry/trace-hub.ts';
import type { DataPlane } from '../../wasm/data-plane.ts';
import {
  type Authenticator,
  type AuthMethod,
  type Authorizer,
  allowEveryone,
  defaultAuthorizer,
  type Gate,
} from './auth.ts';
import type { CodecLimits } from './codec/packets.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import { createCongestion } from './congestion.ts';
import { Connection, type ConnectionEvents } from './connection.ts';
import { type Mqtt, startTimer, TimerKind } from './context.ts';
import { type Counters, createCounters } from './counters.ts';
import { timeIsUp } from './deadlines.ts';
import { DeliveryTimes } from './delivery-times.ts';
import { closeConnection, connectionClosed, endIfDrained } from './disconnect.ts';
import type { StreamCapture } from './durable/capture.ts';
import type { Durable } from './durable/durable.ts';
import { createFlows } from './flows.ts';
import { continueInput, readInput } from './ingress.ts';
import { takeUpSessions } from './lifecycle.ts';
import { createLocalClients, type LocalClient, type LocalClientOptions } from './local-client.ts';
import { createOutput } from './output.ts';
import { createPolicies } from './policies.ts';
import { createPublishEncoder } from './publish-encoder.ts';
import { publishForeign } from './publish-message.ts';
import { pump, wake } from './pump.ts';
import { createAccess } from './security/access.ts';
import { charge, isMetered, meterReading } from './security/metering.ts';
import { createSessionQuotas } from './security/quotas.ts';
import { followRevocations, type Revocations } from './security/revocation.ts';
import type { SessionRegistry } from './session-registry.ts';
import { wakeGroup } from './shared.ts';
import { createSysTopics } from './sys-topics.ts';
import { followTraces } from './tracing.ts';
import { createTurn } from './turn.ts';

export interface MqttFrontEndOptions {
  readonly tracing?: TraceHub | undefined;
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly dataPlane: DataPlane;
  readonly router: Router;
  readonly retained: RetainedStore;
  readonly delayed: Delayed;
  readonly deduplication: Deduplication;
  readonly streams: StreamCapture;
  readonly sessions: SessionRegistry;
  /** Rebuilt from the journal. */
  readonly durable: Durable;
  /** For `$SYS/broker/version`. */
  readonly version: string;
  readonly authenticator?: Authenticator | undefined;
  readonly authMethods?: readonly AuthMethod[] | undefined;
  readonly authorizer?: Authorizer | undefined;
  readonly gate?: Gate | undefined;
  readonly revocations?: Revocations | undefined;
  readonly events?: ClientEvents | undefined;
}

export interface MqttFrontEnd {
  /** Undefined = no room; the connection is to be refused. */
  accept(transport: Transport): ConnectionHandler | undefined;
  /** A subscriber in this process. */
  connectLocal(options: LocalClientOptions): LocalClient;
  /** A message that came in by another protocol; the stream of that name has it already. `change`: what belongs to it. */
  publish(message: Message, exceptStream: string, change?: Change): void;
  /** Whether all storages that would keep such a message take some now; those that have failed are not waited for. */
  hasRoomFor(topic: Uint8Array, exceptStream: string): boolean;
  /** Memory of the process above, or below again, its watermark: publishers are paused and CONNECT is refused. */
  setMemoryHigh(isHigh: boolean): void;
  /** Tells clients, lets their output leave, and closes. Wills are not published: see `stop`. */
  stop(): Promise<void>;
  readonly counters: Counters;
  /** For administration, which looks at what the modules share. */
  readonly context: Mqtt;
  readonly state: { readonly connections: number; readonly sessions: number; readonly timers: number };
}

const TICK_MS = 50;
const TIMERS_PER_TICK = 20_000;
const HOUSEKEEPING_TICKS = 20;
const EXPIRED_PER_HOUSEKEEPING = 2000;
const MAX_TIMERS = 1 << 24;
const FILTERS_PER_PACKET_MAX = 16_384;
const USER_PROPERTIES_MAX = 1024;
const STOP_POLL_MS = 10;
const STOP_POLLS_MAX = 200;

type Late = {
  -readonly [K in 'output' | 'flows' | 'congestion' | 'policies' | 'access' | 'quotas' | 'tracing']: Mqtt[K];
};

export function createMqttFrontEnd(options: MqttFrontEndOptions): MqttFrontEnd {
  const { config, clock, logger, dataPlane, router, retained } = options;
  const { limits } = config;
  const counters = createCounters();
  const deliveryTimes = new DeliveryTimes();
  const connections: (Connection | undefined)[] = [];
  const freeSlots: number[] = [];
  const originMs = clock.monotonicMs();
  let open = 0;
  let isStopping = false;

  const codecLimits: CodecLimits = {
    maxPacketBytes: config.mqtt.maxPacketBytes,
    maxTopicBytes: config.mqtt.maxTopicBytes,
    maxTopicLevels: config.mqtt.maxTopicLevels,
    maxFiltersPerPacket: FILTERS_PER_PACKET_MAX,
    maxUserProperties: USER_PROPERTIES_MAX,
    topicAliasMaximum: config.mqtt.topicAliasMaximum,
    strictUtf8: config.mqtt.strictUtf8,
    leavesFiltersToSession: true,
  };
  const authorizer = options.authorizer ?? defaultAuthorizer;
  const local = createLocalClients(options.authenticator ?? allowEveryone);
  let readsThisTurn = 0;
  let readsLastTurn = 0;
  const turn = createTurn(
    () => {
      readsLastTurn = readsThisTurn;
      readsThisTurn = 0;
      output.flush();
      deliveryTimes.written(mqtt);
      mqtt.tracing?.written();
    },
    (error) => logger.error({ err: error }, 'a deferred step failed'),
  );

  const early: Omit<Mqtt, keyof Late> = {
    config,
    clock,
    logger,
    random: options.random,
    dataPlane,
    router,
    retained,
    authenticator: local.authenticator,
    authMethods: new Map((options.authMethods ?? []).map((method) => [method.name, method])),
    authorizer,
    gate: options.gate,
    codecLimits,
    timers: new TimerWheel({
      clock,
      tickMs: TICK_MS,
      // Keep alive, packet, write, deadline, credential and rate of each connection; expiry and will of each session.
      maxTimers: Math.min(MAX_TIMERS, limits.maxConnections * 6 + limits.maxSessions * 2),
    }),
    turn,
    counters,
    strangers: { bytes: 0 },
    events: options.events ?? unobserved,
    deliveryTimes,
    sessions: options.sessions,
    durable: options.durable,
    streams: options.streams,
    connections,
    encoder: createPublishEncoder(() => clock.wallMs()),
    tick,
    pump: (session) => pump(mqtt, session),
    wake: (session) => wake(mqtt, session),
    wakeGroup: (group) => wakeGroup(mqtt, group),
    continueInput: (connection) => continueInput(mqtt, connection),
    fail(connection, reasonCode) {
      turn.defer(() => {
        closeConnection(mqtt, connection, { reasonCode });
        return false;
      });
    },
    guard,
  };
  // These need each other and the rest; none of them uses another before all are there.
  const late = early as Omit<Mqtt, keyof Late> & Late;
  const mqtt: Mqtt = late;
  const output = createOutput(mqtt);
  late.output = output;
  late.flows = createFlows(mqtt);
  const congestion = createCongestion(mqtt);
  late.congestion = congestion;
  const policies = createPolicies(mqtt, options.delayed, options.deduplication);
  late.policies = policies;
  const access = createAccess(mqtt);
  late.access = access;
  late.quotas = createSessionQuotas(mqtt);
  followTraces(mqtt, options.tracing, (tracing) => {
    late.tracing = tracing;
  });
  authorizer.onChange(() => access.changed());
  const stopFollowing =
    options.revocations === undefined ? undefined : followRevocations(mqtt, options.revocations);
  const sys = createSysTopics(mqtt, options.version);
  router.onChange = (filter) => dataPlane.invalidateFilter(filter);
  options.durable.log.onReady = () => congestion.journalReady();

  function tick(): number {
    return Math.floor((clock.monotonicMs() - originMs) / TICK_MS) + 1;
  }

  function guard(connection: Connection, action: () => void): void {
    try {
      action();
    } catch (error) {
      crashed(connection, error);
    }
  }

  /** A bug of ours: it costs the connection it happened on, and no other. */
  function crashed(connection: Connection, error: unknown): void {
    logger.error({ err: error, clientId: connection.session?.clientId }, 'handling a connection failed');
    try {
      closeConnection(mqtt, connection, { reasonCode: ReasonCode.UnspecifiedError });
    } catch (second) {
      logger.error({ err: second }, 'closing it failed');
      connection.transport.destroy();
    }
  }

  const events: ConnectionEvents = {
    onRead(connection, length) {
      const before = isMetered(connection) ? meterReading(mqtt) : undefined;
      deliveryTimes.beforeRead(mqtt);
      try {
        readInput(mqtt, connection, length);
      } catch (error) {
        crashed(connection, error);
      }
      deliveryTimes.afterRead(mqtt);
      congestion.afterRead(connection, length);
      if (before !== undefined) charge(mqtt, connection, before, length);
      // While turns bring one read each there is nothing to gather: the answer need not wait for the turn's end.
      readsThisTurn++;
      if (readsThisTurn === 1 && readsLastTurn <= 1) {
        output.flush();
        deliveryTimes.written(mqtt);
        mqtt.tracing?.written();
      }
      turn.wake();
    },
    onWritten(connection) {
      const isDrained = output.written(connection);
      if (connection.phase === 'closed') {
        release(connection);
        return;
      }
      if (connection.session !== undefined) pump(mqtt, connection.session);
      if (isDrained) endIfDrained(mqtt, connection);
    },
    onClosed(connection, error) {
      if (error !== undefined) {
        logger.debug({ err: error, clientId: connection.session?.clientId }, 'connection lost');
      }
      guard(connection, () => connectionClosed(mqtt, connection));
      options.gate?.leave(connection.transport.listener, connection.transport.remoteAddress);
      open--;
      release(connection);
      turn.wake();
    },
  };

  /** A slot is given away again when nothing of its last connection is being written. */
  function release(connection: Connection): void {
    const { slot } = connection;
    if (connections[slot] !== connection || connection.isWriting || !dataPlane.isFree(slot)) return;
    connections[slot] = undefined;
    freeSlots.push(slot);
  }

  function accept(transport: Transport): ConnectionHandler | undefined {
    const { listener, remoteAddress } = transport;
    const barred = options.gate?.enter(listener, remoteAddress);
    if (barred !== undefined) {
      counters.connectionsRefused++;
      const stranger = { protocol: 'mqtt', listener, address: remoteAddress };
      mqtt.events.refused({ ...stranger, clientId: undefined, user: undefined }, barred);
      return undefined;
    }
    const slot = freeSlots.pop() ?? (connections.length < limits.maxConnections ? connections.length : -1);
    if (slot < 0 || isStopping) {
      if (slot >= 0 && slot < connections.length) freeSlots.push(slot);
      counters.connectionsRefused++;
      options.gate?.leave(listener, remoteAddress);
      return undefined;
    }
    const connection = new Connection(slot, transport, events);
    connections[slot] = connection;
    open++;
    counters.connectionsAccepted++;
    dataPlane.open(slot, config.mqtt.maxPacketBytes);
    connection.deadline = startTimer(mqtt, limits.connectTimeoutMs, TimerKind.Deadline, slot);
    return connection;
  }

  let ticks = 0;
  dataPlane.setTick(tick());
  const stopTicking = clock.every(TICK_MS, () => {
    dataPlane.setTick(tick());
    try {
      mqtt.timers.advance(clock.monotonicMs(), onTimer, TIMERS_PER_TICK);
      policies.publishDue();
    } catch (error) {
      logger.error({ err: error }, 'a timer failed');
    }
    if (++ticks % HOUSEKEEPING_TICKS === 0) {
      congestion.check();
      retained.sweepExpired(EXPIRED_PER_HOUSEKEEPING);
    }
    turn.wake();
  });
  const onTimer = (kind: number, key: number): void => timeIsUp(mqtt, kind, key);

  takeUpSessions(mqtt);

  let stopSys = (): void => {};
  if (config.sys.intervalMs > 0) {
    sys.publish();
    stopSys = clock.every(config.sys.intervalMs, () => {
      sys.publish();
      turn.wake();
    });
  }

  /**
   * Wills of connected clients are not published: their subscribers are being disconnected in the same moment, and
   * MQTT 5 lets a server that shuts down defer them (section 3.1.2.5): those of durable sessions wait for the next start.
   */
  async function stop(): Promise<void> {
    if (isStopping) return;
    isStopping = true;
    stopSys();
    stopFollowing?.();
    for (const connection of [...connections]) {
      if (connection === undefined) continue;
      guard(connection, () => {
        closeConnection(mqtt, connection, {
          reasonCode: ReasonCode.ServerShuttingDown,
          discardsWill: connection.session?.durable === undefined,
          defersWill: true,
        });
      });
    }
    // In real time whatever the clock: a clock that stands still must not keep a process from stopping.
    for (let poll = 0; open > 0 && poll < STOP_POLLS_MAX; poll++) await delay(STOP_POLL_MS);
    for (const connection of connections) connection?.transport.destroy();
    stopTicking();
    turn.stop();
  }

  return {
    accept,
    connectLocal: (how) => local.connect(accept, dataPlane.readWindow, how),
    publish(message, exceptStream, change) {
      publishForeign(mqtt, message, exceptStream, change);
      turn.wake();
    },
    hasRoomFor(topic, exceptStream) {
      const { log, ruleOf } = options.durable;
      if (log.refusal() === 'full') return false;
      if (ruleOf(topic).storage === 'object' && log.refusal('object') === 'full') return false;
      return options.streams
        .capturing(topic)
        .every(({ name, storage }) => name === exceptStream || log.refusal(storage) !== 'full');
    },
    setMemoryHigh: (isHigh) => congestion.setMemoryHigh(isHigh),
    stop,
    counters,
    context: mqtt,
    get state() {
      return { connections: open, sessions: mqtt.sessions.count, timers: mqtt.timers.stats().active };
    },
  };
}
