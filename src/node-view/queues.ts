/** What waits for durable sessions and for shared subscriptions. */
import type { NodeView } from '../admin/node-view.ts';
import { OperationError } from '../admin/operation.ts';
import type { QueueDetail, QueuedMessage, QueueSummary } from '../admin/views.ts';
import { MessageUnreadable } from '../kernel/message-store/loader.ts';
import type { ReferenceQueue } from '../kernel/reference-queue/reference-queue.ts';
import type { SharedGroup } from '../kernel/shared-group.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { tenantOfGroup } from '../protocols/mqtt/durable/dead-letters.ts';
import { isRetained, qosOf } from '../protocols/mqtt/durable/delivery-options.ts';
import { groupKeyOf } from '../protocols/mqtt/group-loans.ts';
import type { Session } from '../protocols/mqtt/session.ts';
import { checkJournal, committed } from './changes.ts';
import { propertiesOf, textOf } from './message-properties.ts';
import { pageOf, wholeNumber } from './pages.ts';
import { sessionNamed, shownName } from './session-names.ts';
import { inFlightOf } from './sessions.ts';

/** Of a group; `memberCount` says how many there are. */
const MAX_MEMBERS = 1000;
/** Bodies that one look reads back; a message that is larger comes alone. */
const MAX_PEEK_BYTES = 4 * 1024 * 1024;
/** What a purge removes in one change, and has durable before it goes on; entries of a group have its name. */
const MAX_PURGE_STEP = 1000;
const MAX_PURGE_STEP_CHARACTERS = 64 * 1024;
const SHARED = '$share/';

/** A queue, whosever it is. `queue` is undefined where a group keeps nothing yet. */
interface Owned {
  readonly name: string;
  readonly tenant: string | null;
  readonly kind: 'session' | 'shared';
  readonly queue: ReferenceQueue | undefined;
  readonly bytes: number;
  readonly inFlight: number;
  readonly memberCount: number;
  members(): Iterable<Session>;
  isInFlight(seq: number): boolean;
  settle(seq: number): boolean;
}

function ofSession(mqtt: Mqtt, session: Session): Owned | undefined {
  const { durable } = session;
  if (durable === undefined) return undefined;
  const { clientId, tenant } = shownName(session);
  return {
    name: clientId,
    tenant,
    kind: 'session',
    queue: durable.queue,
    bytes: durable.bytes,
    inFlight: inFlightOf(mqtt, session),
    memberCount: 1,
    members: () => [session],
    isInFlight: (seq) => seq < durable.sentTo,
    settle: (seq) => mqtt.durable.settle(session, seq),
  };
}

function ofGroup(mqtt: Mqtt, group: SharedGroup): Owned {
  const name = groupKeyOf(group);
  const { groups } = mqtt.durable;
  const kept = groups.get(name);
  return {
    name,
    tenant: tenantOfGroup(name).name || null,
    kind: 'shared',
    queue: kept?.queue,
    bytes: kept?.bytes ?? 0,
    inFlight: kept?.leased.size ?? 0,
    memberCount: group.members.length,
    *members() {
      for (const { sink } of group.members) {
        const session = mqtt.sessions.byNumber(sink);
        if (session !== undefined) yield session;
      }
    },
    isInFlight: (seq) => kept?.leased.has(seq) === true,
    settle: (seq) => groups.get(name) === kept && groups.settle(name, seq),
  };
}

/** A client that calls itself like a group does not hide it. */
function find(mqtt: Mqtt, name: string, tenant: string | undefined): Owned | undefined {
  const group = name.startsWith(SHARED) ? mqtt.router.groupOf(name) : undefined;
  if (group !== undefined) return ofGroup(mqtt, group);
  const session = sessionNamed(mqtt, name, tenant);
  return session && ofSession(mqtt, session);
}

function summary({ name, tenant, kind, queue, inFlight, bytes, memberCount, members }: Owned): QueueSummary {
  let consumers = 0;
  for (const { connection } of members()) if (connection !== undefined) consumers++;
  return {
    name,
    tenant,
    kind,
    waiting: (queue?.length ?? 0) - inFlight,
    inFlight,
    bytes,
    memberCount,
    consumers,
  };
}

function detail(mqtt: Mqtt, queue: Owned): QueueDetail {
  const { maxMessages, maxBytes, overflow } = mqtt.config.mqtt.queue;
  const members = [];
  for (const session of queue.members()) {
    if (members.length === MAX_MEMBERS) break;
    members.push({
      ...shownName(session),
      isConnected: session.connection !== undefined,
      inFlight: inFlightOf(mqtt, session),
    });
  }
  return { ...summary(queue), maxMessages, maxBytes, overflow, members };
}

function explained(error: unknown): never {
  if (error instanceof MessageUnreadable) throw new OperationError(500, 'damaged', error.message);
  throw error;
}

export function queuesView(mqtt: Mqtt): Pick<NodeView, 'queues' | 'queue' | 'peekQueue' | 'purgeQueue'> {
  const { sessions, router } = mqtt;
  const { store } = mqtt.durable;

  const groups = {
    end: () => router.groupNumbers,
    at(number: number): QueueSummary | undefined {
      const group = router.groupByNumber(number);
      return group && summary(ofGroup(mqtt, group));
    },
  };
  const ofSessions = {
    end: () => sessions.numbers,
    at(number: number): QueueSummary | undefined {
      const session = sessions.byNumber(number);
      const queue = session && ofSession(mqtt, session);
      return queue && summary(queue);
    },
  };

  function shown(owned: Owned, queue: ReferenceQueue, seq: number): QueuedMessage | undefined {
    const slot = queue.slotAt(seq);
    const message = slot === -1 ? undefined : store.get(slot);
    if (message === undefined) {
      // Settled meanwhile, or gone with the process that had it; anything else must not look like an empty queue.
      if (slot === -1 || store.isLost(slot)) return undefined;
      throw new OperationError(
        409,
        'busy',
        'the messages could not be kept in memory together; ask for fewer',
      );
    }
    const options = queue.optionsAt(seq);
    return {
      position: seq,
      state: owned.isInFlight(seq) ? 'in-flight' : 'waiting',
      topic: textOf(message.topic),
      qos: qosOf(options),
      isRetained: isRetained(options),
      expiresAtMs: message.expiresAtMs === 0 ? null : message.expiresAtMs,
      properties: propertiesOf(message),
      payload: message.payload,
    };
  }

  return {
    queues: (request) => pageOf([groups, ofSessions], request, ({ name }) => name.length),
    queue(name, tenant) {
      const found = find(mqtt, name, tenant);
      return found && detail(mqtt, found);
    },
    async peekQueue(name, { limit, after }, tenant) {
      const found = find(mqtt, name, tenant);
      if (found === undefined) return undefined;
      const { queue } = found;
      const from = after === undefined ? 0 : wholeNumber(after) + 1;
      if (queue === undefined) return { items: [] };
      const seqs: number[] = [];
      let bytes = 0;
      let seq = queue.nextFrom(from);
      for (; seq < queue.end && seqs.length < limit; seq = queue.nextFrom(seq + 1)) {
        bytes += store.bytesOf(queue.slotAt(seq));
        if (seqs.length > 0 && bytes > MAX_PEEK_BYTES) break;
        seqs.push(seq);
      }
      const next = seq < queue.end ? { next: String(seqs.at(-1)) } : {};
      await store.load(seqs.map((each) => queue.slotAt(each))).catch(explained);
      return { items: seqs.flatMap((each) => shown(found, queue, each) ?? []), ...next };
    },
    async purgeQueue(name, tenant) {
      const found = find(mqtt, name, tenant);
      if (found === undefined) return undefined;
      checkJournal(mqtt);
      const { queue } = found;
      const end = queue?.end ?? 0;
      let removed = 0;
      const step = Math.max(1, Math.min(MAX_PURGE_STEP, Math.floor(MAX_PURGE_STEP_CHARACTERS / name.length)));
      for (let seq = queue?.nextFrom(0) ?? 0; queue && seq < end; seq = queue.nextFrom(seq + 1)) {
        if (found.isInFlight(seq) || !found.settle(seq)) continue;
        removed++;
        if (removed % step === 0) await committed(mqtt);
      }
      await committed(mqtt);
      return removed;
    },
  };
}
