/** What ShareFetch and ShareAcknowledge have in common: who may, and the session that a request belongs to. */
import type { Caller, Kafka } from '../context.ts';
import { ErrorCode } from '../messages/errors.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import { nextShareEpoch, type ShareSession } from './sessions.ts';

export const FIRST_EPOCH = 0;
export const FINAL_EPOCH = -1;
/** Names of those who have records are kept with each of them. */
const MAX_MEMBER_ID = 255;

/** Said only of partitions that have moved; here none does. */
export const NO_LEADER = { leaderId: 0, leaderEpoch: 0 } as const;

export interface Named {
  readonly group: string;
  readonly member: string;
}

export type Admitted = (Named & { readonly error?: undefined }) | { readonly error: ErrorCode };

export function admit(
  kafka: Kafka,
  caller: Caller,
  { groupId, memberId }: { readonly groupId: string | null; readonly memberId: string | null },
): Admitted {
  if (!groupId || !memberId || memberId.length > MAX_MEMBER_ID) return { error: ErrorCode.INVALID_REQUEST };
  if (!kafka.authorizer.allows(caller, Operation.Read, ResourceType.Group, groupId)) {
    return { error: ErrorCode.GROUP_AUTHORIZATION_FAILED };
  }
  // Only the coordinator makes groups: who reads for one that there is not would leave state that nobody sees.
  if (kafka.shares.groups.find(groupId) === undefined) return { error: ErrorCode.GROUP_ID_NOT_FOUND };
  return { group: groupId, member: memberId };
}

/** A new one, which ends with the connection. */
export function beginSession(
  kafka: Kafka,
  caller: Caller,
  { group, member }: Named,
): ShareSession | undefined {
  const { shares } = kafka;
  const unwatch = caller.onClose(() => shares.leave(group, member));
  const session = shares.sessions.create(group, member, unwatch);
  if (session === undefined) unwatch();
  return session;
}

/** The session of a request that goes on with one. The last of a session has no number that would have to be the next. */
export function goOn({ shares }: Kafka, { group, member }: Named, epoch: number): ShareSession | ErrorCode {
  const session = shares.sessions.get(group, member);
  if (session === undefined) return ErrorCode.SHARE_SESSION_NOT_FOUND;
  if (epoch === FINAL_EPOCH) return session;
  if (epoch !== session.epoch) return ErrorCode.INVALID_SHARE_SESSION_EPOCH;
  session.epoch = nextShareEpoch(session.epoch);
  return session;
}
