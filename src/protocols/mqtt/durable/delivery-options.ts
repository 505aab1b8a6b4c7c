/**
 * What a subscription decided about one waiting delivery, in 32 bits: QoS, RETAIN, and the subscription identifier.
 * More than one identifier, or a shared group that the delivery came through, do not fit: then the bits hold the
 * number of a set. Sets are journaled once and keep their number, so that queues and pages can hold it, for as long as
 * anything waits that refers to it: when there are many, those that nothing refers to make room.
 */
import { identifierBytes, NO_IDENTIFIERS } from '../subscription-options.ts';

const QOS = 3;
const RETAIN = 4;
const VALUE_SHIFT = 3;
const VALUE_BITS = 0x0fffffff;
const SET = 0x80000000;
const SETS_MAX = 1 << 20;
/** Fewer are not worth looking through all queues for. */
const SWEPT_FROM = 1 << 16;

export interface DeliverySet {
  readonly subscriptionIds: Uint8Array;
  /** Key of the shared group; undefined = none. */
  readonly group: string | undefined;
}

export interface DeliveryOptions {
  /** The bits; -1 when there is no room for one more set. */
  pack(qos: number, retain: boolean, subscriptionIds: Uint8Array, group: string | undefined): number;
  subscriptionIdsOf(options: number): Uint8Array;
  groupOf(options: number): string | undefined;
  /** A set of the journal or a page. False when there is no such number. */
  restore(index: number, set: DeliverySet): boolean;
  readonly sets: readonly (DeliverySet | undefined)[];
  /** Called with a new set, to be journaled before what refers to it. */
  onNew: (index: number, set: DeliverySet) => void;
  /** Numbers of the sets that something refers to. */
  inUse: () => ReadonlySet<number>;
}

/** The number of the set; -1 = the bits say it all. */
export function setIndexOf(options: number): number {
  return (options & SET) === 0 ? -1 : (options >>> VALUE_SHIFT) & VALUE_BITS;
}

export function qosOf(options: number): 0 | 1 | 2 {
  return (options & QOS) as 0 | 1 | 2;
}

export function isRetained(options: number): boolean {
  return (options & RETAIN) !== 0;
}

export function createDeliveryOptions(sweptFrom = SWEPT_FROM, maxSets = SETS_MAX): DeliveryOptions {
  const sets: (DeliverySet | undefined)[] = [];
  const indexes = new Map<string, number>();
  /** Numbers without a meaning, as of the last sweep. */
  const freed: number[] = [];
  let newSinceSweep = 0;
  let sweepAfter = 0;
  /** By array identity: identifiers of a subscription are the same array at each message. */
  const single = new Map<Uint8Array, number>();

  const keyOf = ({ subscriptionIds, group }: DeliverySet): string =>
    `${Buffer.from(subscriptionIds).toString('latin1')}\0${group ?? ''}`;

  function setOf(subscriptionIds: Uint8Array, group: string | undefined): number {
    const set = { subscriptionIds, group };
    const key = keyOf(set);
    const known = indexes.get(key);
    if (known !== undefined) return known;
    const index = freeIndex();
    if (index < 0) return -1;
    const own = { subscriptionIds: subscriptionIds.slice(), group };
    sets[index] = own;
    indexes.set(key, index);
    options.onNew(index, own);
    return index;
  }

  /** -1 when all are in use. */
  function freeIndex(): number {
    const isDue = sets.length >= sweptFrom && newSinceSweep >= sweepAfter;
    if (freed.length === 0 && isDue) sweep();
    newSinceSweep++;
    return freed.pop() ?? (sets.length < maxSets ? sets.length : -1);
  }

  function sweep(): void {
    const used = options.inUse();
    for (let index = sets.length - 1; index >= 0; index--) {
      if (used.has(index)) continue;
      const set = sets[index];
      if (set !== undefined) indexes.delete(keyOf(set));
      sets[index] = undefined;
      freed.push(index);
    }
    // Looking through all queues is paid by as many new sets as there are, also when all are in use.
    newSinceSweep = 0;
    sweepAfter = Math.max(sweptFrom, used.size);
  }

  /** 0 = none, -1 = more than one. */
  function identifierOf(subscriptionIds: Uint8Array): number {
    if (subscriptionIds.length === 0) return 0;
    const known = single.get(subscriptionIds);
    if (known !== undefined) return known;
    let value = 0;
    let at = 1;
    for (let shift = 0; ; shift += 7) {
      const byte = subscriptionIds[at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    const identifier = at === subscriptionIds.length ? value : -1;
    if (single.size >= 4096) single.clear();
    single.set(subscriptionIds, identifier);
    return identifier;
  }

  const options: DeliveryOptions = {
    sets,
    onNew: () => {},
    inUse: () => new Set(indexes.values()),
    pack(qos, retain, subscriptionIds, group) {
      const base = qos | (retain ? RETAIN : 0);
      const identifier = group === undefined ? identifierOf(subscriptionIds) : -1;
      if (identifier >= 0) return (base | (identifier << VALUE_SHIFT)) >>> 0;
      const index = setOf(subscriptionIds, group);
      return index < 0 ? -1 : (base | (index << VALUE_SHIFT) | SET) >>> 0;
    },
    subscriptionIdsOf(packed) {
      const index = setIndexOf(packed);
      if (index < 0) return identifierBytes((packed >>> VALUE_SHIFT) & VALUE_BITS);
      return sets[index]?.subscriptionIds ?? NO_IDENTIFIERS;
    },
    groupOf: (packed) => sets[setIndexOf(packed)]?.group,
    restore(index, set) {
      if (index >= maxSets) return false;
      while (sets.length < index) sets.push(undefined);
      const former = sets[index];
      if (former !== undefined) indexes.delete(keyOf(former));
      sets[index] = set;
      indexes.set(keyOf(set), index);
      return true;
    },
  };
  return options;
}
