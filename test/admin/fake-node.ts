/** A node of plain arrays, with everything that an operator may meet in it. */
import { createEventStreams } from '../../src/admin/event-stream.ts';
import type { NodeView, Page, PageRequest, SecurityParts } from '../../src/admin/node-view.ts';
import type {
  QueueDetail,
  QueuedMessage,
  RetainedMessage,
  SessionDetail,
  Status,
  StreamDetail,
  StreamRecord,
} from '../../src/admin/views.ts';
import { createManualClock } from '../support/manual-clock.ts';

export interface FakeNode extends NodeView {
  readonly sessionTable: Map<string, SessionDetail>;
  readonly queueTable: Map<string, QueueDetail & { messages: QueuedMessage[] }>;
  readonly retainedTable: Map<string, RetainedMessage>;
  readonly records: StreamRecord[][];
  healthStatus: 'green' | 'yellow' | 'red';
  /** Wakes readers that wait. */
  append(partition: number, record: Omit<StreamRecord, 'offset'>): void;
}

export const AT_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const bytes = (text: string): Uint8Array => Buffer.from(text);

export function session(clientId: string, isConnected = true): SessionDetail {
  return {
    clientId,
    tenant: null,
    isConnected,
    isDurable: true,
    protocol: 'MQTT 5',
    address: isConnected ? '127.0.0.1:50123' : null,
    connectedAtMs: isConnected ? AT_MS : null,
    disconnectedAtMs: isConnected ? null : AT_MS,
    expirySeconds: 3600,
    expiresAtMs: isConnected ? null : AT_MS + 3_600_000,
    subscriptions: 1,
    waiting: isConnected ? 0 : 3,
    inFlight: 0,
    waitingBytes: 60,
    userName: null,
    keepAliveSeconds: isConnected ? 60 : null,
    receiveMaximum: null,
    willTopic: null,
    filters: [
      {
        filter: 'sensors/#',
        qos: 1,
        noLocal: false,
        retainAsPublished: true,
        retainHandling: 0,
        subscriptionId: 7,
      },
    ],
  };
}

function status(node: FakeNode): Status {
  return {
    version: '1.2.3',
    nodeId: 'a3f0c9de-0000-4000-8000-000000000001',
    processId: 4242,
    dataDir: '/var/lib/robustmq',
    startedAtMs: AT_MS,
    health: { status: node.healthStatus, problems: [] },
    connections: 1,
    sessions: node.sessionTable.size,
    subscriptions: 2,
    waitingMessages: 3,
    retainedMessages: node.retainedTable.size,
    delayedMessages: 0,
    streams: 1,
    publishesReceived: 5000,
    publishesSent: 7000,
    residentBytes: 64 * 1024 * 1024,
    journal: {
      engine: 'files',
      durability: 'sync',
      startPosition: 0,
      endPosition: 1_000_000,
      segments: 2,
      storedBytes: 1_100_000,
      pendingBytes: 0,
      isFull: false,
      failure: null,
    },
    views: { engine: 'rocksdb', position: 900_000 },
  };
}

function page<T>(all: readonly T[], { limit, after = '0' }: PageRequest): Page<T> {
  const from = Number(after);
  const items = all.slice(from, from + limit);
  return from + limit < all.length ? { items, next: String(from + limit) } : { items };
}

const streamOf = (name: string, records: StreamRecord[][]): StreamDetail => ({
  name,
  isConfigured: true,
  capture: ['sensors/#'],
  key: 'topic',
  storage: 'journal',
  durability: 'sync',
  cleanup: 'delete',
  partitions: records.length,
  records: records.flat().length,
  bytes: 4096,
  retention: { ageSeconds: 604_800, sizeBytes: null, count: null, settled: false },
  partitionDetails: records.map((all, partition) => ({
    partition,
    startOffset: 0,
    endOffset: all.length,
    bytes: 2048,
    oldestAtMs: AT_MS,
    newestAtMs: AT_MS,
  })),
});

/** Of servers whose streams nobody asks for. */
export const fakeStreams = () => createEventStreams({ clock: createManualClock() });

/** For tests in which nobody asks for it. */
const absent = <T extends object>(what: string): T =>
  new Proxy({} as T, {
    get() {
      throw new Error(`this test has no ${what}`);
    },
  });

export function createFakeNode(security: SecurityParts = absent('security')): FakeNode {
  const waiters = new Set<() => void>();
  const node: FakeNode = {
    security,
    process: absent('process'),
    clients: absent('clients'),
    slowClients: absent('slowClients'),
    events: absent('events'),
    alarms: absent('alarms'),
    checks: absent('checks'),
    subscriptions: absent('subscriptions'),
    topics: absent('topics'),
    groups: absent('groups'),
    messages: absent('messages'),
    tail: absent('tail'),
    traces: absent('traces'),
    delayed: absent('delayed'),
    deadLetters: absent('dead letters'),
    certificates: absent('certificates'),
    backups: absent('backups'),
    definitions: absent('definitions'),
    topicRecords: absent('topicRecords'),
    sessionTable: new Map(
      [session('kitchen'), session('cellar/ä b', false)].map((each) => [each.clientId, each]),
    ),
    queueTable: new Map([
      [
        '$share/workers/jobs/#',
        {
          name: '$share/workers/jobs/#',
          tenant: null,
          kind: 'shared',
          waiting: 3,
          inFlight: 1,
          bytes: 100,
          memberCount: 1,
          consumers: 1,
          maxMessages: 1000,
          maxBytes: null,
          overflow: 'drop-new',
          members: [{ clientId: 'kitchen', tenant: null, isConnected: true, inFlight: 1 }],
          messages: ['one', 'two', 'three'].map((text, i) => ({
            position: i + 1,
            state: i === 0 ? 'in-flight' : 'waiting',
            topic: 'jobs/a',
            qos: 1,
            isRetained: false,
            expiresAtMs: null,
            properties: [{ name: 'content-type', value: 'text/plain' }],
            payload: bytes(text),
          })),
        },
      ],
    ]),
    retainedTable: new Map(
      [
        { topic: 'sensors/kitchen', payload: bytes('21.5') },
        { topic: 'sensors/raw', payload: new Uint8Array([0xff, 0x00, 0x01]) },
      ].map(({ topic, payload }) => [
        topic,
        {
          topic,
          payload,
          qos: 1,
          payloadBytes: payload.byteLength,
          expiresAtMs: null,
          properties: [{ name: 'correlation-data', value: new Uint8Array([0xfe]) }],
        },
      ]),
    ),
    records: [[], []],
    healthStatus: 'green',
    append(partition, record) {
      const all = node.records[partition] ?? [];
      all.push({ ...record, offset: all.length });
      for (const wake of [...waiters]) wake();
    },
    health: () => ({ status: node.healthStatus, problems: node.healthStatus === 'red' ? ['disk'] : [] }),
    status: () => status(node),
    sessions: ({ connected, prefix = '', ...request }) =>
      page(
        [...node.sessionTable.values()].filter(
          (each) =>
            each.clientId.startsWith(prefix) && (connected === undefined || each.isConnected === connected),
        ),
        request,
      ),
    session: (clientId) => node.sessionTable.get(clientId),
    endSession: async (clientId) => node.sessionTable.delete(clientId),
    queues: (request) =>
      page(
        [...node.queueTable.values()].map(({ messages: _, ...queue }) => queue),
        request,
      ),
    queue(name) {
      const { messages: _, ...queue } = node.queueTable.get(name) ?? { name: undefined, messages: [] };
      return queue.name === undefined ? undefined : queue;
    },
    async peekQueue(name, request) {
      const queue = node.queueTable.get(name);
      return queue === undefined ? undefined : page(queue.messages, request);
    },
    async purgeQueue(name) {
      const queue = node.queueTable.get(name);
      if (queue === undefined) return undefined;
      return queue.messages.splice(1).length;
    },
    retained: ({ filter, ...request }) =>
      page(
        [...node.retainedTable.values()]
          .filter(({ topic }) => filter === '#' || topic === filter)
          .map(({ payload: _, properties: __, ...summary }) => summary),
        request,
      ),
    retainedMessage: (topic) => node.retainedTable.get(topic),
    deleteRetained: (topic) => node.retainedTable.delete(topic),
    deleteAllRetained: (topics) => topics.filter((topic) => node.retainedTable.delete(topic)).length,
    streams(request) {
      const { partitionDetails: _, retention: __, ...summary } = streamOf('telemetry', node.records);
      return page([summary], request);
    },
    streamPartitions: (name, request) =>
      name === 'telemetry' ? page(streamOf(name, node.records).partitionDetails, request) : undefined,
    stream: (name) => (name === 'telemetry' ? streamOf(name, node.records) : undefined),
    async readStream({ stream, partition, fromOffset, limit, waitMs, signal }) {
      const all = node.records[partition];
      if (stream !== 'telemetry' || all === undefined) return undefined;
      if (all.length <= fromOffset && waitMs > 0) {
        await new Promise<void>((resolve) => {
          waiters.add(resolve);
          signal.addEventListener('abort', () => resolve());
        });
      }
      const records = all.slice(fromOffset, fromOffset + limit);
      return { records, nextOffset: fromOffset + records.length };
    },
  };
  for (let i = 0; i < 5; i++) {
    node.append(i % 2, {
      timeMs: AT_MS + i * 1000,
      key: bytes('sensors/kitchen'),
      headers: [{ name: 'mqtt.qos', value: bytes('1') }],
      payload: i === 3 ? new Uint8Array([0xff]) : bytes(`value ${i}`),
    });
  }
  return node;
}
