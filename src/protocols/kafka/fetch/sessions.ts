/**
 * Fetch sessions: what a client reads, remembered between its requests, so that neither side repeats what has not changed
 * (KIP-227). A bounded number of them; the one not used for longest gives way, and its client begins anew.
 */
import { ZERO_UUID } from '../schema/fields.ts';

export interface FetchPosition {
  readonly topic: string;
  /** Of clients that name topics by their ids. */
  readonly topicId: string;
  readonly partition: number;
  fetchOffset: number;
  maxBytes: number;
  currentLeaderEpoch: number;
  lastFetchedEpoch: number;
  /** What the client was told last; -1 is nothing yet. */
  toldHighWatermark: number;
  toldStart: number;
  /** It was told an error, so that the next answer without one is news. */
  toldError: boolean;
}

export interface FetchSession {
  readonly id: number;
  /** Of the next request. */
  epoch: number;
  readonly usesIds: boolean;
  readonly tenant: string;
  /** In the order in which they are looked at: those that brought something go to the end. */
  readonly positions: Map<string, FetchPosition>;
}

export interface FetchSessions {
  /** undefined when there are none here. */
  create(usesIds: boolean, tenant: string): FetchSession | undefined;
  /** Counts as a use. There is none of another tenant. */
  get(id: number, tenant: string): FetchSession | undefined;
  close(id: number, tenant: string): void;
  readonly count: number;
}

const MAX_ID = 2 ** 31 - 1;

export const positionKey = (topic: string, topicId: string, partition: number): string =>
  topicId === ZERO_UUID ? `${partition} ${topic}` : `${partition}#${topicId}`;

/** Epochs go on from 1 behind the largest. */
export const nextEpoch = (epoch: number): number => (epoch === MAX_ID ? 1 : epoch + 1);

export function createFetchSessions(maxSessions: number, random: () => number): FetchSessions {
  /** From the one not used for longest on. */
  const sessions = new Map<number, FetchSession>();
  return {
    create(usesIds, tenant) {
      if (maxSessions === 0) return undefined;
      if (sessions.size >= maxSessions) {
        const [oldest] = sessions.keys();
        if (oldest !== undefined) sessions.delete(oldest);
      }
      let id: number;
      do id = 1 + Math.floor(random() * (MAX_ID - 1));
      while (sessions.has(id));
      const session = { id, epoch: 1, usesIds, tenant, positions: new Map() };
      sessions.set(id, session);
      return session;
    },
    get(id, tenant) {
      const session = sessions.get(id);
      if (session?.tenant !== tenant) return undefined;
      sessions.delete(id);
      sessions.set(id, session);
      return session;
    },
    close(id, tenant) {
      if (sessions.get(id)?.tenant === tenant) sessions.delete(id);
    },
    get count() {
      return sessions.size;
    },
  };
}
