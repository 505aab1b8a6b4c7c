/**
 * Composition root: builds the tiers of one node from its configuration, starts them in order and stops them in
 * reverse. Nothing else constructs a tier, and nothing here knows a protocol's rules.
 */
import { randomUUID } from 'node:crypto';
import { totalmem } from 'node:os';
import type { Logger } from 'pino';
import { type Administration, startAdministration } from './administration.ts';
import type { Config } from './config/config.ts';
import { createNodeTables, type NodeTables } from './durable-tables.ts';
import { openDurableTier } from './durable-tier.ts';
import { clientEvents } from './events/client-events.ts';
import { createEvents } from './events/events.ts';
import type { Clock } from './kernel/clock.ts';
import { createCrossing } from './kernel/crossing/crossing.ts';
import { watchMemory, watermarkBytes } from './kernel/memory-watermark.ts';
import type { RetainedStore } from './kernel/retained.ts';
import type { Router } from './kernel/router.ts';
import { createStreams } from './kernel/streams/streams.ts';
import { type Admission, createAdmission } from './net/admission.ts';
import type { Listener } from './net/listener.ts';
import { startListeners } from './node-listeners.ts';
import { openCopies, recoverLost } from './object-tier.ts';
import { packageVersion } from './package-version.ts';
import { createKafkaFrontEnd, type KafkaFrontEnd } from './protocols/kafka/front-end.ts';
import type { Authenticator, AuthMethod, Authorizer } from './protocols/mqtt/auth.ts';
import { createDurable } from './protocols/mqtt/durable/durable.ts';
import { createMqttFrontEnd, type MqttFrontEnd } from './protocols/mqtt/front-end.ts';
import { policyKeys } from './protocols/mqtt/policies.ts';
import { createMqttSecurity } from './protocols/mqtt/security/security.ts';
import { type ConfigSource, createReload, type ReloadReport } from './reload.ts';
import { stripeOf } from './scheduling/stripes.ts';
import { schemaRegistryTier } from './schema-registry-tier.ts';
import {
  type InitialAdministratorOptions,
  initialAdministrator,
} from './security/access/initial-administrator.ts';
import { type OpenSecurity, openSecurity } from './security/open-security.ts';
import { tenantOfTopic } from './security/tenants/tenants.ts';
import { type DataDirectory, openDataDirectory } from './storage/data-directory/data-directory.ts';
import { createTelemetry } from './telemetry/telemetry.ts';
import { createTraceHub } from './telemetry/trace-hub.ts';
import { createDataPlane } from './wasm/create-data-plane.ts';
import type { DataPlane } from './wasm/data-plane.ts';

export type ListenerAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface RunningListener {
  /** Key of the listener in the configuration, e.g. `mqtt`. */
  readonly name: string;
  readonly address: ListenerAddress;
}

export interface RunningNode {
  readonly listeners: readonly RunningListener[];
  /** Graceful: clients are told, what is written is flushed, then sockets close. Idempotent. */
  stop(): Promise<void>;
  /** Reads configuration, certificates and files of passwords again; connections stay. Rejects when nothing has changed. */
  reload(): Promise<ReloadReport>;
  /** Made where there has never been one; see src/security/access/. Resolves with whether it was. */
  firstAdministrator(how: Pick<InitialAdministratorOptions, 'environment' | 'print'>): Promise<boolean>;
  readonly mqtt: MqttFrontEnd;
  /** Where one of its listeners is enabled. */
  readonly kafka: KafkaFrontEnd | undefined;
  /** Users, authentication, and what lets into the administration. */
  readonly security: OpenSecurity;
  readonly dataPlane: DataPlane;
  readonly router: Router;
  readonly retained: RetainedStore;
  readonly admission: Admission;
}

export interface NodeDependencies {
  readonly logger: Logger;
  readonly clock: Clock;
  /** The caller's, who closes it; otherwise the node opens that of the configuration. */
  readonly dataDirectory?: DataDirectory;
  /** The part of the time since the last call in which the process was busy, 0 to 1. */
  readonly utilization?: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
  /** Without it what is in use cannot be read again. */
  readonly configSource?: ConfigSource;
  /** Ends the process, or what runs the node in it, for an administrator who asks for that. */
  readonly stopProcess?: (isNow: boolean) => void;
  readonly authenticator?: Authenticator;
  readonly authMethods?: readonly AuthMethod[];
  readonly authorizer?: Authorizer;
}

/** One process owns all of them. */
const STRIPES = 1024;

export async function startNode(config: Config, dependencies: NodeDependencies): Promise<RunningNode> {
  const { logger, clock } = dependencies;
  const events = createEvents({ clock });
  const dataPlane = createDataPlane({
    maxConnections: config.limits.maxConnections,
    memoryBytes: config.dataplane.memoryBytes,
    flowCacheEntries: config.dataplane.flowCache === 'on' ? config.dataplane.flowCacheEntries : 0,
    strictText: config.mqtt.strictUtf8,
    policyKeys: policyKeys(config),
  });
  const directory = await openDirectory(config, dependencies);
  const built: { tables?: NodeTables } = {};
  const tier = await openDurableTier({
    config,
    clock,
    logger,
    utilization: dependencies.utilization,
    tables(journals) {
      const leaderEpoch = journals.journal.state().epoch;
      built.tables = createNodeTables({ config, clock, journals, leaderEpoch });
      return built.tables.all;
    },
    sourcesOf(storage) {
      return built.tables === undefined
        ? []
        : [{ name: 'partitions', ...built.tables.partitions.source(storage) }];
    },
    retain: async (oldestKept) => built.tables?.partitions.clean(oldestKept),
    async onOpen(log, journals) {
      const { tables } = built;
      if (tables === undefined) throw new Error('the tables were not built');
      tables.mqtt.attach(log);
      tables.partitions.attach(log);
      await recoverLost(tables, journals, log, clock, logger);
    },
    journalFolder: directory?.journal ?? '',
    viewsFolder: directory?.views ?? '',
    onFailure(error) {
      logger.error({ err: error }, 'the journal is read-only');
      events.note('journal.failed', { reason: error.message });
    },
  });
  if (built.tables === undefined) throw new Error('the tables were not built');
  const {
    router,
    sessions,
    mqtt: durable,
    retained,
    delayed,
    deduplication,
    partitions,
    kernel,
    kafka: kafkaTables,
  } = built.tables;
  const security = await openSecurity({
    config,
    settings: built.tables.security,
    log: tier.log,
    clock,
    logger,
    auditDirectory: (directory ?? dependencies.dataDirectory)?.audit,
  }).catch(async (error: unknown) => {
    await tier.close();
    if (dependencies.dataDirectory === undefined) await directory?.close();
    throw error;
  });
  const streams = await createStreams(config.streams, {
    partitions,
    kernel,
    clock,
    stripeOf: (kind, key) => stripeOf('', kind, key, STRIPES),
    settledFloor: built.tables.kafka.settledFloor,
    opener: built.tables.opener,
    logger,
  });
  const copies = await openCopies(config, built.tables, tier.log, clock, STRIPES, logger);
  const telemetry = createTelemetry({
    config,
    clock,
    logger,
    random: dependencies.random ?? Math.random,
    version: packageVersion(),
    nodeId: (directory ?? dependencies.dataDirectory)?.nodeId ?? '',
  });
  const traces = createTraceHub();
  if (telemetry?.tracing !== undefined) traces.add(telemetry.tracing);
  const mqtt = createMqttFrontEnd({
    tracing: traces,
    config,
    clock,
    logger,
    random: dependencies.random ?? Math.random,
    dataPlane,
    router,
    retained,
    delayed,
    deduplication,
    streams,
    sessions,
    durable: createDurable(config, durable, tier.log, copies),
    version: packageVersion(),
    events: clientEvents(events),
    ...createMqttSecurity(security, logger),
    ...(dependencies.authenticator && { authenticator: dependencies.authenticator }),
    ...(dependencies.authMethods && { authMethods: dependencies.authMethods }),
    ...(dependencies.authorizer && { authorizer: dependencies.authorizer }),
  });
  const kafka = isServed(config.listeners.kafka, config.listeners.kafkas)
    ? await createKafkaFrontEnd({
        tracing: traces,
        config,
        clock,
        logger,
        random: dependencies.random ?? Math.random,
        broker: {
          nodeId: config.kafka.nodeId,
          clusterId: clusterIdOf(config, directory ?? dependencies.dataDirectory),
          leaderEpoch: tier.journals.journal.state().epoch,
        },
        log: tier.log,
        kernel,
        partitions,
        crossing: createCrossing({
          router,
          streams,
          limits: {
            maxTopicBytes: config.mqtt.maxTopicBytes,
            maxTopicLevels: config.mqtt.maxTopicLevels,
            maxMessageBytes: config.mqtt.maxPacketBytes,
          },
          written: (address) => tenantOfTopic(address).fromTopic(address) ?? address,
          onCaptureChange: (address) => dataPlane.invalidateFilter(address),
          publish: mqtt.publish,
          hasRoomFor: mqtt.hasRoomFor,
        }),
        tables: built.tables.kafka,
        security,
        stripeOf: (key) => stripeOf('', 'log', key, STRIPES),
        window: dataPlane.readWindow,
        events: clientEvents(events),
      })
    : undefined;
  const mqttReady = tier.log.onReady;
  tier.log.onReady = () => {
    mqttReady();
    kafka?.journalReady();
  };
  const admission = createAdmission(config.limits, clock, (reason, listener) =>
    events.note('client.refused', { listener, reason }),
  );
  const memory = watchMemory({
    clock,
    residentBytes: () => process.memoryUsage.rss(),
    highBytes: watermarkBytes(config.limits.memoryWatermarkBytes, {
      constrainedBytes: process.constrainedMemory?.(),
      totalBytes: totalmem(),
    }),
    onHigh(bytes) {
      logger.warn({ bytes }, 'memory above the watermark: publishers are paused, connections refused');
      admission.suspend(true);
      mqtt.setMemoryHigh(true);
      kafka?.setMemoryHigh(true);
    },
    onNormal(bytes) {
      logger.info({ bytes }, 'memory below the watermark again');
      admission.suspend(false);
      mqtt.setMemoryHigh(false);
      kafka?.setMemoryHigh(false);
    },
  });

  let administration: Administration | undefined;
  const listeners: Listener[] = [];
  const reloading = createReload({
    config,
    source: dependencies.configSource,
    logger,
    security,
    listeners: () => [...listeners, ...(administration?.listeners ?? [])],
  });
  let stopping: Promise<void> | undefined;
  async function stopAll(): Promise<void> {
    administration?.drain();
    memory.stop();
    await Promise.all(listeners.map((listener) => listener.stopAccepting().catch(() => {})));
    await Promise.all([mqtt.stop(), kafka?.stop()]);
    for (const listener of listeners) {
      for (const transport of await listener.close()) transport.destroy();
    }
    await telemetry?.stop();
    await administration?.close();
    await security.close();
    streams.stop();
    await tier.close();
    if (dependencies.dataDirectory === undefined) await directory?.close();
  }

  try {
    const own = directory ?? dependencies.dataDirectory;
    const schemas = schemaRegistryTier({
      config,
      tables: built.tables,
      log: tier.log,
      clock,
      logger,
      stripeOf: (key) => stripeOf('', 'log', key, STRIPES),
    });
    administration = await startAdministration({
      config,
      clock,
      logger,
      controlSocket: own?.controlSocket,
      telemetry,
      security,
      parts: {
        config,
        process: { ...reloading, stop: dependencies.stopProcess },
        events,
        mqtt: mqtt.context,
        traces,
        connectLocal: mqtt.connectLocal,
        tier,
        streams,
        partitions,
        kafka,
        schemas,
        listeners: () => listeners,
        admission,
        delayed,
        delayedCount: () => delayed.count + kafkaTables.delayed.count,
        version: packageVersion(),
        nodeId: own?.nodeId ?? '',
      },
      routes: schemas === undefined ? [] : [schemas.route],
    });
    await startListeners(config, { dataPlane, mqtt, kafka, admission, logger, clock }, listeners);
  } catch (error) {
    await stopAll();
    throw error;
  }

  return {
    listeners: [...listeners, ...administration.listeners].map((listener) => ({
      name: listener.name,
      address: listener.address(),
    })),
    stop() {
      stopping ??= stopAll();
      return stopping;
    },
    reload: reloading.reload,
    firstAdministrator: (how) =>
      initialAdministrator({
        ...how,
        users: security.users,
        settings: security.settings,
        dataDir: (directory ?? dependencies.dataDirectory)?.path,
        log: logger,
      }),
    mqtt,
    kafka,
    security,
    dataPlane,
    router,
    retained,
    admission,
  };
}

const isServed = (...listeners: readonly { readonly enabled: boolean }[]): boolean =>
  listeners.some(({ enabled }) => enabled);

const UUID_SEPARATORS = /-/g;

/** As Kafka's tools write it: 16 bytes in base64url. Of a node without a directory, for as long as it runs. */
function clusterIdOf(config: Config, directory: DataDirectory | undefined): string {
  if (config.kafka.clusterId !== '') return config.kafka.clusterId;
  const uuid = directory?.nodeId ?? randomUUID();
  return Buffer.from(uuid.replace(UUID_SEPARATORS, ''), 'hex').toString('base64url');
}

/** Undefined where nothing outlives the process. */
async function openDirectory(
  config: Config,
  { dataDirectory }: NodeDependencies,
): Promise<DataDirectory | undefined> {
  if (config.storage.engine === 'memory') return undefined;
  return dataDirectory ?? openDataDirectory(config.dataDir);
}
