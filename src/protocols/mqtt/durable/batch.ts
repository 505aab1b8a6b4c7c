/**
 * Messages of QoS 1 that came together by one flow, to the durable sessions that keep them: one change of the state log,
 * and one acknowledgement for all. What a message on its own would be asked (publication.ts) is asked once for all of
 * them; where the answers could differ, nothing is taken, and each goes on its own.
 */
import { BodyBatch } from '../../../kernel/message-store/body-batch.ts';
import { TableId } from '../../../kernel/state/table.ts';
import { ReasonCode } from '../codec/reason-codes.ts';
import type { Connection } from '../connection.ts';
import type { Mqtt } from '../context.ts';
import type { Keepers } from '../flows.ts';
import { pay, tellDataPlane } from '../owed.ts';
import { type Owed, PENDING } from '../owed-queue.ts';
import type { Target } from '../route.ts';
import type { Session } from '../session.ts';
import { encodeEntry } from './session-entries.ts';
import { type DurableState, hasLeaving } from './session-state.ts';

export interface Incoming {
  /** Borrowed. */
  readonly bodies: Uint8Array;
  readonly count: number;
  /** Of the first; those of the others follow. */
  readonly packetId: number;
}

const SPARE_MAX = 64;
/** More than a packet of QoS 1 has besides its body. */
const PACKET_HEAD_BYTES = 64;

const spare: BodyBatch[] = [];

class AcceptedBatch implements Owed {
  readonly type = 4;
  readonly packetId: number;
  readonly count: number;
  reasonCode: number = PENDING;
  private readonly mqtt: Mqtt;
  private readonly connection: Connection;
  private readonly batch: BodyBatch;
  private readonly sessions: readonly Session[];
  /** Of the entry with the bodies, in its change. */
  private readonly offset: number;

  constructor(
    mqtt: Mqtt,
    connection: Connection,
    packetId: number,
    batch: BodyBatch,
    sessions: readonly Session[],
    offset: number,
  ) {
    this.mqtt = mqtt;
    this.connection = connection;
    this.packetId = packetId;
    this.count = batch.count;
    this.batch = batch;
    this.sessions = sessions;
    this.offset = offset;
  }

  committed(error: Error | undefined, position: number): void {
    const { mqtt, connection, batch } = this;
    const { store } = mqtt.durable;
    if (error === undefined) store.placedBatch(batch, position, this.offset);
    store.releaseBatch(batch);
    if (spare.length < SPARE_MAX) spare.push(batch);
    for (const session of this.sessions) mqtt.wake(session);
    if (error !== undefined) mqtt.counters.publishesRefused += this.count;
    if (connection.isGone) return;
    if (error === undefined) pay(mqtt, connection, this, ReasonCode.Success);
    else if (connection.version === 5) pay(mqtt, connection, this, ReasonCode.ImplementationSpecificError);
    else mqtt.fail(connection, ReasonCode.ImplementationSpecificError);
  }
}

/** False when each has to be looked at: nothing has happened then. */
export function takeBatch(
  mqtt: Mqtt,
  connection: Connection,
  { targets, level }: Keepers,
  { bodies, count, packetId }: Incoming,
): boolean {
  const { log, store, table, options } = mqtt.durable;
  if (log.refusal() !== undefined) return false;
  const sessions: Session[] = [];
  const states: DurableState[] = [];
  const packs: number[] = [];
  for (const target of targets) {
    const session = mqtt.sessions.byNumber(target.sink);
    if (session === undefined) continue;
    const { durable } = session;
    if (durable === undefined || !hasRoom(mqtt, session, durable, target, bodies.length, count)) return false;
    const packed = options.pack(1, false, target.subscriptionIds, undefined);
    if (packed < 0) return false;
    sessions.push(session);
    states.push(durable);
    packs.push(packed);
  }
  const batch = spare.pop() ?? new BodyBatch();
  if (sessions.length === 0 || !store.putBatch(batch, bodies, count, sessions.length)) {
    spare.push(batch);
    return false;
  }
  const { slots } = batch;
  const seqs: number[] = [];
  for (let i = 0; i < states.length; i++) {
    const state = states[i] as DurableState;
    const packed = packs[i] as number;
    const { queue } = state;
    seqs.push(queue.end);
    state.bytes += batch.bytes;
    for (let at = 0; at < count; at++) queue.push(slots[at] as number, packed);
    table.touch(sessions[i] as Session);
  }
  mqtt.deliveryTimes.keep(mqtt, sessions[0] as Session, seqs[0] as number);
  const offset = store.stageBatch(batch);
  log.add(TableId.Sessions, encodeEntry.deliverRun(batch.firstId, count, sessions, packs, seqs));
  const accepted = new AcceptedBatch(mqtt, connection, packetId, batch, sessions, offset);
  connection.owed.push(accepted);
  log.commit(level, (error, position) => accepted.committed(error, position));
  tellDataPlane(mqtt, connection);
  return true;
}

/** For all of them, without giving anything up; and, if it is connected, each is one that it takes. */
function hasRoom(
  mqtt: Mqtt,
  { connection }: Session,
  state: DurableState,
  { subscriptionIds }: Target,
  bytes: number,
  count: number,
): boolean {
  const { maxMessages, maxBytes } = mqtt.config.mqtt.queue;
  if (hasLeaving(state)) return false;
  if (state.queue.length + count > maxMessages || state.bytes + bytes > maxBytes) return false;
  const packetBytes = bytes + PACKET_HEAD_BYTES + subscriptionIds.length;
  return connection === undefined || packetBytes <= connection.maxPacketBytesOut;
}
