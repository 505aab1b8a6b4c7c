/**
 * From the router's answer to a flow in the data plane: subscribers whose deliveries need nothing of the host become
 * groups (one per encoding, shared between flows when equal), the rest is the flow's host part, served here.
 */
import type { Message } from '../../kernel/message.ts';
import type { SharedGroup } from '../../kernel/shared-group.ts';
import type { Tenant } from '../../security/tenants/tenants.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { aliasFor, hasLooseBacklog } from './deliver.ts';
import type { TopicRuleOf } from './durable/topic-rules.ts';
import { Outcome } from './outcome.ts';
import { type Target, targetsOf, toSession } from './route.ts';
import { Routed } from './routed.ts';
import { clientKeyOf, isDurable, type Session } from './session.ts';
import { deliverShared } from './shared.ts';

export interface Flows {
  /** False = there is no room, or nothing would be gained: the message is for `route`. The class is of the tenant. */
  install(classId: number, tenant: Tenant, topic: Uint8Array): boolean;
  /** The host's part of a message whose flow has served the rest. */
  serveHostPart(flowId: number, message: Message, publisher: Session | undefined): Routed;
  /** Who keeps each message of QoS 1 of the flow, and what that has to wait for; undefined = `serveHostPart` decides. */
  keepersOf(flowId: number): Keepers | undefined;
  /** Topic of a flow with a host part: owned, so that messages need not copy it. */
  topicOf(flowId: number): Uint8Array | undefined;
  /** What a group in the data plane encodes; undefined when it is gone. */
  encodingOf(group: number): GroupEncoding | undefined;
}

type Level = TopicRuleOf['level'];

export interface GroupEncoding {
  readonly qos: 0 | 1 | 2;
  readonly subscriptionIds: Uint8Array;
}

/** Durable sessions, and nobody else but the data plane's groups. */
export interface Keepers {
  readonly targets: readonly Target[];
  readonly level: Level;
}

interface GroupPlan extends GroupEncoding {
  readonly version: 3 | 5;
  readonly noLocal: boolean;
  readonly topicAlias: number;
  readonly members: number[];
}

interface InstalledGroup extends GroupEncoding {
  readonly number: number;
  /** Undefined: used by one flow only. */
  readonly key: string | undefined;
  references: number;
}

interface InstalledFlow {
  readonly groups: readonly InstalledGroup[];
  readonly topic: Uint8Array;
  readonly targets: readonly Target[];
  readonly shared: readonly SharedGroup[];
  readonly hasFastMembers: boolean;
  readonly keepers: Keepers | undefined;
}

/** Members in one group; more are split over several. Bounded by the data plane's scratch area. */
const MEMBERS_MAX = 32_768;
/** Longer member lists are not worth a key of that length. */
const SHARED_MEMBERS_MAX = 4096;
/** Groups with an alias have one member each and share nothing: only for the first few subscribers of a topic. */
const ALIAS_GROUPS_MAX = 8;
const IDENTIFIER_BYTES_MAX = 255;

export function createFlows(mqtt: Mqtt): Flows {
  const { dataPlane } = mqtt;
  const flows = new Map<number, InstalledFlow>();
  const byKey = new Map<string, InstalledGroup>();
  const byNumber = new Map<number, InstalledGroup>();

  dataPlane.onEvict = (flowId) => {
    const flow = flows.get(flowId);
    if (flow === undefined) return;
    flows.delete(flowId);
    for (const group of flow.groups) release(group);
  };

  function release(group: InstalledGroup): void {
    if (--group.references > 0) return;
    byNumber.delete(group.number);
    if (group.key !== undefined) byKey.delete(group.key);
    dataPlane.releaseGroup(group.number);
  }

  function acquire(plan: GroupPlan): InstalledGroup | undefined {
    const isShared = plan.topicAlias === 0 && plan.members.length <= SHARED_MEMBERS_MAX;
    const key = isShared ? `${planKey(plan)}:${plan.members.join()}` : undefined;
    const known = key === undefined ? undefined : byKey.get(key);
    if (known !== undefined) {
      known.references++;
      return known;
    }
    const number = dataPlane.createGroup({ ...plan, members: Uint32Array.from(plan.members) });
    if (number === 0) return undefined;
    const { qos, subscriptionIds } = plan;
    const group = { number, key, references: 1, qos, subscriptionIds };
    byNumber.set(number, group);
    if (key !== undefined) byKey.set(key, group);
    return group;
  }

  function install(classId: number, tenant: Tenant, topic: Uint8Array): boolean {
    const prefixBytes = topic.length - (tenant.fromTopic(topic)?.length ?? topic.length);
    const isCaptured = mqtt.streams.capturing(topic).length > 0;
    const matches = mqtt.router.match(topic);
    const shared = [...matches.groups];
    const { plans, rest } = plan(mqtt, tenant, targetsOf(mqtt, matches), topic);
    const groups: InstalledGroup[] = [];
    for (const each of plans) {
      const group = acquire(each);
      if (group === undefined) {
        for (const other of groups) release(other);
        return false;
      }
      groups.push(group);
    }
    const hasHostPart = rest.length > 0 || shared.length > 0 || isCaptured;
    const keepers = isCaptured || shared.length > 0 ? undefined : keepersAmong(mqtt, rest, topic);
    const flowId = dataPlane.installFlow(
      classId,
      topic,
      groups.map((group) => group.number),
      hasHostPart,
      keepers !== undefined,
      prefixBytes,
    );
    if (flowId < 0) {
      for (const group of groups) release(group);
      return false;
    }
    flows.set(flowId, { groups, topic, targets: rest, shared, hasFastMembers: groups.length > 0, keepers });
    return true;
  }

  function serveHostPart(flowId: number, message: Message, publisher: Session | undefined): Routed {
    const flow = flows.get(flowId);
    if (flow === undefined) return Routed.Unmatched;
    let taken = flow.hasFastMembers;
    let isRefused = false;
    const note = (outcome: Outcome): void => {
      if (outcome === Outcome.Refused) isRefused = true;
      else taken = true;
    };
    for (const target of flow.targets) {
      const session = mqtt.sessions.byNumber(target.sink);
      if (session === undefined) continue;
      if (target.noLocal && clientKeyOf(session) === message.publisher) taken = true;
      else note(toSession(mqtt, session, target, message));
    }
    const publisherHash = publisher?.clientHash ?? 0;
    for (const group of flow.shared) note(deliverShared(mqtt, group, message, publisherHash));
    if (taken) return Routed.Delivered;
    return isRefused ? Routed.Refused : Routed.Unmatched;
  }

  return {
    install,
    serveHostPart,
    keepersOf: (flowId) => flows.get(flowId)?.keepers,
    topicOf: (flowId) => flows.get(flowId)?.topic,
    encodingOf: (group) => byNumber.get(group),
  };
}

/** Undefined where a message needs more than to be kept: each is looked at then. */
function keepersAmong(mqtt: Mqtt, targets: readonly Target[], topic: Uint8Array): Keepers | undefined {
  if (targets.length === 0 || mqtt.config.mqtt.maxMessageExpirySeconds !== 0) return undefined;
  const { storage, level } = mqtt.durable.ruleOf(topic);
  if (storage !== 'journal') return undefined;
  const seen = new Set<number>();
  for (const { sink, qos, noLocal } of targets) {
    // Who gets a message twice gets it again before the next one.
    if (seen.has(sink)) return undefined;
    seen.add(sink);
    const session = mqtt.sessions.byNumber(sink);
    if (session === undefined || !isDurable(session) || qos === 0 || noLocal) return undefined;
  }
  return { targets, level };
}

/** Whether the data plane alone can deliver: a connected session that owes nothing to a later connection. */
function isFast(session: Session, target: Target): Connection | undefined {
  const { connection } = session;
  if (connection === undefined || !connection.isOpen) return undefined;
  if (isDurable(session) && (target.qos > 0 || hasLooseBacklog(session))) return undefined;
  return target.subscriptionIds.length <= IDENTIFIER_BYTES_MAX ? connection : undefined;
}

function plan(
  mqtt: Mqtt,
  tenant: Tenant,
  targets: readonly Target[],
  topic: Uint8Array,
): { readonly plans: readonly GroupPlan[]; readonly rest: readonly Target[] } {
  const rest: Target[] = [];
  const plans: GroupPlan[] = [];
  const open = new Map<string, GroupPlan>();
  /** How often a slot was seen: a group has each member once, a second delivery takes a second group. */
  const seen = new Map<number, number>();
  let aliases = 0;
  for (const target of targets) {
    const session = mqtt.sessions.byNumber(target.sink);
    if (session === undefined || !mqtt.access.receives(session, topic)) continue;
    // Who sees the topic by another name gets other bytes.
    const isSame = session.tenant.name === tenant.name;
    const connection = isSame ? isFast(session, target) : undefined;
    if (connection === undefined) {
      rest.push(target);
      continue;
    }
    const round = seen.get(connection.slot) ?? 0;
    seen.set(connection.slot, round + 1);
    const mayAlias = connection.aliasMaximumOut > 0 && aliases < ALIAS_GROUPS_MAX && round === 0;
    const topicAlias = mayAlias ? (aliasFor(connection, { topic })?.alias ?? 0) : 0;
    const fresh: GroupPlan = {
      version: connection.version === 5 ? 5 : 3,
      qos: target.qos,
      subscriptionIds: target.subscriptionIds,
      noLocal: target.noLocal,
      topicAlias,
      members: [connection.slot],
    };
    if (topicAlias > 0) {
      aliases++;
      plans.push(fresh);
      continue;
    }
    const key = `${planKey(fresh)}:${round}`;
    const group = open.get(key);
    if (group !== undefined && group.members.length < MEMBERS_MAX) {
      group.members.push(connection.slot);
    } else {
      open.set(key, fresh);
      plans.push(fresh);
    }
  }
  return { plans, rest };
}

function planKey(plan: GroupPlan): string {
  const identifiers = Buffer.from(plan.subscriptionIds).toString('latin1');
  return `${plan.version}${plan.qos}${plan.noLocal ? 'L' : ''}:${plan.version === 5 ? identifiers : ''}`;
}
