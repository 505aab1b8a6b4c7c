/**
 * A shared subscription: one of its members gets each message. Which one, is a strategy; what makes a member eligible
 * (connected, not full) is the caller's. A group never holds two memberships of one sink.
 */

export type SharedStrategy = 'round-robin' | 'random' | 'sticky' | 'hash-client' | 'hash-topic';

export interface SharedMember {
  readonly sink: number;
  readonly options: number;
  readonly identifier: number;
}

export interface PickContext {
  /** Stands for the publishing client: equal for all its messages. */
  readonly publisherKey: number;
  readonly topicHash: number;
  readonly eligible: (sink: number) => boolean;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Only its owner, the router, lets members join and leave. */
export class SharedGroup {
  readonly name: string;
  readonly filter: Uint8Array;
  /** Where round robin goes on. */
  turn = 0;
  /** The member that sticky stays with. */
  favourite: number | undefined;
  readonly #members: SharedMember[] = [];
  readonly #positions = new Map<number, number>();

  constructor(name: string, filter: Uint8Array) {
    this.name = name;
    this.filter = filter;
  }

  /** In the order of joining, but that the last takes the place of one that leaves. */
  get members(): readonly SharedMember[] {
    return this.#members;
  }

  join(member: SharedMember): 'new' | 'changed' | 'same' {
    const position = this.#positions.get(member.sink);
    if (position === undefined) {
      this.#positions.set(member.sink, this.#members.length);
      this.#members.push(member);
      return 'new';
    }
    const old = this.#members[position];
    this.#members[position] = member;
    return old?.options === member.options && old.identifier === member.identifier ? 'same' : 'changed';
  }

  leave(sink: number): boolean {
    const position = this.#positions.get(sink);
    const last = this.#members.pop();
    if (position === undefined || last === undefined) {
      if (last !== undefined) this.#members.push(last);
      return false;
    }
    this.#positions.delete(sink);
    if (last.sink !== sink) {
      this.#members[position] = last;
      this.#positions.set(last.sink, position);
    }
    if (this.favourite === sink) this.favourite = undefined;
    return true;
  }

  member(sink: number): SharedMember | undefined {
    const position = this.#positions.get(sink);
    return position === undefined ? undefined : this.#members[position];
  }
}

/** The first eligible member from `start` on, going round once. */
function from(group: SharedGroup, start: number, eligible: (sink: number) => boolean): number {
  const count = group.members.length;
  for (let i = 0; i < count; i++) {
    const position = (start + i) % count;
    const member = group.members[position];
    if (member !== undefined && eligible(member.sink)) return position;
  }
  return -1;
}

/** Spreads neighbouring keys over the members (a finalizer of 32-bit hashes). */
function spread(key: number): number {
  let h = key | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * The member that gets the next message, undefined when nobody is eligible. By hash, a key stays with its member while
 * the members stay the same; a member that is not eligible passes its keys to the next one.
 */
export function pick(
  group: SharedGroup,
  strategy: SharedStrategy,
  context: PickContext,
): SharedMember | undefined {
  const { members } = group;
  const count = members.length;
  if (count === 0) return undefined;
  switch (strategy) {
    case 'round-robin': {
      const position = from(group, group.turn, context.eligible);
      if (position < 0) return undefined;
      group.turn = (position + 1) % count;
      return members[position];
    }
    case 'random':
      return members[from(group, Math.floor(context.random() * count), context.eligible)];
    case 'sticky': {
      if (group.favourite !== undefined && context.eligible(group.favourite)) {
        const favourite = group.member(group.favourite);
        if (favourite !== undefined) return favourite;
      }
      const chosen = members[from(group, Math.floor(context.random() * count), context.eligible)];
      group.favourite = chosen?.sink;
      return chosen;
    }
    case 'hash-client':
      return members[from(group, spread(context.publisherKey) % count, context.eligible)];
    case 'hash-topic':
      return members[from(group, spread(context.topicHash) % count, context.eligible)];
  }
}
