/**
 * Administration: everything an operator can do to a node is one row of the table below, and HTTP, its description, the
 * command line and whatever follows derive from it. Here live the table, by subject in operations/, what a row is
 * (operation.ts), what it shows (views.ts) and needs of a node (node-view.ts), and its HTTP form (http-api.ts,
 * control-server.ts, http-server.ts). How a node keeps things is not known here.
 *
 * Guaranteed: a row has a scope and an audit class; input is checked before it runs; a page has a bound whatever is asked
 * for; names and fields only grow.
 */
import type { AnyOperation } from './operation.ts';
import { aclOperations } from './operations/acl.ts';
import { alarmOperations } from './operations/alarms.ts';
import { auditOperations } from './operations/audit.ts';
import { backupOperations } from './operations/backups.ts';
import { banOperations } from './operations/bans.ts';
import { certificateOperations } from './operations/certificates.ts';
import { checkOperations } from './operations/checks.ts';
import { clientOperations } from './operations/clients.ts';
import { definitionOperations } from './operations/definitions.ts';
import { delayedOperations } from './operations/delayed.ts';
import { deadLetterOperations } from './operations/dlq.ts';
import { eventOperations } from './operations/events.ts';
import { groupOperations } from './operations/groups.ts';
import { keyOperations } from './operations/keys.ts';
import { messageOperations } from './operations/messages.ts';
import { nodeOperations } from './operations/node.ts';
import { queueOperations } from './operations/queues.ts';
import { recordOperations } from './operations/records.ts';
import { retainedOperations } from './operations/retained.ts';
import { roleOperations } from './operations/roles.ts';
import { sessionOperations } from './operations/sessions.ts';
import { slowClientOperations } from './operations/slow-clients.ts';
import { statusOperations } from './operations/status.ts';
import { streamOperations } from './operations/streams.ts';
import { subscriptionOperations } from './operations/subscriptions.ts';
import { tailOperations } from './operations/tail.ts';
import { tenantOperations } from './operations/tenants.ts';
import { topicOperations } from './operations/topics.ts';
import { traceOperations } from './operations/trace.ts';
import { userOperations } from './operations/users.ts';

export const OPERATIONS = {
  ...statusOperations,
  ...nodeOperations,
  ...alarmOperations,
  ...checkOperations,
  ...eventOperations,
  ...clientOperations,
  ...slowClientOperations,
  ...sessionOperations,
  ...subscriptionOperations,
  ...queueOperations,
  ...retainedOperations,
  ...messageOperations,
  ...tailOperations,
  ...traceOperations,
  ...delayedOperations,
  ...deadLetterOperations,
  ...streamOperations,
  ...topicOperations,
  ...groupOperations,
  ...certificateOperations,
  ...tenantOperations,
  ...userOperations,
  ...roleOperations,
  ...keyOperations,
  ...banOperations,
  ...aclOperations,
  ...auditOperations,
  ...backupOperations,
  ...definitionOperations,
  ...recordOperations,
};

export const ALL_OPERATIONS: readonly AnyOperation[] = Object.values(OPERATIONS);

/** What the first words of verbs are about. */
export const SUBJECTS: Readonly<Record<string, string>> = {
  alarm: 'What is wrong with the node, and was.',
  client: 'Connected clients of all protocols.',
  subscription: 'Subscriptions of MQTT.',
  session: 'Sessions of a running broker.',
  queue: 'Queues of sessions and of shared subscriptions.',
  retained: 'Retained messages.',
  message: 'Messages of MQTT.',
  delayed: 'Messages that wait for their time.',
  dlq: 'Dead letters.',
  cert: 'Certificates of the listeners.',
  stream: 'Streams.',
  topic: 'Topics of Kafka.',
  group: 'Groups of consumers of Kafka.',
  tenant: 'Tenants: what they have, and may have.',
  user: 'Users of all protocols.',
  role: 'Roles: what users may do to the node and to topics.',
  key: 'API keys.',
  login: 'Who is logged in to the administration.',
  ban: 'Who is kept out.',
  acl: 'Rules, and why they decide as they do.',
  audit: 'What administrators did.',
};
