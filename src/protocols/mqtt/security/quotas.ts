/**
 * How much of the broker a user and its tenant have of sessions, subscriptions and retained messages, where that is limited: what is there is
 * charged to whose it is. Where nothing is limited nothing is remembered. A retained message counts for who set it last, as far as
 * this process has seen it.
 */
import type { Quotas, UserLimits } from '../../../security/guard/quotas.ts';
import type { Principal } from '../../../security/security.ts';
import type { Mqtt } from '../context.ts';
import type { Session } from '../session.ts';

export interface SessionQuotas {
  mayOpen(principal: Principal): boolean;
  /** It is there, whether new or from before. */
  opened(session: Session): void;
  ended(session: Session): void;
  trySubscribe(session: Session): boolean;
  unsubscribed(session: Session): void;
  /** Whether its message for the topic may be retained; false when that would be one too many. */
  tryRetain(publisher: Session | undefined, topic: Uint8Array, isRemoval: boolean): boolean;
}

const NO_QUOTAS: SessionQuotas = {
  mayOpen: () => true,
  opened: () => {},
  ended: () => {},
  trySubscribe: () => true,
  unsubscribed: () => {},
  tryRetain: () => true,
};

const isAnyLimit = ({ maxSessions, maxSubscriptions, maxRetained }: UserLimits): boolean =>
  maxSessions + maxSubscriptions + maxRetained > 0;

interface Charged {
  readonly owner: Principal;
  isSession: boolean;
  subscriptions: number;
}

const keyOf = (topic: Uint8Array): string =>
  Buffer.from(topic.buffer, topic.byteOffset, topic.byteLength).toString('latin1');

export function createSessionQuotas(mqtt: Mqtt): SessionQuotas {
  const { gate } = mqtt;
  const { guard, tenants } = mqtt.config;
  const ofUsers = isAnyLimit(guard.user);
  const ofTenants = [tenants.limits, ...tenants.list].some(isAnyLimit);
  if (gate === undefined || !(ofUsers || ofTenants)) return NO_QUOTAS;
  const { quotas } = gate;
  const isLimited = ({ tenant }: Principal): boolean => ofUsers || tenant !== '';
  const isRetainedLimited = ({ tenant }: Principal): boolean =>
    guard.user.maxRetained > 0 || (tenant !== '' && gate.tenants.limitsOf(tenant).maxRetained > 0);
  const charged = new Map<Session, Charged>();
  const retained = createRetainedOwners(mqtt, quotas);
  return {
    mayOpen(principal) {
      if (!isLimited(principal)) return true;
      if (!quotas.tryAdd(principal, 'sessions')) return false;
      quotas.remove(principal, 'sessions');
      return true;
    },
    opened(session) {
      const { principal: owner } = session;
      if (owner === undefined || !isLimited(owner)) return;
      const count = mqtt.router.countOf(session.number);
      const isSession = quotas.tryAdd(owner, 'sessions');
      const isCounted = count > 0 && quotas.tryAdd(owner, 'subscriptions', count);
      charged.set(session, { owner, isSession, subscriptions: isCounted ? count : 0 });
    },
    ended(session) {
      const what = charged.get(session);
      if (what === undefined) return;
      charged.delete(session);
      if (what.isSession) quotas.remove(what.owner, 'sessions');
      if (what.subscriptions > 0) quotas.remove(what.owner, 'subscriptions', what.subscriptions);
    },
    trySubscribe(session) {
      const what = charged.get(session);
      if (what === undefined) return true;
      if (!quotas.tryAdd(what.owner, 'subscriptions')) return false;
      what.subscriptions++;
      return true;
    },
    unsubscribed(session) {
      const what = charged.get(session);
      if (what === undefined || what.subscriptions === 0) return;
      what.subscriptions--;
      quotas.remove(what.owner, 'subscriptions');
    },
    tryRetain(publisher, topic, isRemoval) {
      const owner = publisher?.principal;
      if (owner === undefined || !isRetainedLimited(owner)) return true;
      return retained(owner, keyOf(topic), isRemoval);
    },
  };
}

/** As large as what is retained and limited: a topic whose message has expired is found out when its owner wants one more. */
function createRetainedOwners({ retained }: Mqtt, quotas: Quotas) {
  const owners = new Map<string, Principal>();

  const release = (topic: string): void => {
    const owner = owners.get(topic);
    if (owner === undefined) return;
    owners.delete(topic);
    quotas.remove(owner, 'retained');
  };

  const releaseExpired = ({ tenant, userName }: Principal): boolean => {
    let isAny = false;
    for (const [topic, owner] of owners) {
      if (owner.userName !== userName || owner.tenant !== tenant) continue;
      if (retained.get(Buffer.from(topic, 'latin1')) !== undefined) continue;
      release(topic);
      isAny = true;
    }
    return isAny;
  };

  return (owner: Principal, topic: string, isRemoval: boolean): boolean => {
    const former = owners.get(topic);
    if (isRemoval) {
      release(topic);
      return true;
    }
    if (former?.userName === owner.userName && former?.tenant === owner.tenant) return true;
    if (!quotas.tryAdd(owner, 'retained')) {
      if (!releaseExpired(owner) || !quotas.tryAdd(owner, 'retained')) return false;
    }
    release(topic);
    owners.set(topic, owner);
    return true;
  };
}
