/**
 * The configuration schema: every key, its default and what it means. Reading (load.ts), checking (checks.ts),
 * the reference page, the JSON Schema and shell completion (describe.ts) all derive from this one table.
 *
 * Names here are those of `Config`; what users write differs by the unit suffix only, see `writtenName`.
 */
import { isIP } from 'node:net';
import { alarmsSchema } from './alarms-schema.ts';
import { authorizationSchema } from './authorization-schema.ts';
import { auditSchema, guardSchema, tenantsSchema } from './guard-schema.ts';
import { httpListener } from './http-schema.ts';
import { kafkaSchema } from './kafka-schema.ts';
import { isNetwork } from './network-text.ts';
import {
  boolean,
  bytes,
  choice,
  count,
  forNewConnections,
  list,
  live,
  milliseconds,
  seconds,
  section,
  string,
} from './schema-kit.ts';
import { schemaRegistrySchema } from './schema-registry-schema.ts';
import { securitySchema } from './security-schema.ts';
import { policies, storageSchema, streams, topicRules } from './storage-schema.ts';
import { telemetrySchema } from './telemetry-schema.ts';

export const never = 0xffffffff;

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

const filePath = (description: string) => string('', description, { expected: 'a path' });

const tcp = (enabled: boolean, port: number) => ({
  enabled: boolean(enabled, 'Whether it listens.'),
  host: string('127.0.0.1', 'Address to bind; `0.0.0.0` or `::` for every interface.', {
    expected: 'an IP address or host name',
    maxLength: 253,
    accepts: (text) => isIP(text) !== 0 || /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i.test(text),
  }),
  port: count(port, 'Port; 0 takes any free one.', { max: 65_535 }),
  backlog: count(1024, 'Connections the kernel holds before they are accepted.', { min: 1, max: 65_535 }),
  proxyProtocol: boolean(false, 'Expect the PROXY protocol (v1 or v2) in front of every connection.'),
  proxyTrustedNetworks: list(
    string('', 'Network', { expected: 'an IP address or a network such as 10.0.0.0/8', accepts: isNetwork }),
    'Networks whose PROXY header is believed; connections from elsewhere are refused.',
  ),
  proxyTimeoutMs: milliseconds(3000, 'Time for the PROXY header to arrive.', { min: 1, max: 600_000 }),
});

const tls = section('Certificates of the listener. SIGHUP reads them again; connections stay.', {
  certFile: forNewConnections(
    filePath('Certificate chain, PEM. Setting it enables the listener unless `enabled` says otherwise.'),
  ),
  keyFile: forNewConnections(filePath('Private key, PEM.')),
  caFile: forNewConnections(filePath('Authorities that sign client certificates, PEM.')),
  clientCertificate: choice(['none', 'request', 'require'], 'none', 'Whether clients present a certificate.'),
  minVersion: choice(['TLSv1.2', 'TLSv1.3'], 'TLSv1.2', 'Oldest TLS version accepted.'),
  handshakeTimeoutMs: milliseconds(10_000, 'Time for the TLS handshake.', { min: 1, max: 600_000 }),
  sni: forNewConnections(
    list(
      section('A certificate for one server name.', {
        serverName: string('', 'Server name, or `*.` and a domain.', {
          maxLength: 253,
          expected: 'a host name',
        }),
        certFile: filePath('Certificate chain, PEM.'),
        keyFile: filePath('Private key, PEM.'),
      }),
      'Other certificates by the server name that the client asks for.',
    ),
  ),
});

const webSocket = {
  path: string('/mqtt', 'Path of the WebSocket.', {
    expected: 'a path that starts with /',
    accepts: (text) => /^\/[^\s?#]*$/.test(text),
  }),
  allowedOrigins: forNewConnections(
    list(
      string('', 'Origin', {
        expected: 'an origin such as https://example.org',
        accepts: (text) => /^[a-z][a-z0-9+.-]*:\/\/[^\s/]+$/i.test(text),
      }),
      'Origins of pages that may connect; empty allows any.',
    ),
  ),
  demoPage: boolean(true, 'Serve a page to try the broker in a browser on `GET /`.'),
};

export const schema = section('Configuration of a RobustMQ node.', {
  node: section('This node.', {
    name: string('robustmq', 'Name of the node, shown in logs and $SYS topics.', {
      maxLength: 128,
      expected: 'letters, digits, and . _ @ -',
      accepts: (text) => /^[\w.@-]+$/.test(text),
    }),
  }),
  dataDir: string('./robustmq-data', 'Directory for what the broker keeps; created at start.', {
    expected: 'a path',
    accepts: (text) => text !== '',
  }),
  listeners: section(
    'Where clients connect. Only loopback is bound by default; what others can reach needs `security.authentication`.',
    {
      mqtt: section('MQTT over TCP.', tcp(true, 1883)),
      mqtts: section('MQTT over TLS.', { ...tcp(false, 8883), tls }),
      ws: section('MQTT over WebSocket.', { ...tcp(true, 8083), ...webSocket }),
      wss: section('MQTT over secure WebSocket.', { ...tcp(false, 8084), tls, ...webSocket }),
      unix: section('MQTT over a Unix socket.', {
        enabled: boolean(false, 'Whether it listens.'),
        path: string(
          '',
          'Path of the socket. Setting it enables the listener unless `enabled` says otherwise.',
          {
            expected: 'a path of at most 107 bytes',
            accepts: (text) => Buffer.byteLength(text) <= 107,
          },
        ),
      }),
      kafka: section('Kafka over TCP.', tcp(true, 9092)),
      kafkas: section('Kafka over TLS.', { ...tcp(false, 9093), tls }),
      http: section('Administration, metrics and health over HTTP.', httpListener(true, 18083)),
      https: section('The same over TLS.', { ...httpListener(false, 18084), tls }),
    },
  ),
  logging: section('The log.', {
    level: live(
      choice(
        ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
        'info',
        'Least severe level that is logged.',
      ),
    ),
    format: choice(['auto', 'pretty', 'json'], 'auto', '`auto` is pretty on a terminal and JSON otherwise.'),
  }),
  dataplane: section('The WebAssembly data plane.', {
    flowCache: choice(
      ['on', 'off'],
      'on',
      '`off` routes every message in the control plane; only speed changes.',
    ),
    flowCacheEntries: count(16_384, 'Flows remembered; a power of two.', { min: 16, max: 2 ** 22 }),
    memoryBytes: bytes(
      256 * MiB,
      'Linear memory of the data plane, fixed at start; pages cost nothing until used.',
      {
        min: 16 * MiB,
        max: 4 * GiB - 64 * KiB,
      },
    ),
  }),
  mqtt: section('MQTT 3.1, 3.1.1 and 5.0.', {
    maxPacketBytes: bytes(MiB, 'Largest packet accepted.', { min: 1024, max: 268_435_460 }),
    maxTopicBytes: bytes(65_535, 'Longest topic or filter.', { min: 1, max: 65_535 }),
    maxTopicLevels: count(128, 'Most levels in a topic or filter.', { min: 1, max: 65_535 }),
    maxClientIdBytes: bytes(65_535, 'Longest client identifier.', { min: 23, max: 65_535 }),
    receiveMaximum: count(1024, 'QoS 1 and 2 messages a client may have unacknowledged.', {
      min: 1,
      max: 65_535,
    }),
    maxInflight: forNewConnections(
      count(1024, 'QoS 1 and 2 messages in flight to one client; its own smaller limit wins.', {
        min: 1,
        max: 65_535,
      }),
    ),
    topicAliasMaximum: count(65_535, 'Topic aliases a client may use.', { max: 65_535 }),
    topicAliasMaximumOut: forNewConnections(
      count(16, 'Topic aliases used towards a client that allows them.', { max: 65_535 }),
    ),
    maxQos: choice([0, 1, 2], 2, 'Highest QoS.'),
    retainAvailable: boolean(true, 'Whether retained messages are kept.'),
    wildcardSubscriptionAvailable: boolean(true, 'Whether filters may have wildcards.'),
    sharedSubscriptionAvailable: boolean(true, 'Whether `$share/group/filter` is available.'),
    subscriptionIdentifiersAvailable: boolean(true, 'Whether subscriptions may carry an identifier.'),
    serverKeepAliveSeconds: forNewConnections(
      seconds(0, 'Keep alive imposed on clients; 0 leaves it to them.', {
        max: 65_535,
      }),
    ),
    maxKeepAliveSeconds: forNewConnections(
      seconds(
        0,
        'Longest keep alive; who asks for more or for none gets this one, MQTT 3 clients without being told. 0 is no limit.',
        { max: 65_535 },
      ),
    ),
    responseInformation: forNewConnections(
      string(
        '',
        'Response Information of CONNACK for MQTT 5 clients that ask for it, by custom the start of a topic for their responses; empty sends none.',
        { maxLength: 1024, expected: 'text without U+0000', accepts: (text) => !text.includes('\0') },
      ),
    ),
    maxSessionExpirySeconds: forNewConnections(
      seconds(never, 'Cap on session expiry, and what a persistent session of MQTT 3 gets.', {
        max: never,
        words: { never },
      }),
    ),
    maxMessageExpirySeconds: seconds(0, 'Cap on how long a message waits.', {
      max: never,
      words: { never: 0 },
    }),
    overlapping: choice(
      ['separate', 'merge'],
      'separate',
      'A message that matches several subscriptions of a client: one delivery for each, or one with all identifiers.',
    ),
    sharedStrategy: live(
      choice(
        ['round-robin', 'random', 'sticky', 'hash-client', 'hash-topic'],
        'round-robin',
        'How a shared subscription picks a member.',
      ),
    ),
    queue: section('Messages waiting for a session that is away or whose window is full, per session.', {
      maxMessages: live(count(10_000, 'Most messages.', { min: 1 })),
      maxBytes: live(bytes(64 * MiB, 'Most bytes.', { min: 1024 })),
      overflow: live(
        choice(['drop-oldest', 'drop-newest'], 'drop-oldest', 'What gives way when it is full.'),
      ),
      qos0Offline: boolean(false, 'Keep QoS 0 messages as well while the client is away.'),
    }),
    maxHeldBytes: forNewConnections(
      bytes(8 * MiB, 'Output held for a slow connected client before QoS 0 to it is dropped.', {
        min: 64 * KiB,
        max: GiB,
      }),
    ),
    retained: live(
      section('Retained messages.', {
        maxMessages: count(2_000_000, 'Most messages.'),
        maxBytes: bytes(GiB, 'Most bytes, topics included.'),
        maxPayloadBytes: bytes(MiB, 'Largest payload that is retained.', { max: 268_435_455 }),
      }),
    ),
    strictUtf8: boolean(false, 'Refuse control characters and non-characters in strings.'),
  }),
  limits: section('Protection of the node.', {
    maxConnections: count(100_000, 'Most connections.', { min: 1, max: 4_000_000 }),
    maxConnectionsPerSecond: live(
      count(0, 'New connections per second, all listeners together; 0 is no limit.'),
    ),
    connectTimeoutMs: forNewConnections(
      milliseconds(5000, 'From accept to a complete CONNECT, or to the log-in of a client of Kafka.', {
        min: 10,
        max: 600_000,
      }),
    ),
    maxUnauthenticatedBytes: bytes(
      64 * MiB,
      'Incomplete CONNECT packets of all connections together; above, the connection that sends more of one is closed.',
      { min: 64 * KiB, max: 4 * GiB },
    ),
    maxSubscriptionsPerSession: live(count(10_000, 'Most subscriptions of one session.', { min: 1 })),
    maxSessions: count(1_000_000, 'Most sessions, those away included.', { min: 1 }),
    writeTimeoutMs: live(
      milliseconds(
        30_000,
        'A write that has not ended in this time, and 1 ms more per 64 bytes of it, closes the connection; so does a packet that has begun and not arrived whole in this time, and 1 ms more per 16 bytes received of it.',
        { min: 100, max: 3_600_000 },
      ),
    ),
    memoryWatermarkBytes: bytes(
      0,
      'Memory of the process above which publishers wait and new connections are refused; `auto` is 80 % of what the machine or container has.',
      { words: { auto: 0 } },
    ),
  }),
  security: securitySchema,
  authorization: authorizationSchema,
  guard: guardSchema,
  tenants: tenantsSchema,
  audit: auditSchema,
  kafka: kafkaSchema,
  schemaRegistry: schemaRegistrySchema,
  storage: storageSchema,
  topics: topicRules,
  streams,
  ...policies,
  sys: section('$SYS topics.', {
    intervalMs: milliseconds(10_000, 'How often they are published.', { max: 86_400_000, words: { off: 0 } }),
  }),
  telemetry: telemetrySchema,
  alarms: alarmsSchema,
});
