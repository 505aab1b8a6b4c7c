/**
 * What a subscription decided about one waiting delivery, in 32 bits: QoS, RETAIN, and the subscription identifier.
 * More than one identifier, or a shared group that the delivery came through, do not fit: then the bits hold the
 * number of a set. Sets are journaled once and keep their number, so that queues and pages can hold it.
 */
import { identifierBytes, NO_IDENTIFIERS } from '../subscription-options.ts';

const QOS = 3;
const RETAIN = 4;
const VALUE_SHIFT = 3;
const VALUE_BITS = 0x0fffffff;
const SET = 0x80000000;
const SETS_MAX = 1 << 20;

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
  /** A set of the journal or a page. */
  restore(index: number, set: DeliverySet): void;
  readonly sets: readonly (DeliverySet | undefined)[];
  /** Called with a new set, to be journaled before what refers to it. */
  onNew: (index: number, set: DeliverySet) => void;
}

export function qosOf(options: number): 0 | 1 | 2 {
  return (options & QOS) as 0 | 1 | 2;
}

export function isRetained(options: number): boolean {
  return (options & RETAIN) !== 0;
}

export function createDeliveryOptions(): DeliveryOptions {
  const sets: (DeliverySet | undefined)[] = [];
  const indexes = new Map<string, number>();
  /** By array identity: identifiers of a subscription are the same array at each message. */
  const single = new Map<Uint8Array, number>();

  const keyOf = ({ subscriptionIds, group }: DeliverySet): string =>
    `${Buffer.from(subscriptionIds).toString('latin1')}\0${group ?? ''}`;

  function setOf(subscriptionIds: Uint8Array, group: string | undefined): number {
    const set = { subscriptionIds, group };
    const key = keyOf(set);
    const known = indexes.get(key);
    if (known !== undefined) return known;
    const index = sets.length;
    if (index >= SETS_MAX) return -1;
    const own = { subscriptionIds: subscriptionIds.slice(), group };
    sets.push(own);
    indexes.set(key, index);
    options.onNew(index, own);
    return index;
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
    pack(qos, retain, subscriptionIds, group) {
      const base = qos | (retain ? RETAIN : 0);
      const identifier = group === undefined ? identifierOf(subscriptionIds) : -1;
      if (identifier >= 0) return (base | (identifier << VALUE_SHIFT)) >>> 0;
      const index = setOf(subscriptionIds, group);
      return index < 0 ? -1 : (base | (index << VALUE_SHIFT) | SET) >>> 0;
    },
    subscriptionIdsOf(packed) {
      const value = (packed >>> VALUE_SHIFT) & VALUE_BITS;
      if ((packed & SET) === 0) return identifierBytes(value);
      return sets[value]?.subscriptionIds ?? NO_IDENTIFIERS;
    },
    groupOf: (packed) =>
      (packed & SET) === 0 ? undefined : sets[(packed >>> VALUE_SHIFT) & VALUE_BITS]?.group,
    restore(index, set) {
      while (sets.length < index) sets.push(undefined);
      sets[index] = set;
      indexes.set(keyOf(set), index);
    },
  };
  return options;
}
