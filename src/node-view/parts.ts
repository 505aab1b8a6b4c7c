/** What the node is made of, for those who show it. */
import type { SecurityParts } from '../admin/node-view.ts';
import type { Alarms } from '../alarms/alarms.ts';
import type { AlarmFigures } from '../alarms/conditions.ts';
import type { Config } from '../config/config.ts';
import type { DurableTier } from '../durable-tier.ts';
import type { Events } from '../events/events.ts';
import type { Delayed } from '../kernel/delayed/delayed.ts';
import type { Partitions } from '../kernel/log/partitions.ts';
import type { Streams } from '../kernel/streams/streams.ts';
import type { KafkaFrontEnd } from '../protocols/kafka/front-end.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import type { MqttFrontEnd } from '../protocols/mqtt/front-end.ts';
import type { OpenSecurity } from '../security/open-security.ts';
import type { TraceHub } from '../telemetry/trace-hub.ts';
import type { SchemasOfNode } from './definitions.ts';
import type { ProcessParts } from './process.ts';
import type { SlowClients } from './slow-clients.ts';

export interface NodeParts {
  readonly config: Config;
  readonly mqtt: Mqtt;
  /** Who looks at messages. */
  readonly traces: TraceHub;
  readonly connectLocal: MqttFrontEnd['connectLocal'];
  readonly events: Events;
  readonly alarms: Pick<Alarms, 'active' | 'history'> & { readonly figures: AlarmFigures };
  readonly slowClients: SlowClients;
  /** False while the node starts and once it stops. */
  readonly isServing: () => boolean;
  /** Of all protocols, those that are open. */
  readonly listenerNames: () => readonly string[];
  readonly process: Omit<ProcessParts, 'config'>;
  /** Undefined where Kafka is not enabled. */
  readonly kafka: KafkaFrontEnd | undefined;
  /** Undefined where there is no schema registry. */
  readonly schemas: SchemasOfNode | undefined;
  readonly tier: Pick<DurableTier, 'log' | 'journals' | 'views' | 'commits' | 'backups'>;
  readonly streams: Streams;
  readonly partitions: Partitions;
  /** Those of MQTT. */
  readonly delayed: Delayed;
  readonly delayedCount: () => number;
  readonly security: SecurityParts & Pick<OpenSecurity, 'settings'>;
  readonly version: string;
  readonly nodeId: string;
}
