/** What no single key can tell: values that contradict each other, and combinations worth a warning. */
import type { ConfigProblem } from './assignments.ts';
import { checkAuthorization } from './authorization-checks.ts';
import type { Config, TcpListenerConfig, TlsListenerConfig } from './config.ts';
import { checkKafkaSecurity, kafkaSecurityWarnings } from './kafka-security-checks.ts';
import { checkSecurity, isLoopback, securityWarnings } from './security-checks.ts';
import { checkTelemetry } from './telemetry-checks.ts';

/** Where the value of a key comes from, for messages. */
export type PlaceOf = (path: string) => string;

/** Whatever binds an address. */
type BoundListener = Pick<TcpListenerConfig, 'enabled' | 'host' | 'port'>;

interface NamedListener<L extends BoundListener = TcpListenerConfig> {
  readonly path: string;
  readonly listener: L;
}

export function checkConfig(config: Config, placeOf: PlaceOf): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const problem = (path: string, reason: string): void => {
    problems.push({ place: placeOf(path), path, reason });
  };
  const { mqtt, dataplane, listeners } = config;

  if (!isPowerOfTwo(dataplane.flowCacheEntries)) {
    const below = 2 ** Math.floor(Math.log2(dataplane.flowCacheEntries));
    problem('dataplane.flowCacheEntries', `must be a power of two, such as ${below} or ${below * 2}`);
  }
  if (mqtt.maxHeldBytes < mqtt.maxPacketBytes) {
    problem(
      'mqtt.maxHeldSize',
      'must be at least mqtt.maxPacketSize: a packet of that size could never be sent',
    );
  }
  if (mqtt.queue.maxBytes < mqtt.maxPacketBytes) {
    problem(
      'mqtt.queue.maxSize',
      'must be at least mqtt.maxPacketSize: a packet of that size could never wait',
    );
  }
  if (dataplane.memoryBytes < 2 * mqtt.maxHeldBytes) {
    problem('dataplane.memorySize', 'must be at least twice mqtt.maxHeldSize');
  }

  const { groups } = config.kafka;
  if (groups.minSessionTimeoutMs > groups.maxSessionTimeoutMs) {
    problem('kafka.groups.minSessionTimeout', 'must not be above kafka.groups.maxSessionTimeout');
  }

  checkSecurity(config, problem);
  checkAuthorization(config, problem);
  checkKafkaSecurity(config.kafka.security, problem);
  checkStorage(config, problem);
  checkTelemetry(config, problem);

  const used: NamedListener<BoundListener>[] = [];
  for (const { path, listener } of tcpListeners(config)) {
    if (!listener.enabled) continue;
    if (listener.proxyProtocol && listener.proxyTrustedNetworks.length === 0) {
      problem(
        `${path}.proxyTrustedNetworks`,
        'is needed with proxyProtocol: the networks whose header is believed',
      );
    }
  }
  for (const named of [...tcpListeners(config), ...httpListeners(config)]) {
    const { path, listener } = named;
    if (!listener.enabled) continue;
    const clash = used.find((other) => listener.port !== 0 && overlap(other.listener, listener));
    if (clash === undefined) used.push(named);
    else problem(`${path}.port`, `${listener.port} is already the port of ${clash.path}`);
  }
  for (const named of tlsListeners(config)) if (named.listener.enabled) checkTls(named, problem);
  if (listeners.unix.enabled && listeners.unix.path === '') {
    problem('listeners.unix.path', 'is needed: the path of the socket');
  }
  return problems;
}

/** Several segments, and the newest records beside them. */
const MIN_MEMORY_BYTES = 64 * 1024 * 1024;

function checkStorage(config: Config, problem: (path: string, reason: string) => void): void {
  const { engine, memory, object, tier } = config.storage;
  const needs = 'needs an object store: storage.object.bucket or storage.object.directory';
  const hasStore = object.bucket !== '' || object.directory !== '';
  if (object.bucket !== '' && object.directory !== '') {
    problem('storage.object.directory', 'cannot be set together with storage.object.bucket');
  }
  if ((object.accessKeyId === '') !== (object.secretAccessKey === '')) {
    problem('storage.object.secretAccessKey', 'and storage.object.accessKeyId are set both or neither');
  }
  if (memory.maxBytes > 0 && memory.maxBytes < MIN_MEMORY_BYTES) {
    problem('storage.memory.maxSize', 'must be 0 or at least 64MiB');
  }
  if (tier.enabled && !hasStore) problem('storage.tier.enabled', needs);
  if (tier.enabled && engine === 'memory') {
    problem('storage.tier.enabled', 'needs storage.engine=files: there are no segments to move otherwise');
  }
  if (engine === 'memory' && config.topics.some(({ storage }) => storage === 'object')) {
    problem('topics', 'storage: object needs storage.engine=files: who waits for the messages is kept there');
  }
  for (const key of ['topics', 'streams'] as const) {
    config[key].forEach(({ storage }, index) => {
      if (storage === 'object' && !hasStore) problem(key, `entry ${index}: storage: object ${needs}`);
    });
  }
}

function checkTls(
  { path, listener: { tls } }: NamedListener<BoundListener & Pick<TlsListenerConfig, 'tls'>>,
  problem: (path: string, reason: string) => void,
): void {
  if (tls.certFile === '')
    problem(`${path}.tls.certFile`, `is needed: ${path} is enabled and has no certificate`);
  if (tls.keyFile === '')
    problem(`${path}.tls.keyFile`, `is needed: ${path} is enabled and has no private key`);
  if (tls.clientCertificate !== 'none' && tls.caFile === '') {
    problem(`${path}.tls.caFile`, 'is needed to verify client certificates');
  }
  tls.sni.forEach((entry, index) => {
    for (const key of ['serverName', 'certFile', 'keyFile'] as const) {
      if (entry[key] === '') problem(`${path}.tls.sni`, `entry ${index} needs ${key}`);
    }
  });
}

/** Settings that work and probably are not what was meant. */
export function warnings(config: Config, isSet: (pathPrefix: string) => boolean): string[] {
  const found = securityWarnings(config);
  const { kafka } = config.listeners;
  if (kafka.enabled && !isLoopback(kafka.host) && config.kafka.security.authentication === 'sasl') {
    found.push(
      `listeners.kafka listens on ${kafka.host} without TLS: passwords and tokens can be read on their way. listeners.kafkas is for them.`,
    );
  }
  found.push(...kafkaSecurityWarnings(config.kafka.security));
  for (const { path, listener } of tlsListeners(config)) {
    if (!listener.enabled && isSet(path) && !isSet(`${path}.enabled`)) {
      found.push(
        `${path} is configured but stays off: it starts when ${path}.tls.certFile and .keyFile are set.`,
      );
    }
  }
  const hasGroups = config.listeners.kafka.enabled || config.listeners.kafkas.enabled;
  config.streams.forEach(({ retention }, index) => {
    if (!retention.settled || hasGroups) return;
    found.push(
      `streams entry ${index}: retention.settled goes by the groups of Kafka, and no listener of Kafka is enabled: nobody can settle anything.`,
    );
  });
  return found;
}

function tcpListeners({ listeners }: Config): NamedListener[] {
  return (['mqtt', 'mqtts', 'ws', 'wss', 'kafka', 'kafkas'] as const).map((name) => ({
    path: `listeners.${name}`,
    listener: listeners[name],
  }));
}

function httpListeners({ listeners }: Config): NamedListener<BoundListener>[] {
  return (['http', 'https'] as const).map((name) => ({
    path: `listeners.${name}`,
    listener: listeners[name],
  }));
}

function tlsListeners({
  listeners,
}: Config): NamedListener<BoundListener & Pick<TlsListenerConfig, 'tls'>>[] {
  return (['mqtts', 'wss', 'kafkas', 'https'] as const).map((name) => ({
    path: `listeners.${name}`,
    listener: listeners[name],
  }));
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

function overlap(a: BoundListener, b: BoundListener): boolean {
  const everywhere = (host: string): boolean => host === '0.0.0.0' || host === '::';
  return a.port === b.port && (a.host === b.host || everywhere(a.host) || everywhere(b.host));
}
