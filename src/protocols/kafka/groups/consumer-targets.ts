/** What the members of a consumer group are to have: the topics that they read, and the next epoch's targets. */
import { ownerOfName } from '../../../security/tenants/owners.ts';
import type { Topics } from '../topics/topics.ts';
import { isSameAssignment } from './assignment.ts';
import { ASSIGNORS, type AssignorMember } from './assignors.ts';
import {
  assignorOf,
  type ConsumerGroup,
  type ConsumerMember,
  type SubscribedTopic,
} from './consumer-group.ts';

type KnownTopics = Pick<Topics, 'get' | 'list'>;

interface Resolved {
  readonly topics: ReadonlyMap<string, SubscribedTopic>;
  /** By pattern. */
  readonly matched: ReadonlyMap<string, readonly string[]>;
}

/** The topics that members read now, and the names that each pattern matches. */
export function resolveTopics(group: ConsumerGroup, known: KnownTopics): Resolved {
  const topics = new Map<string, SubscribedTopic>();
  const add = (name: string): void => {
    const topic = topics.has(name) ? undefined : known.get(name);
    if (topic !== undefined) topics.set(name, { id: topic.id, partitions: topic.partitions.length });
  };
  const matched = new Map<string, string[]>();
  const { fromKafkaTopic } = ownerOfName(group.id);
  for (const { topicNames, regex, pattern } of group.members.values()) {
    for (const name of topicNames) add(name);
    if (pattern === undefined || matched.has(regex)) continue;
    const names: string[] = [];
    // Kafka's own topics, too: clients leave them out where they want to.
    for (const { name } of known.list()) {
      const written = fromKafkaTopic(name);
      if (written !== undefined && pattern.matches(written)) names.push(name);
    }
    for (const name of names) add(name);
    matched.set(regex, names);
  }
  return { topics, matched };
}

export function isSameTopics(
  a: ReadonlyMap<string, SubscribedTopic>,
  b: ReadonlyMap<string, SubscribedTopic>,
): boolean {
  if (a.size !== b.size) return false;
  for (const [name, { id, partitions }] of a) {
    const other = b.get(name);
    if (other?.id !== id || other.partitions !== partitions) return false;
  }
  return true;
}

/** The group is of the next epoch then; these have another target than before. */
export function nextTargets(group: ConsumerGroup, known: KnownTopics): ConsumerMember[] {
  const { topics, matched } = resolveTopics(group, known);
  group.topics = topics;
  group.isStale = false;
  group.epoch++;
  group.assignmentEpoch = group.epoch;
  const assign = ASSIGNORS.get(assignorOf(group));
  const members: AssignorMember[] = [];
  const subscriptions = new Map<string, ReadonlySet<string>>();
  for (const { id, instanceId, topicNames, regex, target } of group.members.values()) {
    const subscription = `${topicNames.join()} ${regex}`;
    let topicIds = subscriptions.get(subscription);
    if (topicIds === undefined) {
      const names = [...topicNames, ...(matched.get(regex) ?? [])];
      topicIds = new Set(names.flatMap((name) => topics.get(name)?.id ?? []));
      subscriptions.set(subscription, topicIds);
    }
    members.push({ id, instanceId, topicIds, target });
  }
  const counts = new Map([...topics.values()].map(({ id, partitions }) => [id, partitions]));
  const changed: ConsumerMember[] = [];
  for (const [id, target] of assign?.(members, counts) ?? []) {
    const member = group.members.get(id);
    if (member === undefined || isSameAssignment(member.target, target)) continue;
    member.target = target;
    changed.push(member);
  }
  return changed;
}
