/**
 * The running node as administration sees it: an implementation of src/admin/node-view.ts over the kernel and MQTT. Here
 * live the pages over sessions, queues, retained messages and streams, the figures of the node, and the changes that an
 * operator asks for. Not here: HTTP, the command line, who may do what.
 *
 * Guaranteed: nothing is shown that is not kept somewhere; long lists are looked through in steps between which the
 * broker works, and an answer is bounded whatever is asked for; a change resolves when it is as durable as the
 * configuration says, and is refused where the journal takes nothing any more.
 */
import { randomBytes } from 'node:crypto';
import type { NodeView, SecurityParts } from '../admin/node-view.ts';
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
import { backupsView } from './backups.ts';
import { certificatesView } from './certificates.ts';
import { checksView } from './checks.ts';
import { clientsView } from './clients.ts';
import { deadLettersView } from './dead-letters.ts';
import { definitionsView, type SchemasOfNode } from './definitions.ts';
import { delayedView } from './delayed.ts';
import { eventsView } from './events.ts';
import { groupsView } from './groups.ts';
import { messagesView } from './messages.ts';
import { type ProcessParts, processView } from './process.ts';
import { queuesView } from './queues.ts';
import { recordsView } from './records.ts';
import { retainedView } from './retained.ts';
import { sessionsView } from './sessions.ts';
import type { SlowClients } from './slow-clients.ts';
import { statusView } from './status.ts';
import { streamsView } from './streams.ts';
import { subscriptionsView } from './subscriptions.ts';
import { tailView } from './tail.ts';
import { topicsView } from './topics.ts';
import { tracesView } from './traces.ts';

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

export function createNodeView(parts: NodeParts): NodeView {
  const status = statusView(parts);
  return {
    security: parts.security,
    process: processView({ ...parts.process, config: parts.config }),
    alarms: parts.alarms,
    checks: checksView({
      ...parts,
      ...parts.alarms,
      alarms: parts.alarms,
      thresholds: parts.config.alarms,
      health: status.health,
      listeners: parts.listenerNames,
    }),
    events: eventsView(parts.events, randomBytes(6).toString('hex')),
    clients: clientsView(parts.mqtt, parts.kafka),
    slowClients: parts.slowClients,
    subscriptions: subscriptionsView(parts.mqtt),
    topics: topicsView(parts.kafka),
    groups: groupsView(parts.kafka),
    messages: messagesView(parts.mqtt, parts.security),
    traces: tracesView(parts.mqtt, parts.traces),
    tail: tailView({
      ...parts,
      hasKafkaTopic: (address) => parts.kafka?.context.topics.get(address.replaceAll('/', '.')) !== undefined,
    }),
    delayed: delayedView(parts.mqtt, parts.delayed),
    deadLetters: deadLettersView(parts.config, parts.streams),
    backups: backupsView(parts.tier.backups),
    topicRecords: recordsView(parts.kafka, parts.security),
    definitions: definitionsView({
      security: parts.security,
      kafka: parts.kafka,
      schemas: parts.schemas,
      log: parts.tier.log,
      maxBans: parts.config.guard.maxBans,
      wallMs: () => parts.mqtt.clock.wallMs(),
    }),
    certificates: certificatesView(parts.config, () => parts.mqtt.clock.wallMs()),
    ...status,
    ...sessionsView(parts.mqtt),
    ...queuesView(parts.mqtt),
    ...retainedView(parts.mqtt),
    ...streamsView(parts),
  };
}
