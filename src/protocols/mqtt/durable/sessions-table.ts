/** The sessions table: durable sessions as the journal and its views have them. Replay goes straight into registry and router. */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import type { MessageStore } from '../../../kernel/message-store/message-store.ts';
import { createReferencePools } from '../../../kernel/reference-queue/chunk-pool.ts';
import { ReferenceQueue } from '../../../kernel/reference-queue/reference-queue.ts';
import type { Router } from '../../../kernel/router.ts';
import { type EntryPlace, type Table, TableId } from '../../../kernel/state/table.ts';
import { withAccessors } from '../../../kernel/with-accessors.ts';
import { decodeOwner } from '../security/owner.ts';
import type { Session } from '../session.ts';
import type { SessionRegistry } from '../session-registry.ts';
import { type DeliveryOptions, qosOf, setIndexOf } from './delivery-options.ts';
import { createDirtyPages } from './dirty-pages.ts';
import { groupOf, KIND_META, KIND_SESSIONS, KIND_SETS, keyOf, numberOf, serialsOf } from './page-keys.ts';
import { readName, readRun, readSet, readSigned, readWill, SessionEntry } from './session-entries.ts';
import { readSession, writeSession } from './session-page.ts';
import { createDurableState, type DurableState, hasLeaving, noteRepeats } from './session-state.ts';
import { decodeSets, encodeSets, pageOfSet, setPages } from './set-pages.ts';

export interface SessionsTable extends Table {
  /** Of a session that is to outlive its connection. */
  add(session: Session): DurableState;
  /** Its page is out of date. */
  touch(session: Session): void;
  remove(session: Session): void;
  /** A delivery set has a new meaning. */
  touchSet(index: number): void;
  /** Numbers of the delivery sets that something refers to. */
  setsInUse(): Set<number>;
  /** False when it was settled already. */
  settle(session: Session, seq: number): boolean;
  /** Of `count` in a row, none of which is settled. */
  settleRun(session: Session, seq: number, count: number): void;
  all(): IterableIterator<Session>;
  readonly count: number;
}

export interface SessionsTableOptions {
  readonly sessions: SessionRegistry;
  readonly router: Router;
  readonly store: MessageStore;
  readonly options: DeliveryOptions;
}

/** Since the third one, several sessions are one page. */
const VERSION = 3;

export function createSessionsTable(parts: SessionsTableOptions): SessionsTable {
  const { sessions, router, store, options } = parts;
  const pools = createReferencePools();
  const bySerial = new Map<number, Session>();
  const dirty = createDirtyPages();
  const { touch, touchKey } = dirty;
  let metaSerial = 0;

  function touchSet(index: number): void {
    touchKey(KIND_SETS, pageOfSet(index));
  }

  function setsInUse(): Set<number> {
    const found = new Set<number>();
    for (const { durable } of bySerial.values()) {
      if (durable === undefined) continue;
      const { queue } = durable;
      for (let seq = queue.nextFrom(queue.floor); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
        const index = setIndexOf(queue.optionsAt(seq));
        if (index >= 0) found.add(index);
      }
    }
    return found;
  }

  function enter(session: Session, durable: DurableState): void {
    session.durable = durable;
    bySerial.set(session.serial, session);
    if (session.serial > metaSerial) {
      metaSerial = session.serial;
      touchKey(KIND_META, 0);
    }
  }

  function remove(session: Session): void {
    const { durable } = session;
    if (durable === undefined) return;
    const { queue } = durable;
    for (let seq = queue.nextFrom(queue.floor); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
      store.release(queue.slotAt(seq));
    }
    queue.clear();
    bySerial.delete(session.serial);
    session.durable = undefined;
    touchKey(KIND_SESSIONS, groupOf(session.serial));
  }

  function settle(session: Session, seq: number): boolean {
    const { durable } = session;
    if (durable === undefined) return false;
    const slot = durable.queue.slotAt(seq);
    if (slot === -1) return false;
    if (durable.leaving?.delete(seq) !== true) durable.bytes -= store.bytesOf(slot);
    durable.queue.settle(seq);
    store.release(slot);
    durable.released?.delete(seq);
    durable.repeats?.delete(seq);
    touch(session);
    return true;
  }

  function settleRun(session: Session, seq: number, count: number): void {
    const { durable } = session;
    if (durable === undefined) return;
    if (hasLeaving(durable) || durable.released !== undefined || durable.repeats !== undefined) {
      for (let i = 0; i < count; i++) settle(session, seq + i);
      return;
    }
    const { queue } = durable;
    for (let at = seq, end = seq + count; at < end; at++) {
      const slot = queue.slotAt(at);
      durable.bytes -= store.bytesOf(slot);
      queue.settle(at);
      store.release(slot);
    }
    touch(session);
  }

  /** Without a trace: what the journal or a page says next replaces it. */
  function forget(session: Session): void {
    router.removeSink(session.number);
    remove(session);
    sessions.remove(session);
    session.ended = true;
  }

  function open(from: ByteReader, place: EntryPlace): void {
    const serial = from.uint();
    const clientId = from.text();
    const expirySeconds = from.uint();
    const will = readWill(from);
    let session = bySerial.get(serial);
    if (session?.durable !== undefined && place.position < session.durable.stamp) return;
    if (session === undefined) {
      const other = sessions.get(clientId);
      if (other !== undefined) forget(other);
      session = sessions.restore(clientId, expirySeconds, serial);
      enter(session, createDurableState(new ReferenceQueue(pools)));
    }
    session.expirySeconds = expirySeconds;
    session.will = will;
    if (session.durable !== undefined) session.durable.detachedAtMs = 0;
    touch(session);
  }

  function deliver(from: ByteReader, place: EntryPlace, isRun: boolean): void {
    const firstId = from.uint();
    const count = isRun ? readRun(from) : 1;
    let serial = 0;
    let seq = 0;
    for (let left = from.count(3); left > 0; left--) {
      serial += readSigned(from);
      const packed = from.uint();
      seq += readSigned(from);
      const session = bySerial.get(serial);
      const durable = session?.durable;
      if (session === undefined || durable === undefined || place.position < durable.stamp) continue;
      for (let i = 0; i < count; i++) {
        // A page is made while changes are on their way to the journal: it may have the delivery already.
        if (!durable.queue.advanceTo(seq + i)) continue;
        const slot = store.slotOfId(firstId + i);
        durable.queue.push(slot, packed);
        store.addReference(slot);
      }
      touch(session);
    }
  }

  function applyTo(session: Session, durable: DurableState, kind: number, from: ByteReader): void {
    const { serial, number } = session;
    switch (kind) {
      case SessionEntry.Detach:
        durable.detachedAtMs = from.uint();
        session.expirySeconds = from.uint();
        if (from.u8() === 0) session.will = undefined;
        break;
      case SessionEntry.End:
        forget(session);
        return;
      case SessionEntry.Subscribe: {
        const { group, filter } = readName(from);
        const bits = from.u8();
        const identifier = from.uint();
        if (group === undefined) router.subscribe(number, filter, bits, identifier);
        else router.subscribeShared(number, group, filter, bits, identifier);
        if (group !== undefined) session.hasSharedSubscriptions = true;
        break;
      }
      case SessionEntry.Unsubscribe: {
        const { group, filter } = readName(from);
        if (group === undefined) router.unsubscribe(number, filter);
        else router.unsubscribeShared(number, group, filter);
        break;
      }
      case SessionEntry.Settle:
        settle(session, from.uint());
        break;
      case SessionEntry.SettleRun: {
        const seq = from.uint();
        for (let count = readRun(from), i = 0; i < count; i++) settle(session, seq + i);
        break;
      }
      case SessionEntry.Sent:
        durable.sentTo = Math.max(durable.sentTo, from.uint());
        break;
      case SessionEntry.Released:
        released(durable, from.uint());
        break;
      case SessionEntry.Received:
        durable.received ??= new Set();
        durable.received.add(from.uint());
        break;
      case SessionEntry.Forgot: {
        const packetId = from.uint();
        durable.received?.delete(packetId);
        break;
      }
      case SessionEntry.WillGone:
        session.will = undefined;
        break;
      case SessionEntry.Owner:
        ownedBy(session, from.text());
        break;
      case SessionEntry.Repeated:
        // A page that was made while this was on its way to the journal has it already.
        if (from.uint() > durable.rounds) noteRepeats(durable);
        break;
      default:
        throw new Error(`session ${serial}: an entry of kind ${kind}, which this version does not know`);
    }
    touch(session);
  }

  function released(durable: DurableState, seq: number): void {
    // The page may be from after its settlement.
    if (durable.queue.isSettled(seq)) return;
    durable.released ??= new Set();
    durable.released.add(seq);
  }

  function ownedBy(session: Session, owner: string): void {
    if (owner === '') return;
    const { principal, isOfDatabase } = decodeOwner(owner);
    session.principal = principal;
    session.isOfDatabase = isOfDatabase;
  }

  /** It is not touched: where it comes from it is the same. */
  function loadSession(from: ByteReader, stamp: number): void {
    const page = readSession(from, pools, (id) => store.slotOfId(id));
    if (from.failed) return;
    const { serial, clientId, queue } = page;
    const former = bySerial.get(serial);
    if (former !== undefined) forget(former);
    const other = sessions.get(clientId);
    if (other !== undefined) forget(other);
    const session = sessions.restore(clientId, page.expirySeconds, serial);
    session.will = page.will;
    ownedBy(session, page.owner);
    for (const { group, filter, options: bits, identifier } of page.subscriptions) {
      if (group === undefined) router.subscribe(session.number, filter, bits, identifier);
      else router.subscribeShared(session.number, group, filter, bits, identifier);
      if (group !== undefined) session.hasSharedSubscriptions = true;
    }
    const durable = createDurableState(queue);
    for (let seq = queue.nextFrom(queue.floor); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
      store.addReference(queue.slotAt(seq));
    }
    durable.detachedAtMs = page.detachedAtMs;
    durable.sentTo = page.sentTo;
    durable.rounds = page.rounds;
    durable.released = page.released;
    durable.repeats = page.repeats;
    durable.received = page.received;
    durable.stamp = stamp;
    enter(session, durable);
  }

  function write(to: ByteWriter, session: Session, durable: DurableState): void {
    writeSession(to, session, durable, router.subscriptionsOf(session.number), (slot) => store.idOf(slot));
  }

  function groupPage(group: number): Uint8Array | undefined {
    const members: (readonly [Session, DurableState])[] = [];
    for (const serial of serialsOf(group)) {
      const session = bySerial.get(serial);
      if (session?.durable !== undefined) members.push([session, session.durable]);
    }
    if (members.length === 0) return undefined;
    const to = new ByteWriter(1024).u8(VERSION).uint(members.length);
    for (const [session, durable] of members) write(to, session, durable);
    return to.finish();
  }

  return withAccessors<SessionsTable, 'count'>(
    {
      get count() {
        return bySerial.size;
      },
    },
    {
      id: TableId.Sessions,
      name: 'sessions',
      touch,
      touchSet,
      setsInUse,
      settle,
      settleRun,
      remove,
      all: () => bySerial.values(),
      add(session) {
        const durable = createDurableState(new ReferenceQueue(pools));
        enter(session, durable);
        touch(session);
        return durable;
      },
      apply(entry, place) {
        const from = new ByteReader(entry);
        const kind = from.u8();
        if (kind === SessionEntry.Open) open(from, place);
        else if (kind === SessionEntry.Deliver) deliver(from, place, false);
        else if (kind === SessionEntry.DeliverRun) deliver(from, place, true);
        else if (kind === SessionEntry.DefineSet) {
          const index = from.uint();
          const set = readSet(from);
          if (from.failed || !options.restore(index, set)) from.fail();
          touchSet(index);
        } else {
          const session = bySerial.get(from.uint());
          const durable = session?.durable;
          const isKnown = session !== undefined && durable !== undefined && place.position >= durable.stamp;
          if (isKnown) applyTo(session, durable, kind, from);
        }
        if (from.failed) throw new Error(`an entry of the sessions table at ${place.position} is damaged`);
      },
      load(key, page, position) {
        const from = new ByteReader(page);
        const version = from.u8();
        if (version !== VERSION) {
          throw new Error(
            `a page of the sessions table has version ${version}; this program knows ${VERSION}: start the version that wrote it`,
          );
        }
        if (key[0] === KIND_META) {
          metaSerial = Math.max(metaSerial, from.uint());
          sessions.reserveSerials(metaSerial);
        } else if (key[0] === KIND_SETS) decodeSets(from, options);
        else for (let left = from.count(); left > 0; left--) loadSession(from, position);
        if (!from.isComplete) {
          throw new Error(
            `a page of the sessions table is damaged (kind ${key[0]}, number ${numberOf(key)})`,
          );
        }
      },
      recovered() {
        // Bodies may come behind what refers to them: their sizes are known only now.
        for (const { durable } of bySerial.values()) {
          if (durable === undefined) continue;
          const { queue } = durable;
          durable.bytes = 0;
          for (let seq = queue.nextFrom(queue.floor); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
            durable.bytes += store.bytesOf(queue.slotAt(seq));
            if (qosOf(queue.optionsAt(seq)) === 0) durable.looseTo = seq + 1;
          }
        }
      },
      *pageKeys() {
        if (metaSerial > 0) yield keyOf(KIND_META, 0);
        for (const number of setPages(options)) yield keyOf(KIND_SETS, number);
        const groups = new Set<number>();
        for (const { serial } of bySerial.values()) groups.add(groupOf(serial));
        for (const group of groups) yield keyOf(KIND_SESSIONS, group);
      },
      page(key) {
        const number = numberOf(key);
        if (key[0] === KIND_META) return new ByteWriter(16).u8(VERSION).uint(metaSerial).finish();
        if (key[0] === KIND_SETS) return encodeSets(options, number, VERSION);
        return groupPage(number);
      },
      takeDirty: (max) => dirty.take(max),
    },
  );
}
