/**
 * The Kafka front-end: what clients of Kafka see as a cluster of one broker. This module builds the parts and keeps the
 * connections; what requests do is in the folders beside it, by subject.
 *
 * It guarantees: requests of a connection are answered in their order; whatever a client sends ends at worst its own
 * connection; memory of requests, of sessions and of answers is bounded by the configuration; what a client was promised is
 * in the journal first. It knows neither sockets nor what is in a batch of records.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { type ClientEvents, unobserved } from '../../events/client-events.ts';
import { type Clock, standstillBefore } from '../../kernel/clock.ts';
import type { Crossing } from '../../kernel/crossing/crossing.ts';
import { createFollower } from '../../kernel/crossing/follower.ts';
import type { Partitions } from '../../kernel/log/partitions.ts';
import type { StateLog } from '../../kernel/state/state-log.ts';
import type { ConnectionHandler, Transport } from '../../net/transport.ts';
import type { TraceHub } from '../../telemetry/trace-hub.ts';
import type { LogKernel } from '../../wasm/log.ts';
import { createClientMetrics } from './admin/client-metrics.ts';
import { createCollector } from './admin/collector.ts';
import { createGroupConfigs, GroupConfigName } from './admin/group-configs.ts';
import { broughtToLife } from './admin/live-config.ts';
import { createTelemetry } from './admin/telemetry.ts';
import { KafkaConnection } from './connection.ts';
import type { ConnectionHost } from './connection-host.ts';
import type { Broker, Endpoint, Kafka } from './context.ts';
import { createDelays } from './delay/delay.ts';
import { createFetchSessions } from './fetch/sessions.ts';
import { createGroups } from './groups/groups.ts';
import { DEFAULT_GROUP_SETTINGS } from './groups/settings.ts';
import { append } from './produce/append.ts';
import { createDeadLetters } from './produce/dead-letters.ts';
import { openProducers } from './producers/producers.ts';
import { createBatchOpener } from './records/opener.ts';
import { createRequestMemory } from './request-memory.ts';
import { createRequestTimes, type RequestTimes } from './request-times.ts';
import { WireWriter } from './schema/writer.ts';
import { createBoundary } from './security/boundary.ts';
import { createSecurity, type SharedSecurity } from './security/security.ts';
import { SettingKind } from './security/setting-kinds.ts';
import { createWriters } from './security/writers.ts';
import { createShares } from './share/share.ts';
import type { KafkaTables } from './tables.ts';
import { captureTopics } from './topics/captured.ts';
import { openTopics } from './topics/topics.ts';

export interface KafkaFrontEndOptions {
  readonly tracing?: TraceHub | undefined;
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly broker: Broker;
  readonly log: StateLog;
  readonly kernel: LogKernel;
  readonly partitions: Partitions;
  readonly crossing: Crossing;
  /** Rebuilt from the journal. */
  readonly tables: KafkaTables;
  /** Of all protocols. */
  readonly security: SharedSecurity;
  readonly stripeOf: (key: string) => number;
  /** Where the transports put what they read. */
  readonly window: Uint8Array;
  readonly events?: ClientEvents | undefined;
}

export interface KafkaFrontEnd {
  /** Undefined = the connection is to be refused. */
  accept(transport: Transport): ConnectionHandler | undefined;
  /** Producers wait while the memory of the process is above its watermark. */
  setMemoryHigh(isHigh: boolean): void;
  /** The state log takes changes again. */
  journalReady(): void;
  /** Lets answers leave, and closes. Idempotent. */
  stop(): Promise<void>;
  readonly context: Kafka;
  /** In the order of their numbers. */
  connections(): Iterable<KafkaConnection>;
  readonly requestTimes: Pick<RequestTimes, 'all'>;
  readonly state: { readonly connections: number; readonly requestBytes: number };
}

const MAX_PIPELINED = 1000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const SWEEP_MS = 1000;
const STOP_POLL_MS = 10;
const STOP_POLLS_MAX = 200;

export async function createKafkaFrontEnd(options: KafkaFrontEndOptions): Promise<KafkaFrontEnd> {
  const { clock, logger, log, partitions, events = unobserved } = options;
  const config = broughtToLife(options.config, options.tables.settings);
  const settings = config.kafka;
  const connections = new Set<KafkaConnection>();
  /** Not logged in, with the time of their coming. */
  const strangers = new Map<KafkaConnection, number>();
  /** With produced batches that wait for room. */
  const held = new Set<KafkaConnection>();
  let lastNumber = 0;
  let requestBytes = 0;
  let isMemoryHigh = false;
  let isStopping = false;

  const topics = await openTopics({
    config,
    table: options.tables.topics,
    log,
    partitions,
    stripeOf: options.stripeOf,
    settledFloor: options.tables.settledFloor,
    tenants: options.security.guard.tenants,
  });
  // Behind that of the configuration, which knows the new defaults by then.
  options.tables.settings.watch(SettingKind.BrokerConfig, topics.defaultsChanged);
  const groupConfigs = createGroupConfigs(options.tables.settings, options.config);
  const groups = createGroups({
    table: options.tables.groups,
    clock,
    log,
    level: settings.durability.offsets,
    settings: {
      ...DEFAULT_GROUP_SETTINGS,
      ...settings.groups,
      consumerSessionTimeoutMs: settings.groups.sessionTimeoutMs,
      consumerHeartbeatIntervalMs: settings.groups.heartbeatIntervalMs,
      consumerTimes: (group) => ({
        sessionTimeoutMs: Number(groupConfigs.value(group, GroupConfigName.consumerSessionMs)),
        heartbeatIntervalMs: Number(groupConfigs.value(group, GroupConfigName.consumerHeartbeatMs)),
      }),
    },
    isForeign: (id) => shares.groups.find(id) !== undefined,
    topics,
    newId: randomUUID,
    explain: (group, reason) => logger.debug({ group, reason }, 'a consumer group'),
  });
  const shares = createShares({
    table: options.tables.shares,
    configs: groupConfigs,
    clock,
    log,
    level: settings.durability.offsets,
    topics,
    partitions,
    limits: {
      maxSessions: settings.shareGroups.maxSessions,
      maxGroups: settings.groups.maxGroups,
      maxMembers: settings.shareGroups.maxMembers,
    },
    explain: (group, reason) => logger.debug({ group, reason }, 'a share group'),
  });
  const deadLetters = createDeadLetters(() => kafka, append);
  const follower = createFollower({
    cursors: options.tables.crossings,
    partitions,
    crossing: options.crossing,
    opener: createBatchOpener(options.kernel),
    log,
    clock,
    logger,
    onRefused(partition, record, offset, reason) {
      const topic = topics.get(partition.name);
      if (topic !== undefined) deadLetters.bury(topic, partition, record, offset, reason);
    },
  });
  const producers = await openProducers({
    crossing: follower,
    store: options.tables.producers,
    partitions,
    kernel: options.kernel,
    log,
    level: settings.durability.offsets,
    offsets: groups,
    clock,
    logger,
  });
  options.tables.settings.attach(log);
  const security = createSecurity({
    config: options.config,
    settings: options.tables.settings,
    shared: options.security,
    clock,
    log: logger,
  });
  const clientMetrics = createClientMetrics(options.tables.settings);
  const { endpoint, maxPushBytes } = settings.telemetry;
  const collector = endpoint === '' ? undefined : createCollector(endpoint, logger);
  const telemetry = createTelemetry({
    subscriptions: clientMetrics,
    clock,
    maxBytes: maxPushBytes,
    sink: collector?.sink,
    newInstanceId: () => randomBytes(16).toString('base64url'),
  });
  const { crossing } = options;
  const delays = createDelays(
    {
      config,
      kernel: options.kernel,
      clock,
      log,
      logger,
      topics,
      partitions,
      crossing,
      follower,
      deadLetters,
      writers: createWriters(security.authorizer, options.security.users),
    },
    options.tables.delayed,
  );
  const kafka: Kafka = {
    config,
    nodeConfig: options.config,
    clock,
    logger,
    random: options.random,
    broker: options.broker,
    log,
    kernel: options.kernel,
    partitions,
    topics,
    producers,
    security,
    boundary: createBoundary(topics),
    audit: options.security.audit,
    authorizer: security.authorizer,
    clientMetrics,
    telemetry,
    get tracing() {
      return options.tracing?.isActive === true ? options.tracing : undefined;
    },
    settings: options.tables.settings,
    groups,
    groupConfigs,
    shares,
    crossing,
    follower,
    delays,
    deadLetters,
    fetchSessions: createFetchSessions(settings.maxFetchSessions, options.random),
    commit: (level, storage = 'journal') =>
      new Promise((resolve, reject) => {
        log.commit(level, (error) => (error === undefined ? resolve() : reject(error)), false, storage);
      }),
  };

  shares.start(kafka);
  await delays.open();
  const stopCapturing = captureTopics(topics, options.crossing);
  const requestTimes = createRequestTimes();
  const host: ConnectionHost<KafkaConnection> = {
    kafka,
    window: options.window,
    writer: new WireWriter(),
    memory: createRequestMemory(),
    events,
    times: requestTimes,
    limits: {
      maxRequestBytes: settings.maxRequestBytes,
      maxPipelined: MAX_PIPELINED,
      maxOutputBytes: MAX_OUTPUT_BYTES,
    },
    endpointOf(transport): Endpoint {
      return {
        host: settings.advertisedHost || transport.serverName || transport.localAddress,
        port: settings.advertisedPort || transport.localPort,
      };
    },
    nextNumber: () => ++lastNumber,
    holdsProduce(connection) {
      if (!isMemoryHigh && !log.isBusy()) return false;
      held.add(connection);
      return true;
    },
    account(deltaBytes) {
      requestBytes += deltaBytes;
      return deltaBytes <= 0 || requestBytes <= settings.maxInFlightBytes;
    },
    closed(connection) {
      connections.delete(connection);
      strangers.delete(connection);
      held.delete(connection);
      options.security.guard.leave(connection.listener, connection.remoteAddress);
    },
  };

  function release(): void {
    if (isMemoryHigh || log.isBusy()) return;
    const waiting = [...held];
    held.clear();
    for (const connection of waiting) connection.pump();
  }

  /** Neither a decision of ours nor a delay that a quota has set counts as their time. */
  function endStrangers(): void {
    const beforeMs = clock.monotonicMs() - config.limits.connectTimeoutMs;
    for (const [connection, sinceMs] of strangers) {
      const { authentication, mutedUntilMs } = connection;
      if (authentication.isThrough) strangers.delete(connection);
      else if (!authentication.isDeciding && Math.max(sinceMs, mutedUntilMs) <= beforeMs)
        connection.end('it has not logged in in time');
    }
  }

  const stoodStill = standstillBefore(clock, SWEEP_MS);
  const stopSweeping = clock.every(SWEEP_MS, () => {
    release();
    if (stoodStill()) return;
    endStrangers();
    const before = clock.monotonicMs() - settings.maxIdleMs;
    for (const connection of connections) {
      if (connection.activeMs > before) continue;
      if (connection.isIdle) connection.end('nothing has happened on it for too long');
      else if (connection.isStuck) connection.destroy();
    }
  });

  return {
    accept(transport) {
      if (isStopping) return undefined;
      const { listener, remoteAddress } = transport;
      const barred = options.security.guard.enter(listener, remoteAddress);
      if (barred !== undefined) {
        const stranger = { protocol: 'kafka', listener, address: remoteAddress };
        events.refused({ ...stranger, clientId: undefined, user: undefined }, barred);
        return undefined;
      }
      const connection = new KafkaConnection(host, transport);
      connections.add(connection);
      strangers.set(connection, clock.monotonicMs());
      return connection;
    },
    setMemoryHigh(isHigh) {
      isMemoryHigh = isHigh;
      release();
    },
    journalReady() {
      release();
      follower.resume();
    },
    async stop() {
      if (isStopping) return;
      isStopping = true;
      stopSweeping();
      collector?.stop();
      for (const connection of [...connections]) connection.end('the broker is stopping');
      // In real time whatever the clock: a clock that stands still must not keep a process from stopping.
      for (let poll = 0; connections.size > 0 && poll < STOP_POLLS_MAX; poll++) await delay(STOP_POLL_MS);
      for (const connection of connections) connection.destroy();
      producers.close();
      delays.stop();
      await follower.stop();
      stopCapturing();
      groups.close();
      shares.close();
    },
    context: kafka,
    connections: () => connections,
    requestTimes,
    get state() {
      return { connections: connections.size, requestBytes };
    },
  };
}
