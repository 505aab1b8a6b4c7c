/**
 * The node as administration sees and changes it. src/node-view/ is the implementation; nothing here knows how a session
 * or a stream is kept. What the caller can mend (a cursor of another list, a filter that is none) rejects with an
 * OperationError.
 *
 * Lists are pages: items behind `after`, in an order of the node's own choice that stays the same while it runs, at most
 * `limit`; `next` is given back as `after` of the following page, and is missing on the last one. What comes or goes
 * while somebody turns pages may or may not be seen; nothing else is missed or repeated.
 */
import type { OpenSecurity } from '../security/open-security.ts';
import type { AlarmsView } from './operations/alarms.ts';
import type { BackupsView } from './operations/backups.ts';
import type { CertificatesView } from './operations/certificates.ts';
import type { ChecksView } from './operations/checks.ts';
import type { ClientsView } from './operations/clients.ts';
import type { DefinitionsView } from './operations/definitions.ts';
import type { DelayedView } from './operations/delayed.ts';
import type { DeadLettersView } from './operations/dlq.ts';
import type { EventsView } from './operations/events.ts';
import type { GroupsView } from './operations/groups.ts';
import type { MessagesView } from './operations/messages.ts';
import type { ProcessView } from './operations/node.ts';
import type { RecordsView } from './operations/records.ts';
import type { SlowClientsView } from './operations/slow-clients.ts';
import type { SubscriptionsView } from './operations/subscriptions.ts';
import type { TailView } from './operations/tail.ts';
import type { TopicsView } from './operations/topics.ts';
import type { TracesView } from './operations/trace.ts';
import type {
  Health,
  PartitionView,
  QueueDetail,
  QueuedMessage,
  QueueSummary,
  RetainedMessage,
  RetainedSummary,
  SessionDetail,
  SessionSummary,
  Status,
  StreamDetail,
  StreamRecord,
  StreamSummary,
} from './views.ts';

export type Awaitable<T> = T | Promise<T>;

export interface PageRequest {
  /** 1 to 1000. */
  readonly limit: number;
  readonly after?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

export interface SessionFilter {
  readonly connected?: boolean;
  /** Start of the client identifier. */
  readonly prefix?: string;
  readonly tenant?: string;
}

export interface StreamRead {
  readonly stream: string;
  readonly partition: number;
  /** Below the first offset that is there, reading begins with that one. */
  readonly fromOffset: number;
  /** At least one record when there is one. */
  readonly limit: number;
  /** Of keys, values and headers; at least one record all the same. */
  readonly maxBytes: number;
  /** How long to wait when there is none yet; 0 answers at once. An answer without records says where to go on. */
  readonly waitMs: number;
  /** Whoever asked does not listen any more. */
  readonly signal: AbortSignal;
}

export interface RecordPage {
  readonly records: readonly StreamRecord[];
  /** Behind the last record that was looked at. */
  readonly nextOffset: number;
}

/** Who there is and what they may do; see src/security/. */
export type SecurityParts = Pick<
  OpenSecurity,
  'users' | 'access' | 'authentication' | 'authorization' | 'guard' | 'audit'
>;

/** What was asked for by name and does not exist is undefined. */
export interface NodeView {
  readonly security: SecurityParts;
  readonly process: ProcessView;
  readonly alarms: AlarmsView;
  readonly checks: ChecksView;
  readonly events: EventsView;
  readonly clients: ClientsView;
  readonly slowClients: SlowClientsView;
  readonly subscriptions: SubscriptionsView;
  readonly topics: TopicsView;
  readonly groups: GroupsView;
  readonly messages: MessagesView;
  readonly tail: TailView;
  readonly traces: TracesView;
  readonly delayed: DelayedView;
  readonly deadLetters: DeadLettersView;
  readonly certificates: CertificatesView;
  readonly backups: BackupsView;
  readonly definitions: DefinitionsView;
  readonly topicRecords: RecordsView;

  health(): Awaitable<Health>;
  status(): Awaitable<Status>;

  sessions(request: PageRequest & SessionFilter): Awaitable<Page<SessionSummary>>;
  /** Identifiers of clients are theirs; without a tenant, only who has none is looked for, here and below. */
  session(clientId: string, tenant?: string): Awaitable<SessionDetail | undefined>;
  /** Disconnects its client and removes everything it has. False when there is none. */
  endSession(clientId: string, tenant?: string): Awaitable<boolean>;

  queues(request: PageRequest): Awaitable<Page<QueueSummary>>;
  queue(name: string, tenant?: string): Awaitable<QueueDetail | undefined>;
  /** Looks at the oldest messages and changes nothing. A page ends early where messages are large. */
  peekQueue(name: string, request: PageRequest, tenant?: string): Awaitable<Page<QueuedMessage> | undefined>;
  /** Removes what waits; what is in flight stays. Resolves with the number, when that is as durable as it gets. */
  purgeQueue(name: string, tenant?: string): Awaitable<number | undefined>;

  retained(request: PageRequest & { readonly filter: string }): Awaitable<Page<RetainedSummary>>;
  retainedMessage(topic: string): Awaitable<RetainedMessage | undefined>;
  /** False when there is none. */
  deleteRetained(topic: string): Awaitable<boolean>;
  /** Resolves with how many there were, when that is as durable as it gets. */
  deleteAllRetained(topics: readonly string[]): Awaitable<number>;

  streams(request: PageRequest): Awaitable<Page<StreamSummary>>;
  stream(name: string): Awaitable<StreamDetail | undefined>;
  streamPartitions(name: string, request: PageRequest): Awaitable<Page<PartitionView> | undefined>;
  /** Undefined when there is no such stream or partition. */
  readStream(request: StreamRead): Awaitable<RecordPage | undefined>;
}
