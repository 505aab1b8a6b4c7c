/** The running node as administration sees it (src/admin/node-view.ts): pages over sessions, queues, retained messages and streams. */
import type { NodeView, Page, PageRequest } from './admin/node-view.ts';
import type {
  Health,
  Property,
  QueueDetail,
  SessionDetail,
  SessionSummary,
  StreamDetail,
} from './admin/views.ts';
import type { Config } from './config/config.ts';
import type { DurableTier } from './durable-tier.ts';
import type { Partitions } from './kernel/log/partitions.ts';
import type { Message } from './kernel/message.ts';
import { encodeRetainedDelete } from './kernel/retained-table.ts';
import { TableId } from './kernel/state/table.ts';
import type { Streams } from './kernel/streams/streams.ts';
import { nextUserProperty } from './kernel/user-properties.ts';
import { ReasonCode } from './protocols/mqtt/codec/reason-codes.ts';
import type { Mqtt } from './protocols/mqtt/context.ts';
import { closeConnection } from './protocols/mqtt/disconnect.ts';
import { qosOf } from './protocols/mqtt/durable/delivery-options.ts';
import { endSession } from './protocols/mqtt/lifecycle.ts';
import { NEVER_EXPIRES, type Session } from './protocols/mqtt/session.ts';

export interface NodeParts {
  readonly config: Config;
  readonly mqtt: Mqtt;
  readonly tier: DurableTier;
  readonly streams: Streams;
  readonly partitions: Partitions;
  readonly delayedCount: () => number;
  readonly version: string;
  readonly nodeId: string;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const POLL_MS = 50;

export function createNodeView(parts: NodeParts): NodeView {
  const { config, mqtt, tier, streams } = parts;
  const startedAtMs = mqtt.clock.wallMs();
  const { durable } = mqtt;

  function pageOf<T, V>(
    all: Iterable<T>,
    nameOf: (item: T) => string,
    view: (item: T) => V,
    { limit, after }: PageRequest,
  ): Page<V> {
    const sorted = [...all].map((item) => ({ item, name: nameOf(item) }));
    sorted.sort((a, b) => (a.name < b.name ? -1 : 1));
    const rest = after === undefined ? sorted : sorted.filter(({ name }) => name > after);
    const items = rest.slice(0, limit);
    const last = items.at(-1);
    const next = rest.length > limit && last !== undefined ? { next: last.name } : {};
    return { items: items.map(({ item }) => view(item)), ...next };
  }

  function inFlightOf({ durable: state, connection }: Session): number {
    if (connection === undefined || state === undefined) return 0;
    return Math.min(state.queue.length, mqtt.dataPlane.inFlight(connection.slot));
  }

  function summary(session: Session): SessionSummary {
    const { connection, durable: state, expirySeconds } = session;
    const detachedAtMs = state === undefined || state.detachedAtMs === 0 ? null : state.detachedAtMs;
    const isForEver = expirySeconds === NEVER_EXPIRES;
    const inFlight = inFlightOf(session);
    return {
      clientId: session.clientId,
      isConnected: connection !== undefined,
      isDurable: state !== undefined,
      protocol:
        connection === undefined
          ? 'MQTT'
          : `MQTT ${connection.version === 5 ? '5.0' : connection.version === 4 ? '3.1.1' : '3.1'}`,
      address: connection?.transport.remoteAddress ?? null,
      connectedAtMs: null,
      disconnectedAtMs: detachedAtMs,
      expirySeconds: isForEver ? null : expirySeconds,
      expiresAtMs: detachedAtMs === null || isForEver ? null : detachedAtMs + expirySeconds * 1000,
      subscriptions: mqtt.router.countOf(session.number),
      waiting: (state?.queue.length ?? session.queue?.length ?? 0) - inFlight,
      inFlight,
      waitingBytes: state?.bytes ?? session.queue?.bytes ?? 0,
      oldestAtMs: null,
    };
  }

  function detail(session: Session): SessionDetail {
    const { connection, will } = session;
    return {
      ...summary(session),
      userName: connection?.identity?.userName ?? null,
      keepAliveSeconds: connection?.keepAliveSeconds ?? null,
      receiveMaximum: connection?.sendWindow ?? null,
      willTopic: will === undefined ? null : text(will.topic),
      filters: mqtt.router.subscriptionsOf(session.number).map(({ filter, group, options, identifier }) => ({
        filter: group === undefined ? text(filter) : `$share/${group}/${text(filter)}`,
        qos: options & 3,
        noLocal: (options & 4) !== 0,
        retainAsPublished: (options & 8) !== 0,
        retainHandling: (options >> 4) & 3,
        subscriptionId: identifier === 0 ? null : identifier,
      })),
    };
  }

  interface Queue {
    readonly name: string;
    readonly session: Session | undefined;
  }

  function* queues(): Iterable<Queue> {
    for (const session of durable.table.all()) yield { name: session.clientId, session };
    for (const { key } of durable.groups.all()) yield { name: key, session: undefined };
  }

  function find(name: string): Queue | undefined {
    const session = mqtt.sessions.get(name);
    if (session?.durable !== undefined) return { name, session };
    return durable.groups.get(name) === undefined ? undefined : { name, session: undefined };
  }

  function queueView({ name, session }: Queue): QueueDetail {
    const kept = session?.durable ?? durable.groups.get(name);
    const group = mqtt.router.groupOf(name);
    const owners =
      session === undefined
        ? (group?.members ?? []).map(({ sink }) => mqtt.sessions.byNumber(sink))
        : [session];
    const members = owners.filter((each) => each !== undefined);
    const inFlight =
      session === undefined ? (durable.groups.get(name)?.leased.size ?? 0) : inFlightOf(session);
    const { maxMessages, maxBytes, overflow } = config.mqtt.queue;
    return {
      name,
      kind: session === undefined ? 'shared' : 'session',
      waiting: (kept?.queue.length ?? 0) - inFlight,
      inFlight,
      bytes: kept?.bytes ?? 0,
      oldestAtMs: null,
      consumers: members.filter(({ connection }) => connection !== undefined).length,
      maxMessages,
      maxBytes,
      overflow,
      dropped: mqtt.counters.droppedQueueFull,
      members: members.map((each) => ({
        clientId: each.clientId,
        isConnected: each.connection !== undefined,
        inFlight: inFlightOf(each),
      })),
    };
  }

  function health(): Health {
    const { failure, isFull } = tier.journals.journal.state();
    if (failure !== undefined) return { status: 'red', problems: [failure.message] };
    if (isFull) return { status: 'yellow', problems: ['the disk is nearly full: publishers are refused'] };
    return { status: 'green', problems: [] };
  }

  function streamView(name: string): StreamDetail | undefined {
    const found = streams.describe().find((each) => each.name === name);
    if (found === undefined) return undefined;
    const own = config.streams.find((each) => each.name === name);
    const { ageSeconds = NEVER_EXPIRES, size = 0, count = 0, settled = false } = own?.retention ?? {};
    return {
      name,
      isConfigured: found.isCapturing,
      capture: [...(own?.capture ?? [])],
      key: own?.key ?? 'topic',
      storage: found.storage,
      durability:
        own === undefined || own.durability === 'default' ? config.storage.durability : own.durability,
      cleanup: own?.cleanup ?? 'delete',
      partitions: found.partitions.length,
      records: found.partitions.reduce((sum, each) => sum + each.endOffset - each.startOffset, 0),
      bytes: found.partitions.reduce((sum, each) => sum + each.bytes, 0),
      retention: {
        ageSeconds: ageSeconds === NEVER_EXPIRES ? null : ageSeconds,
        sizeBytes: size === 0 ? null : size,
        count: count === 0 ? null : count,
        settled,
      },
      partitionDetails: found.partitions.map(({ number, startOffset, endOffset, bytes }) => ({
        partition: number,
        startOffset,
        endOffset,
        bytes,
        oldestAtMs: null,
        newestAtMs: null,
      })),
    };
  }

  const retainedView = (message: Message) => ({
    topic: text(message.topic),
    qos: message.qos,
    payloadBytes: message.payload.length,
    storedAtMs: null,
    expiresAtMs: message.expiresAtMs === 0 ? null : message.expiresAtMs,
  });

  return {
    health,
    status() {
      const { start, end, segments, pendingBytes, failure, isFull } = tier.journals.journal.state();
      const stored = tier.journals.journal.segments().reduce((sum, { bytes }) => sum + bytes, 0);
      return {
        version: parts.version,
        nodeId: parts.nodeId,
        processId: process.pid,
        dataDir: config.dataDir,
        startedAtMs,
        health: health(),
        connections: mqtt.counters.clientsConnected,
        sessions: mqtt.sessions.count,
        subscriptions: mqtt.router.totals().subscriptions,
        waitingMessages: durable.store.count,
        retainedMessages: mqtt.retained.count,
        delayedMessages: parts.delayedCount(),
        streams: streams.describe().length,
        residentBytes: process.memoryUsage.rss(),
        journal: {
          engine: config.storage.engine,
          durability: config.storage.durability,
          startPosition: start,
          endPosition: end,
          segments,
          storedBytes: stored,
          pendingBytes,
          isFull,
          failure: failure?.message ?? null,
        },
        views: { engine: tier.views ?? null, position: null },
      };
    },
    sessions({ connected, prefix = '', ...request }) {
      const wanted = [...mqtt.sessions.all()].filter(
        (each) =>
          each.clientId.startsWith(prefix) &&
          (connected === undefined || (each.connection !== undefined) === connected),
      );
      return pageOf(wanted, (each) => each.clientId, summary, request);
    },
    session(clientId) {
      const session = mqtt.sessions.get(clientId);
      return session && detail(session);
    },
    async endSession(clientId) {
      const session = mqtt.sessions.get(clientId);
      if (session === undefined) return false;
      if (session.connection !== undefined) {
        closeConnection(mqtt, session.connection, { reasonCode: ReasonCode.AdministrativeAction });
      }
      endSession(mqtt, session);
      mqtt.turn.wake();
      await durable.log.drained();
      return true;
    },
    queues: (request) => pageOf(queues(), ({ name }) => name, queueView, request),
    queue(name) {
      const found = find(name);
      return found && queueView(found);
    },
    async peekQueue(name, { limit, after }) {
      const found = find(name);
      const queue = found?.session?.durable?.queue ?? durable.groups.get(name)?.queue;
      if (found === undefined || queue === undefined) return undefined;
      const seqs: number[] = [];
      let seq = queue.nextFrom(after === undefined ? queue.floor : Number(after) + 1);
      for (; seq < queue.end && seqs.length < limit; seq = queue.nextFrom(seq + 1)) seqs.push(seq);
      const slots = seqs.map((each) => queue.slotAt(each));
      await durable.store.load(slots.filter((slot) => durable.store.isCommitted(slot)));
      const sentTo = found.session?.durable?.sentTo ?? 0;
      const items = seqs.flatMap((each) => {
        const slot = queue.slotAt(each);
        const message = slot === -1 ? undefined : durable.store.get(slot);
        if (message === undefined) return [];
        return [
          {
            position: each,
            state: each < sentTo ? ('in-flight' as const) : ('waiting' as const),
            topic: text(message.topic),
            qos: qosOf(queue.optionsAt(each)),
            isRetained: message.retain,
            expiresAtMs: message.expiresAtMs === 0 ? null : message.expiresAtMs,
            properties: propertiesOf(message),
            payload: message.payload,
          },
        ];
      });
      const last = seqs.at(-1);
      return { items, ...(seq < queue.end && last !== undefined ? { next: String(last) } : {}) };
    },
    async purgeQueue(name) {
      const found = find(name);
      const { session } = found ?? {};
      const queue = session?.durable?.queue ?? durable.groups.get(name)?.queue;
      if (found === undefined || queue === undefined) return undefined;
      let removed = 0;
      const from = session?.durable?.sentTo ?? 0;
      for (let seq = queue.nextFrom(from); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
        if (session === undefined && durable.groups.get(name)?.leased.has(seq)) continue;
        const isGone =
          session === undefined ? durable.groups.settle(name, seq) : durable.settle(session, seq);
        if (isGone) removed++;
      }
      durable.commit();
      await durable.log.drained();
      return removed;
    },
    retained({ filter, limit, after }) {
      const found: Message[] = [];
      let cursor: Parameters<typeof mqtt.retained.page>[1];
      do {
        const page = mqtt.retained.page(Buffer.from(filter), cursor, 1000);
        found.push(...page.messages);
        cursor = page.cursor;
      } while (cursor !== undefined);
      return pageOf(found, ({ topic }) => text(topic), retainedView, {
        limit,
        ...(after === undefined ? {} : { after }),
      });
    },
    retainedMessage(topic) {
      const message = mqtt.retained.get(Buffer.from(topic));
      return (
        message && { ...retainedView(message), properties: propertiesOf(message), payload: message.payload }
      );
    },
    async deleteRetained(topic) {
      const known = mqtt.retained.get(Buffer.from(topic));
      if (known === undefined) return false;
      mqtt.retained.set({ ...known, payload: new Uint8Array(0) });
      durable.log.add(TableId.Retained, encodeRetainedDelete(known.topic));
      durable.commit();
      await durable.log.drained();
      return true;
    },
    streams(request) {
      const all = streams.describe().flatMap(({ name }) => streamView(name) ?? []);
      return pageOf(
        all,
        ({ name }) => name,
        (each) => each,
        request,
      );
    },
    stream: streamView,
    async readStream({ stream, partition, fromOffset, limit, waitMs, signal }) {
      const deadlineMs = mqtt.clock.monotonicMs() + waitMs;
      for (;;) {
        const page = await streams.read(stream, partition, fromOffset, limit);
        if (page === undefined) return undefined;
        if (page.records.length > 0 || mqtt.clock.monotonicMs() >= deadlineMs || signal.aborted) {
          const records = page.records.map(({ offset, timestampMs, message, record }) => ({
            offset,
            timeMs: timestampMs,
            key: record.key,
            headers: message === undefined ? [] : propertiesOf(message),
            payload: record.value ?? new Uint8Array(0),
          }));
          return { records, nextOffset: page.next };
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
  };
}

function propertiesOf({ properties }: Message): Property[] {
  const list: Property[] = [];
  for (
    let next = nextUserProperty(properties, 0);
    next !== undefined;
    next = nextUserProperty(properties, next.end)
  ) {
    list.push({ name: text(next.name), value: text(next.value) });
  }
  return list;
}
