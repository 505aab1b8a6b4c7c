/**
 * Share sessions: which partitions a member reads, remembered between its requests. A session ends with its connection, and what the
 * member has comes back. A bounded number of them; at the bound a new one is refused.
 */
export interface SessionPartition {
  readonly topicId: string;
  readonly partition: number;
}

export interface ShareSession {
  readonly group: string;
  readonly member: string;
  /** Of the next request. */
  epoch: number;
  readonly partitions: Map<string, SessionPartition>;
}

export interface ShareSessions {
  get(group: string, member: string): ShareSession | undefined;
  /** Instead of the one that there was; undefined where there is no room. `unwatch` is called when it ends. */
  create(group: string, member: string, unwatch: () => void): ShareSession | undefined;
  close(session: ShareSession): void;
  readonly count: number;
}

const MAX_EPOCH = 2 ** 31 - 1;

/** Epochs go on from 1 behind the largest. */
export const nextShareEpoch = (epoch: number): number => (epoch === MAX_EPOCH ? 1 : epoch + 1);

export const sessionKey = (topicId: string, partition: number): string => `${partition} ${topicId}`;

export function createShareSessions(maxSessions: number): ShareSessions {
  const sessions = new Map<string, { readonly session: ShareSession; readonly unwatch: () => void }>();
  const keyOf = (group: string, member: string): string => `${group.length} ${group}${member}`;
  const close = ({ group, member }: ShareSession): void => {
    const key = keyOf(group, member);
    sessions.get(key)?.unwatch();
    sessions.delete(key);
  };
  return {
    get: (group, member) => sessions.get(keyOf(group, member))?.session,
    create(group, member, unwatch) {
      const known = sessions.get(keyOf(group, member));
      if (known !== undefined) close(known.session);
      if (sessions.size >= maxSessions) return undefined;
      const session: ShareSession = { group, member, epoch: 1, partitions: new Map() };
      sessions.set(keyOf(group, member), { session, unwatch });
      return session;
    },
    close,
    get count() {
      return sessions.size;
    },
  };
}
