/**
 * Publisher classes: connections whose publishes are decided alike have one number and share flows. Numbers are never
 * reused, so that a flow cannot outlive the class it was decided for.
 */
import type { Authorizer } from './auth.ts';
import type { Connection } from './connection.ts';
import type { Session } from './session.ts';

export interface PublisherClasses {
  classOf(connection: Connection, session: Session): number;
}

const USERS_KEPT_MAX = 65_536;
/** Above every class by session. */
const FIRST_USER_CLASS = 0x8000_0000;
const LAST_CLASS = 0xffff_ffff;

export function createPublisherClasses(authorizer: Authorizer): PublisherClasses {
  const byUser = new Map<string, number>();
  let next = FIRST_USER_CLASS;

  function ofUser(userName: string): number {
    const known = byUser.get(userName);
    if (known !== undefined) return known;
    // Forgetting costs the fast path of those users' flows, once.
    if (byUser.size >= USERS_KEPT_MAX) byUser.clear();
    const fresh = next;
    next = next === LAST_CLASS ? FIRST_USER_CLASS : next + 1;
    byUser.set(userName, fresh);
    return fresh;
  }

  return {
    classOf(connection, session) {
      if (authorizer.scope === 'none') return 0;
      if (authorizer.scope === 'client') return session.serial;
      return ofUser(connection.identity?.userName ?? '');
    },
  };
}
