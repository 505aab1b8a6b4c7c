/**
 * The effective configuration, as the rest of the broker sees it: validated, defaults filled in, units in names.
 * How it is written by users (file, environment, --set), with which spellings of sizes and durations, is the
 * schema's business (schema.ts), and a test holds the two together.
 */

import type { alarmsSchema } from './alarms-schema.ts';
import type { authorizationSchema } from './authorization-schema.ts';
import type { auditSchema, guardSchema, tenantsSchema } from './guard-schema.ts';
import type { kafkaSchema } from './kafka-schema.ts';
import type { Static } from './schema-kit.ts';
import type { schemaRegistrySchema } from './schema-registry-schema.ts';
import type { securitySchema } from './security-schema.ts';
import type { policies, storageSchema, streams, topicRules } from './storage-schema.ts';
import type { telemetrySchema } from './telemetry-schema.ts';

export type KafkaConfig = Static<typeof kafkaSchema>;
export type SchemaRegistryConfig = Static<typeof schemaRegistrySchema>;
export type SecurityConfig = Static<typeof securitySchema>;
export type AuthorizationSettings = Static<typeof authorizationSchema>;
export type GuardSettings = Static<typeof guardSchema>;
export type TenantSettings = Static<typeof tenantsSchema>;
export type AuditSettings = Static<typeof auditSchema>;
export type StorageConfig = Static<typeof storageSchema>;
export type TopicRule = Static<typeof topicRules>[number];
export type StreamConfig = Static<typeof streams>[number];
export type DelayConfig = Static<typeof policies.delay>;
export type DeadLetterConfig = Static<typeof policies.deadLetter>;
export type DeduplicationConfig = Static<typeof policies.deduplication>;
export type AlarmsConfig = Static<typeof alarmsSchema>;
export type TelemetryConfig = Static<typeof telemetrySchema>;

export interface Config {
  readonly node: { readonly name: string };
  /** Directory for what the broker keeps; created at start. */
  readonly dataDir: string;
  readonly listeners: {
    readonly mqtt: TcpListenerConfig;
    readonly mqtts: TlsListenerConfig;
    readonly ws: WebSocketListenerConfig;
    readonly wss: TlsListenerConfig & WebSocketListenerConfig;
    readonly unix: UnixListenerConfig;
    readonly kafka: TcpListenerConfig;
    readonly kafkas: TlsListenerConfig;
    readonly http: HttpListenerConfig;
    readonly https: HttpListenerConfig & Pick<TlsListenerConfig, 'tls'>;
  };
  readonly logging: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
    /** auto = pretty on a terminal, JSON otherwise. */
    readonly format: 'auto' | 'pretty' | 'json';
  };
  readonly dataplane: {
    readonly flowCache: 'on' | 'off';
    /** Power of two. */
    readonly flowCacheEntries: number;
    /** Linear memory of the MQTT data plane, fixed at start. */
    readonly memoryBytes: number;
  };
  readonly security: SecurityConfig;
  readonly authorization: AuthorizationSettings;
  readonly guard: GuardSettings;
  readonly tenants: TenantSettings;
  readonly audit: AuditSettings;
  readonly mqtt: MqttConfig;
  readonly kafka: KafkaConfig;
  /** What the registry of schemas holds, and asks of new ones where nothing else is set. */
  readonly schemaRegistry: SchemaRegistryConfig;
  readonly limits: LimitsConfig;
  readonly storage: StorageConfig;
  readonly topics: readonly TopicRule[];
  readonly streams: readonly StreamConfig[];
  readonly delay: DelayConfig;
  readonly deadLetter: DeadLetterConfig;
  readonly deduplication: DeduplicationConfig;
  readonly sys: {
    /** How often $SYS topics are published; 0 = never. */
    readonly intervalMs: number;
  };
  readonly telemetry: TelemetryConfig;
  readonly alarms: AlarmsConfig;
}

export interface TcpListenerConfig {
  readonly enabled: boolean;
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly backlog: number;
  /** Expect the PROXY protocol (v1 or v2) in front of every connection, from these networks only. */
  readonly proxyProtocol: boolean;
  readonly proxyTrustedNetworks: readonly string[];
  readonly proxyTimeoutMs: number;
}

export interface HttpListenerConfig {
  readonly enabled: boolean;
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly backlog: number;
  readonly maxConnections: number;
  /** Besides `localhost` and addresses. */
  readonly allowedHosts: readonly string[];
}

export interface TlsListenerConfig extends TcpListenerConfig {
  readonly tls: {
    readonly certFile: string;
    readonly keyFile: string;
    /** Needed to verify client certificates. */
    readonly caFile: string;
    readonly clientCertificate: 'none' | 'request' | 'require';
    readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
    readonly handshakeTimeoutMs: number;
    /** Other certificates by server name (SNI). */
    readonly sni: readonly {
      readonly serverName: string;
      readonly certFile: string;
      readonly keyFile: string;
    }[];
  };
}

export interface WebSocketListenerConfig extends TcpListenerConfig {
  readonly path: string;
  /** Origins allowed to connect from a browser; empty = any. */
  readonly allowedOrigins: readonly string[];
  /** Serve the demo page on GET /. */
  readonly demoPage: boolean;
}

export interface UnixListenerConfig {
  readonly enabled: boolean;
  readonly path: string;
}

export interface MqttConfig {
  readonly maxPacketBytes: number;
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
  readonly maxClientIdBytes: number;
  /** Our Receive Maximum: QoS 1 and 2 a client may have unacknowledged. */
  readonly receiveMaximum: number;
  /** QoS 1 and 2 in flight to one client, at most; a smaller Receive Maximum of the client wins. */
  readonly maxInflight: number;
  /** Topic Alias Maximum that we accept from clients. */
  readonly topicAliasMaximum: number;
  /** Aliases that we use towards a client that allows them; a smaller maximum of the client wins. */
  readonly topicAliasMaximumOut: number;
  readonly maxQos: 0 | 1 | 2;
  readonly retainAvailable: boolean;
  readonly wildcardSubscriptionAvailable: boolean;
  readonly sharedSubscriptionAvailable: boolean;
  readonly subscriptionIdentifiersAvailable: boolean;
  /** 0 = as the client asks; otherwise the server's keep alive (v5 clients are told). Seconds. */
  readonly serverKeepAliveSeconds: number;
  /** What a client gets that asks for more, or for none; 0 = no limit. Seconds. */
  readonly maxKeepAliveSeconds: number;
  /** What MQTT 5 clients that ask for Response Information are told; empty = nothing. */
  readonly responseInformation: string;
  /** Cap on Session Expiry Interval and what an MQTT 3 persistent session gets. Seconds; 0xffffffff = never expires. */
  readonly maxSessionExpirySeconds: number;
  /** Cap on how long a message waits; 0 = none. Seconds. */
  readonly maxMessageExpirySeconds: number;
  readonly overlapping: 'separate' | 'merge';
  readonly sharedStrategy: 'round-robin' | 'random' | 'sticky' | 'hash-client' | 'hash-topic';
  readonly queue: {
    /** Per session: messages waiting while it is away or its window is full. */
    readonly maxMessages: number;
    readonly maxBytes: number;
    readonly overflow: 'drop-oldest' | 'drop-newest';
    /** Keep QoS 0 for sessions that are away. */
    readonly qos0Offline: boolean;
  };
  /** Output held for a connected client before QoS 0 to it is dropped. */
  readonly maxHeldBytes: number;
  readonly retained: {
    readonly maxMessages: number;
    readonly maxBytes: number;
    readonly maxPayloadBytes: number;
  };
  /** Refuse control characters U+0001-U+001F, U+007F-U+009F and non-characters in strings. */
  readonly strictUtf8: boolean;
}

export interface LimitsConfig {
  readonly maxConnections: number;
  /** New connections per second over all listeners; 0 = no limit. */
  readonly maxConnectionsPerSecond: number;
  /** From accept to a complete CONNECT. */
  readonly connectTimeoutMs: number;
  /** Of all connections together that have not been let in. */
  readonly maxUnauthenticatedBytes: number;
  readonly maxSubscriptionsPerSession: number;
  readonly maxSessions: number;
  /** For a write to end, and for a packet that has begun to arrive whole; both get more time for more bytes. */
  readonly writeTimeoutMs: number;
  /** Resident memory of the process above which publishers are paused and new connections refused; 0 = 80 % of what the machine or container has. */
  readonly memoryWatermarkBytes: number;
}
