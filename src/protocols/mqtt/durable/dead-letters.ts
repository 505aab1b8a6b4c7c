/**
 * Messages that are given up, on their way to the dead-letter topic. The queue that keeps one lets go of it in the change
 * that publishes its dead letter. Until then, where its body has to be read back first, it is leaving: passed over, not
 * counted, and there again after a crash.
 */
import type { DiscardReason } from '../../../kernel/log-queue/entries.ts';
import type { Message } from '../../../kernel/message.ts';
import type { MessageStore } from '../../../kernel/message-store/message-store.ts';
import { type Tenant, tenantOfTopic } from '../../../security/tenants/tenants.ts';
import type { Mqtt } from '../context.ts';
import { type Session, writtenClientId } from '../session.ts';

/** Where it still waits. */
export interface GravePlace {
  isThere(): boolean;
  /** With its entry, to the change under way. */
  settle(): void;
}

export interface Grave {
  /** The message, or its slot in the store where it has to be read back: with a reference, for who buries it. */
  readonly body: Message | number;
  readonly reason: DiscardReason;
  /** Whose queue it was in: the dead letter is for the same tenant. */
  readonly tenant: Tenant;
  /** As the client wrote it; empty where a group kept it, and no member had it. */
  readonly clientId: string;
  readonly group: string | undefined;
  readonly deliveries: number;
  /** Undefined for a message that found no room. */
  readonly place: GravePlace | undefined;
}

/** Given up for one queue: more than that, and what comes is given up instead. */
const LEAVING_MAX = 1024;

export function groupNameOf(key: string | undefined): string | undefined {
  return key?.split('/', 2)[1];
}

/** Of what a group keeps: whose filter it is. */
export function tenantOfGroup(key: string): Tenant {
  const [, , ...filter] = key.split('/');
  return tenantOfTopic(Buffer.from(filter.join('/')));
}

function bodyOf(store: MessageStore, slot: number): Message | number {
  const cached = store.get(slot);
  if (cached === undefined) store.addReference(slot);
  return cached ?? slot;
}

/** A message that a session keeps; from now on it is leaving. */
export function graveInSession(
  mqtt: Mqtt,
  session: Session,
  seq: number,
  reason: DiscardReason,
  deliveries = 0,
): Grave | undefined {
  const { durable, tenant } = session;
  const clientId = writtenClientId(session);
  if (durable === undefined) return undefined;
  const { store, options } = mqtt.durable;
  const { queue } = durable;
  const slot = queue.slotAt(seq);
  if (slot === -1 || durable.leaving?.has(seq)) return undefined;
  durable.leaving ??= new Set();
  durable.leaving.add(seq);
  durable.bytes -= store.bytesOf(slot);
  const group = groupNameOf(options.groupOf(queue.optionsAt(seq)));
  const place: GravePlace = {
    isThere: () => session.durable === durable && queue.slotAt(seq) !== -1,
    settle: () => mqtt.durable.settle(session, seq),
  };
  return { body: bodyOf(store, slot), reason, tenant, clientId, group, deliveries, place };
}

/** The same for a message that a group keeps. */
export function graveInGroup(mqtt: Mqtt, key: string, seq: number, reason: DiscardReason): Grave | undefined {
  const { groups, store } = mqtt.durable;
  const kept = groups.get(key);
  const slot = kept?.queue.slotAt(seq) ?? -1;
  if (kept === undefined || slot === -1 || kept.leaving.has(seq)) return undefined;
  kept.leaving.add(seq);
  kept.bytes -= store.bytesOf(slot);
  const place: GravePlace = {
    isThere: () => groups.get(key) === kept && kept.queue.slotAt(seq) !== -1,
    settle: () => groups.settle(key, seq),
  };
  const [tenant, group] = [tenantOfGroup(key), groupNameOf(key)];
  return { body: bodyOf(store, slot), reason, tenant, clientId: '', group, deliveries: 0, place };
}

export function mayLeave(leaving: ReadonlySet<number> | undefined): boolean {
  return leaving === undefined || leaving.size < LEAVING_MAX;
}
