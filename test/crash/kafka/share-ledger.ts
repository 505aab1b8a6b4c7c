/** What members of a share group were told of each record, and what that means for what they may be told later. */

export type Outcome = 'accept' | 'reject' | 'release';
/** Answered, refused (nothing was done), or nobody knows. */
export type Said = 'done' | 'refused' | 'unknown';

interface Entry {
  /** Its producer has been told that it is there. */
  isSure: boolean;
  accepted: Said | undefined;
  rejected: Said | undefined;
  /** Of the last delivery that was seen, and the life of the broker that it was in. */
  count: number;
  life: number;
  /** A delivery whose release was acknowledged stays counted. */
  releasedAt: number;
}

export interface Letter {
  readonly value: string;
  readonly reason: string;
  readonly deliveries: number;
}

export interface ShareLedger {
  readonly violations: readonly string[];
  readonly figures: {
    deliveries: number;
    accepted: number;
    rejected: number;
    released: number;
    again: number;
  };
  /** The broker was started once more. */
  begin(): void;
  fed(value: string, isSure: boolean): void;
  delivered(value: string, count: number, limit: number): void;
  settled(values: readonly string[], outcome: Outcome, said: Said): void;
  complain(what: string): void;
  /** Those that have to be handed out still, or to be dead letters. */
  open(letters: readonly Letter[]): string[];
  /** In the end, when nothing is handed out any more. */
  judge(letters: readonly Letter[], limit: number): void;
}

const MAX_VIOLATIONS = 50;

export function createShareLedger(): ShareLedger {
  const entries = new Map<string, Entry>();
  const violations: string[] = [];
  let life = 0;
  const figures = { deliveries: 0, accepted: 0, rejected: 0, released: 0, again: 0 };

  const complain = (what: string): void => {
    if (violations.length < MAX_VIOLATIONS) violations.push(what);
  };

  const entryOf = (value: string): Entry => {
    let entry = entries.get(value);
    if (entry === undefined) {
      entry = { isSure: false, accepted: undefined, rejected: undefined, count: 0, life: 0, releasedAt: 0 };
      entries.set(value, entry);
    }
    return entry;
  };

  const isSettled = ({ accepted, rejected }: Entry): boolean => accepted === 'done' || rejected === 'done';

  return {
    violations,
    figures,
    begin: () => void life++,
    fed(value, isSure) {
      const entry = entryOf(value);
      entry.isSure ||= isSure;
    },
    delivered(value, count, limit) {
      const entry = entryOf(value);
      figures.deliveries++;
      if (entry.count > 0) figures.again++;
      if (isSettled(entry)) {
        const how = entry.accepted === 'done' ? 'accepted' : 'rejected';
        complain(`${value} came again, delivery ${count}, after it was ${how}`);
      }
      // Of a settlement that nobody has heard of: it was not done.
      if (entry.accepted === 'unknown') entry.accepted = undefined;
      if (entry.rejected === 'unknown') entry.rejected = undefined;
      if (count > limit) complain(`${value} was delivered ${count} times where ${limit} are allowed`);
      if (entry.life === life && count <= entry.count) {
        complain(`${value} has delivery ${count} after ${entry.count}, in one life of the broker`);
      }
      if (count <= entry.releasedAt) {
        complain(`${value} has delivery ${count} after its delivery ${entry.releasedAt} was released`);
      }
      entry.count = count;
      entry.life = life;
    },
    settled(values, outcome, said) {
      for (const value of values) {
        const entry = entryOf(value);
        if (said === 'refused') continue;
        if (outcome === 'release') {
          if (said === 'done') {
            figures.released++;
            entry.releasedAt = Math.max(entry.releasedAt, entry.count);
          }
        } else if (outcome === 'accept') {
          entry.accepted = said;
          if (said === 'done') figures.accepted++;
        } else {
          entry.rejected = said;
          if (said === 'done') figures.rejected++;
        }
      }
    },
    complain,
    open(letters) {
      const dead = new Set(letters.map(({ value }) => value));
      return [...entries]
        .filter(([value, { isSure, accepted }]) => isSure && accepted === undefined && !dead.has(value))
        .map(([value]) => value);
    },
    judge(letters, limit) {
      const dead = new Map<string, number>();
      for (const { value, reason, deliveries } of letters) {
        dead.set(value, (dead.get(value) ?? 0) + 1);
        const entry = entries.get(value);
        if (entry === undefined) complain(`the dead letter ${value} was never fed`);
        else if (reason === 'rejected' && entry.rejected === undefined) {
          complain(`${value} is a dead letter as rejected, and nobody has rejected it`);
        } else if (reason === 'delivery-limit' && deliveries !== limit) {
          complain(`${value} is a dead letter after ${deliveries} deliveries of ${limit}`);
        } else if (reason !== 'rejected' && reason !== 'delivery-limit') {
          complain(`${value} is a dead letter for ${reason}`);
        }
      }
      for (const [value, { isSure, accepted, rejected }] of entries) {
        const letterCount = dead.get(value) ?? 0;
        if (letterCount > 1) complain(`${value} is a dead letter ${letterCount} times`);
        if (letterCount > 0 && accepted === 'done') complain(`${value} was accepted and is a dead letter`);
        if (letterCount === 0 && rejected === 'done') complain(`${value} was rejected and is no dead letter`);
        if (letterCount === 0 && accepted === undefined && isSure) {
          complain(`${value} was lost: neither accepted nor a dead letter`);
        }
      }
    },
  };
}
