/**
 * All sessions, by client identifier and by number. Numbers are the router's sinks: small integers, reused in the
 * order they were freed. Bounded: `create` refuses above `maxSessions`. What is on disk has its place also above it: a start
 * that replays it can meet sessions that have ended beside those that came after them.
 */

import { withAccessors } from '../../kernel/with-accessors.ts';
import { createSession, type Session } from './session.ts';

/** Identifiers are as the broker names them. */
export interface SessionRegistry {
  get(clientId: string): Session | undefined;
  byNumber(number: number): Session | undefined;
  /** The identifier must not be taken. Undefined when the table is full. */
  create(clientId: string, expirySeconds: number): Session | undefined;
  /** A session that is on disk. The identifier must not be taken. */
  restore(clientId: string, expirySeconds: number, serial: number): Session;
  /** None up to this one is given again. */
  reserveSerials(upTo: number): void;
  remove(session: Session): void;
  readonly count: number;
  /** Above every number in use. */
  readonly numbers: number;
  all(): IterableIterator<Session>;
}

export function createSessionRegistry(maxSessions: number): SessionRegistry {
  const byClientId = new Map<string, Session>();
  const byNumber: (Session | undefined)[] = [];
  let freed: number[] = [];
  let freedFrom = 0;
  let nextSerial = 1;

  function takeNumber(): number {
    if (freedFrom >= freed.length) return byNumber.length;
    const number = freed[freedFrom++] as number;
    if (freedFrom > 1024 && freedFrom * 2 > freed.length) {
      freed = freed.slice(freedFrom);
      freedFrom = 0;
    }
    return number;
  }

  function restore(clientId: string, expirySeconds: number, serial: number): Session {
    const session = createSession(takeNumber(), serial, clientId, expirySeconds);
    if (serial >= nextSerial) nextSerial = serial + 1;
    byNumber[session.number] = session;
    byClientId.set(clientId, session);
    return session;
  }

  return withAccessors<SessionRegistry, 'count' | 'numbers'>(
    {
      get count() {
        return byClientId.size;
      },
      get numbers() {
        return byNumber.length;
      },
    },
    {
      get: (clientId) => byClientId.get(clientId),
      byNumber: (number) => byNumber[number],
      create(clientId, expirySeconds) {
        if (byClientId.size >= maxSessions) return undefined;
        return restore(clientId, expirySeconds, nextSerial);
      },
      restore,
      reserveSerials(upTo) {
        if (upTo >= nextSerial) nextSerial = upTo + 1;
      },
      remove(session) {
        if (byClientId.get(session.clientId) !== session) return;
        byClientId.delete(session.clientId);
        byNumber[session.number] = undefined;
        freed.push(session.number);
      },
      all: () => byClientId.values(),
    },
  );
}
