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
import type { NodeView } from '../admin/node-view.ts';
import { backupsView } from './backups.ts';
import { certificatesView } from './certificates.ts';
import { checksView } from './checks.ts';
import { clientsView } from './clients.ts';
import { deadLettersView } from './dead-letters.ts';
import { definitionsView } from './definitions.ts';
import { delayedView } from './delayed.ts';
import { eventsView } from './events.ts';
import { groupsView } from './groups.ts';
import { messagesView } from './messages.ts';
import type { NodeParts } from './parts.ts';
import { processView } from './process.ts';
import { queuesView } from './queues.ts';
import { recordsView } from './records.ts';
import { retainedView } from './retained.ts';
import { sessionsView } from './sessions.ts';
import { statusView } from './status.ts';
import { streamsView } from './streams.ts';
import { subscriptionsView } from './subscriptions.ts';
import { tailView } from './tail.ts';
import { topicsView } from './topics.ts';
import { tracesView } from './traces.ts';

export type { NodeParts } from './parts.ts';

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
