/**
 * How the broker shares partitions among the members of a consumer group. `uniform` gives all of them as many as the others, as far
 * as their subscriptions allow, and leaves partitions where they are as long as that holds. `range` gives each topic's partitions in
 * neighbouring stretches, so that partitions of the same number of several topics are together.
 */
import type { Assignment } from './assignment.ts';

export interface AssignorMember {
  readonly id: string;
  readonly instanceId: string | null;
  /** Ids of topics that there are. */
  readonly topicIds: ReadonlySet<string>;
  /** What it was given the last time. */
  readonly target: Assignment;
}

export type Assignor = (
  members: readonly AssignorMember[],
  /** How many partitions a topic has. */
  partitionsOf: ReadonlyMap<string, number>,
) => ReadonlyMap<string, Assignment>;

type Parts = Map<string, number[]>;

const byPlace = (a: AssignorMember, b: AssignorMember): number => {
  const [one, other] = [a.instanceId ?? a.id, b.instanceId ?? b.id];
  return one < other ? -1 : one > other ? 1 : 0;
};

function give(to: Parts, topicId: string, partition: number): void {
  const numbers = to.get(topicId);
  if (numbers === undefined) to.set(topicId, [partition]);
  else numbers.push(partition);
}

function sorted(parts: Parts): Assignment {
  for (const numbers of parts.values()) numbers.sort((a, b) => a - b);
  return parts;
}

export const assignRanges: Assignor = (members, partitionsOf) => {
  const inOrder = [...members].sort(byPlace);
  const given = new Map<string, Parts>(members.map(({ id }) => [id, new Map()]));
  for (const [topicId, count] of partitionsOf) {
    const readers = inOrder.filter(({ topicIds }) => topicIds.has(topicId));
    let next = 0;
    for (const [i, { id }] of readers.entries()) {
      const share = Math.floor(count / readers.length) + (i < count % readers.length ? 1 : 0);
      const numbers = Array.from({ length: share }, (_, offset) => next + offset);
      if (share > 0) given.get(id)?.set(topicId, numbers);
      next += share;
    }
  }
  return given;
};

/** A member in the making of a uniform assignment. */
interface Share {
  readonly member: AssignorMember;
  readonly parts: Parts;
  load: number;
}

/** What each keeps of what it had; `taken` by topic and partition. */
function keepWhatWas(
  shares: readonly Share[],
  partitionsOf: ReadonlyMap<string, number>,
  taken: ReadonlyMap<string, (Share | undefined)[]>,
): void {
  for (const share of shares) {
    for (const [topicId, numbers] of share.member.target) {
      const owners = taken.get(topicId);
      const count = partitionsOf.get(topicId) ?? 0;
      if (owners === undefined || !share.member.topicIds.has(topicId)) continue;
      for (const number of numbers) {
        if (number >= count || owners[number] !== undefined) continue;
        owners[number] = share;
        share.load++;
      }
    }
  }
}

/** The reader of a topic that has least. */
function leastLoaded(readers: readonly Share[]): Share {
  let least = readers[0];
  for (const each of readers) if (each.load < least.load) least = each;
  return least;
}

/**
 * Moves single partitions from who has more to who has less by at least two, until there is no such pair for any topic: each move
 * brings loads closer together, so it ends.
 */
function level(
  readersOf: ReadonlyMap<string, readonly Share[]>,
  taken: ReadonlyMap<string, (Share | undefined)[]>,
): void {
  for (let hasMoved = true; hasMoved; ) {
    hasMoved = false;
    for (const [topicId, owners] of taken) {
      const readers = readersOf.get(topicId) ?? [];
      if (readers.length < 2) continue;
      let least = leastLoaded(readers);
      for (let number = owners.length - 1; number >= 0; number--) {
        const owner = owners[number];
        if (owner === undefined || owner.load - least.load < 2) continue;
        owners[number] = least;
        owner.load--;
        least.load++;
        hasMoved = true;
        least = leastLoaded(readers);
      }
    }
  }
}

export const assignUniformly: Assignor = (members, partitionsOf) => {
  const shares = [...members].sort(byPlace).map((member): Share => ({ member, parts: new Map(), load: 0 }));
  const taken = new Map<string, (Share | undefined)[]>();
  const readersOf = new Map<string, readonly Share[]>();
  for (const [topicId, count] of partitionsOf) {
    taken.set(topicId, new Array<Share | undefined>(count).fill(undefined));
    readersOf.set(
      topicId,
      shares.filter(({ member }) => member.topicIds.has(topicId)),
    );
  }
  keepWhatWas(shares, partitionsOf, taken);
  for (const [topicId, owners] of taken) {
    const readers = readersOf.get(topicId) ?? [];
    if (readers.length === 0) continue;
    for (const [number, owner] of owners.entries()) {
      if (owner !== undefined) continue;
      const least = leastLoaded(readers);
      owners[number] = least;
      least.load++;
    }
  }
  level(readersOf, taken);
  for (const [topicId, owners] of taken) {
    for (const [number, owner] of owners.entries())
      if (owner !== undefined) give(owner.parts, topicId, number);
  }
  return new Map(shares.map(({ member, parts }) => [member.id, sorted(parts)]));
};

export const ASSIGNORS: ReadonlyMap<string, Assignor> = new Map([
  ['uniform', assignUniformly],
  ['range', assignRanges],
]);
export const DEFAULT_ASSIGNOR = 'uniform';
