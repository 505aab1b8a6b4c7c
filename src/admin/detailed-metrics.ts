/**
 * Figures of single sessions, queues, groups and topics as Prometheus reads them: for who asks for them, and as many as was asked
 * for. Names are those that clients chose, so reading them takes what reading those objects takes.
 */
import { headLines, type Labels, sampleLine } from '../metrics/metrics.ts';
import type { NodeScope } from '../security/authorization/scopes.ts';
import type { Awaitable, NodeView, Page, PageRequest } from './node-view.ts';
import { OperationError } from './operation.ts';

interface Series {
  readonly name: `robustmq_${string}`;
  readonly help: string;
}

interface Figures {
  readonly labels: Labels;
  /** In the order of the family's series. */
  readonly values: readonly number[];
}

interface DetailedFamily {
  readonly scope: NodeScope;
  readonly labels: readonly string[];
  readonly series: readonly Series[];
  /** A page of those whose names begin so, or of all where that would take as long. */
  page(node: NodeView, prefix: string, request: PageRequest): Awaitable<Page<unknown>>;
  nameOf(item: never): string;
  figuresOf(node: NodeView, item: never): Awaitable<Figures | undefined>;
}

function family<T>(
  row: Omit<DetailedFamily, 'page' | 'nameOf' | 'figuresOf'> & {
    page(node: NodeView, prefix: string, request: PageRequest): Awaitable<Page<T>>;
    nameOf(item: T): string;
    figuresOf(node: NodeView, item: T): Awaitable<Figures | undefined>;
  },
): DetailedFamily {
  return row;
}

/** A label that is not there is one that is empty. */
const ofTenant = (tenant: string | null): Labels => (tenant ? { tenant } : {});

export const FAMILIES = {
  session: family({
    scope: 'sessions:read',
    labels: ['client_id', 'tenant'],
    series: [
      { name: 'robustmq_session_connected', help: '1 while its client is connected.' },
      { name: 'robustmq_session_subscriptions', help: 'Subscriptions of the session.' },
      { name: 'robustmq_session_waiting_messages', help: 'Messages that wait for the session.' },
      { name: 'robustmq_session_waiting_bytes', help: 'Bytes of those, and of what is in flight.' },
      { name: 'robustmq_session_in_flight_messages', help: 'Sent to the session and not acknowledged.' },
    ],
    page: (node, prefix, request) => node.sessions({ ...request, prefix }),
    nameOf: ({ clientId }) => clientId,
    figuresOf: (_, { clientId, tenant, isConnected, subscriptions, waiting, waitingBytes, inFlight }) => ({
      labels: { client_id: clientId, ...ofTenant(tenant) },
      values: [isConnected ? 1 : 0, subscriptions, waiting, waitingBytes, inFlight],
    }),
  }),
  queue: family({
    scope: 'queues:read',
    labels: ['queue', 'kind', 'tenant'],
    series: [
      { name: 'robustmq_queue_waiting_messages', help: 'Messages that wait in the queue.' },
      { name: 'robustmq_queue_in_flight_messages', help: 'Given out by the queue and not acknowledged.' },
      { name: 'robustmq_queue_bytes', help: 'Bytes in the queue.' },
      { name: 'robustmq_queue_consumers', help: 'Who is connected to take from the queue.' },
    ],
    page: (node, _, request) => node.queues(request),
    nameOf: ({ name }) => name,
    figuresOf: (_, { name, tenant, kind, waiting, inFlight, bytes, consumers }) => ({
      labels: { queue: name, kind, ...ofTenant(tenant) },
      values: [waiting, inFlight, bytes, consumers],
    }),
  }),
  group: family({
    scope: 'groups:read',
    labels: ['group', 'kind', 'tenant'],
    series: [
      { name: 'robustmq_group_members', help: 'Members of the group.' },
      {
        name: 'robustmq_group_lag_records',
        help: 'Records that are there and that the group has not consumed.',
      },
    ],
    page: (node, prefix, request) => node.groups.list({ ...request, prefix }),
    nameOf: ({ group }) => group,
    async figuresOf({ groups }, { group, kind, tenant }) {
      const detail = await groups.get(group, tenant ?? undefined);
      const labels = { group, kind, ...ofTenant(tenant) };
      return detail && { labels, values: [detail.members, detail.lag] };
    },
  }),
  topic: family({
    scope: 'topics:read',
    labels: ['topic'],
    series: [
      { name: 'robustmq_topic_partitions', help: 'Partitions of the topic.' },
      { name: 'robustmq_topic_records', help: 'Offsets between start and end of all partitions.' },
      { name: 'robustmq_topic_bytes', help: 'Bytes of all partitions.' },
    ],
    page: (node, prefix, request) => node.topics.list({ ...request, prefix }),
    nameOf: ({ name }) => name,
    figuresOf: (_, { name, partitions, records, bytes }) => ({
      labels: { topic: name },
      values: [partitions, records, bytes],
    }),
  }),
} as const satisfies Record<string, DetailedFamily>;

export type FamilyName = keyof typeof FAMILIES;
export const FAMILY_NAMES = Object.keys(FAMILIES) as readonly FamilyName[];

export interface DetailedRequest {
  readonly families: readonly FamilyName[];
  /** A name, or how names begin and a `*`; undefined = all. */
  readonly match: string | undefined;
  /** Objects of all families together. */
  readonly limit: number;
}

const PAGE = 500;
/** Clients choose names of up to 64 KiB. */
const MAX_CHARACTERS = 8 * 1024 * 1024;
/** What is encoded before the broker has its turn. */
export const LINES_PER_PIECE = 1000;

/** Everything is looked at before the first line: who asks for too much hears that instead. */
export async function detailedFigures(
  node: NodeView,
  { families, match, limit }: DetailedRequest,
  isWanted: () => boolean,
): Promise<ReadonlyMap<FamilyName, readonly Figures[]>> {
  const found = new Map<FamilyName, Figures[]>();
  const isPattern = match === undefined || match.endsWith('*');
  const prefix = match === undefined ? '' : isPattern ? match.slice(0, -1) : match;
  let objects = 0;
  let characters = 0;
  for (const name of families) {
    const row: DetailedFamily = FAMILIES[name];
    const figures: Figures[] = [];
    found.set(name, figures);
    let after: string | undefined;
    do {
      const page = await row.page(node, prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) });
      for (const item of page.items) {
        const named = row.nameOf(item as never);
        if (isPattern ? !named.startsWith(prefix) : named !== match) continue;
        characters += named.length * row.series.length;
        if (++objects > limit || characters > MAX_CHARACTERS) throw tooMany(limit);
        const each = await row.figuresOf(node, item as never);
        if (each !== undefined) figures.push(each);
      }
      after = page.next;
    } while (after !== undefined && isWanted());
  }
  return found;
}

const tooMany = (limit: number): OperationError =>
  new OperationError(
    422,
    'too-many',
    `this would be more than ${limit} objects, or 8 MiB of names: narrow it with match=prefix*, ask for fewer families, or raise limit`,
  );

/** The text, in pieces of some lines each. */
export function* detailedText(found: ReadonlyMap<FamilyName, readonly Figures[]>): Generator<string> {
  for (const [name, figures] of found) {
    if (figures.length === 0) continue;
    for (const [i, series] of FAMILIES[name].series.entries()) {
      let piece = headLines(series.name, 'gauge', series.help);
      for (const [at, { labels, values }] of figures.entries()) {
        piece += sampleLine(series.name, labels, values[i] ?? 0);
        if ((at + 1) % LINES_PER_PIECE === 0) {
          yield piece;
          piece = '';
        }
      }
      yield piece;
    }
  }
}
