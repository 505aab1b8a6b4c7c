/**
 * What the rules of all protocols say about resources of Kafka: the topic `a.b` is the address `a/b`, to write is to publish, to
 * read is to subscribe, and to create, delete or alter is to manage. Groups and transactional ids are not theirs; the cluster
 * is for those who have the scope of the node.
 */

import { kafkaAddress } from '../../../security/authorization/addresses.ts';
import type { Authorization, Decision } from '../../../security/authorization/authorization.ts';
import type { NodeScope } from '../../../security/authorization/scopes.ts';
import type { Action, Principal } from '../../../security/security.ts';
import { isInternalName, nameFault } from '../topics/names.ts';
import { allowing, bits, EVERY_OPERATION, Operation, ResourceType } from './vocabulary.ts';

export interface CommonRules {
  /** Operations that rules allow, and that they deny; see `allowing`. */
  said(principal: Principal, type: ResourceType, name: string): number;
  /** Operations that are allowed where neither rules nor lists say anything; there are no lists. */
  unsaid(principal: Principal, type: ResourceType): number;
  /** Whether there is any topic that rules let it publish to. */
  publishesAnywhere(principal: Principal): boolean;
  onChange(listener: () => void): () => void;
}

export interface CommonRulesOptions {
  readonly authorization: Pick<Authorization, 'decide' | 'mayUse' | 'onChange'>;
  /** What rules say nothing about is allowed. */
  readonly isOpen: (principal: Principal) => boolean;
}

const { Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs } = Operation;
const CHANGES = bits(Create, Delete, Alter, AlterConfigs);
const ACTIONS: readonly (readonly [Action, number])[] = [
  ['publish', bits(Write)],
  ['subscribe', bits(Read)],
  ['manage', bits(Create, Delete, Alter, AlterConfigs, DescribeConfigs)],
];
const DESCRIBE = bits(Describe);

/** The rest of the operations on the cluster is every client's: it gets nowhere without a topic. */
const SCOPES: readonly (readonly [NodeScope, number])[] = [
  ['users:write', bits(Alter)],
  ['users:read', bits(Describe)],
  ['config:write', bits(AlterConfigs)],
  ['config:read', bits(DescribeConfigs)],
  ['node:write', bits(Operation.ClusterAction)],
];
const ANYBODYS = bits(Operation.IdempotentWrite);
const OF_CLIENTS: ReadonlySet<ResourceType> = new Set([ResourceType.Group, ResourceType.TransactionalId]);

/** Decisions that are remembered; above, all are forgotten. */
const MAX_REMEMBERED = 131_072;
/** Longer ones are no topics, and quickly decided about. */
const MAX_NAME_CHARS = 249;

const isSaid = ({ reason }: Decision): boolean => reason !== 'no-match' && reason !== 'malformed';

export function createCommonRules({ authorization, isOpen }: CommonRulesOptions): CommonRules {
  let known = new WeakMap<Principal, Map<string, number>>();
  let remembered = 0;
  const forget = (): void => {
    known = new WeakMap();
    remembered = 0;
  };
  authorization.onChange(forget);

  const ofTopic = (principal: Principal, name: string): number => {
    // There is no such topic, and never will be.
    if (nameFault(name) !== undefined) return allowing(0, 0);
    const address = kafkaAddress(name);
    let allowed = 0;
    // Whoever made one would be taken by tools for the broker.
    let denied = isInternalName(name) ? CHANGES : 0;
    let denials = 0;
    for (const [action, operations] of ACTIONS) {
      const decision = authorization.decide(principal, action, address);
      if (!isSaid(decision)) continue;
      if (decision.isAllowed) allowed |= operations | DESCRIBE;
      else {
        denied |= operations;
        denials++;
      }
    }
    if (denials === ACTIONS.length) denied |= DESCRIBE;
    return allowing(allowed, denied);
  };

  const ofCluster = (principal: Principal): number => {
    let allowed = 0;
    for (const [scope, operations] of SCOPES) {
      if (authorization.mayUse(principal, scope)) allowed |= operations;
    }
    return allowing(allowed, 0);
  };

  return {
    said(principal, type, name) {
      if (type !== ResourceType.Topic) {
        if (principal.isSuperuser) return allowing(EVERY_OPERATION, 0);
        return type === ResourceType.Cluster ? ofCluster(principal) : allowing(0, 0);
      }
      if (name.length > MAX_NAME_CHARS) return ofTopic(principal, name);
      let topics = known.get(principal);
      const found = topics?.get(name);
      if (found !== undefined) return found;
      if (remembered >= MAX_REMEMBERED) {
        forget();
        topics = undefined;
      }
      if (topics === undefined) {
        topics = new Map();
        known.set(principal, topics);
      }
      const decided = ofTopic(principal, name);
      topics.set(name, decided);
      remembered++;
      return decided;
    },
    unsaid(principal, type) {
      if (isOpen(principal) || OF_CLIENTS.has(type)) return EVERY_OPERATION;
      return type === ResourceType.Cluster ? ANYBODYS : 0;
    },
    publishesAnywhere(principal) {
      const { isAllowed, reason } = authorization.decide(principal, 'publish', '#', true);
      return (isAllowed && reason !== 'no-match') || reason === 'too-wide';
    },
    onChange: (listener) => authorization.onChange(listener),
  };
}
