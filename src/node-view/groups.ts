/** Groups of Kafka's consumers. */
import { OperationError } from '../admin/operation.ts';
import type {
  GroupDetail,
  GroupSummary,
  GroupsView,
  OffsetMove,
  Target,
} from '../admin/operations/groups.ts';
import type { Kafka } from '../protocols/kafka/context.ts';
import type { KafkaFrontEnd } from '../protocols/kafka/front-end.ts';
import { ErrorCode } from '../protocols/kafka/messages/errors.ts';
import { ZERO_UUID } from '../protocols/kafka/schema/fields.ts';
import { stateOf } from '../protocols/kafka/share/group.ts';
import { nameAsWritten, ownerOfName } from '../security/tenants/owners.ts';
import { isTenantName, tenantOf } from '../security/tenants/tenants.ts';
import { ask, expectDone } from './kafka-requests.ts';
import { firstNames } from './pages.ts';
import { served } from './topics.ts';

const MAX_MEMBERS = 1000;
const MAX_OFFSETS = 10_000;
const LATEST = -1;
const EARLIEST = -2;

interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Of a share group, which knows it itself. */
  readonly lag: number | undefined;
}

interface KnownGroup {
  /** As the broker calls it. */
  readonly id: string;
  readonly summary: GroupSummary;
}

/** undefined where there can be no such tenant. */
function idOf(group: string, tenant = ''): string | undefined {
  return tenant === '' || isTenantName(tenant) ? tenantOf(tenant).toName(group) : undefined;
}

const written = (id: string) => ({ group: nameAsWritten(id), tenant: ownerOfName(id).name || null });

function groupOf(kafka: Kafka, group: string, tenant?: string): KnownGroup | undefined {
  const id = idOf(group, tenant);
  const summary = id === undefined ? undefined : summaryOf(kafka, id);
  return id === undefined || summary === undefined ? undefined : { id, summary };
}

function summaryOf({ groups, shares }: Kafka, id: string): GroupSummary | undefined {
  const share = shares.groups.find(id);
  if (share !== undefined) {
    return { ...written(id), kind: 'share', state: stateOf(share), members: share.members.size };
  }
  const group = groups.find(id);
  if (group === undefined) return undefined;
  const { kind, state } = groups.summaryOf(id);
  return { ...written(id), kind, state, members: group.members.size };
}

async function placesOf(kafka: Kafka, { id: group, summary }: KnownGroup): Promise<Place[]> {
  if (summary.kind === 'share') {
    const { groups } = await ask(kafka, 'describeShareGroupOffsets', 1, {
      groups: [{ groupId: group, topics: null }],
    });
    expectDone(groups[0], group);
    return (groups[0]?.topics ?? []).flatMap(({ topicName, partitions }) =>
      partitions
        .filter(({ startOffset }) => startOffset >= 0)
        .map(({ partitionIndex, startOffset, lag }) => ({
          topic: topicName,
          partition: partitionIndex,
          offset: startOffset,
          lag,
        })),
    );
  }
  const { groups } = await ask(kafka, 'offsetFetch', 9, {
    groupId: '',
    topics: null,
    groups: [{ groupId: group, memberId: null, memberEpoch: -1, topics: null }],
    requireStable: false,
  });
  return (groups?.[0]?.topics ?? []).flatMap(({ name = '', partitions }) =>
    partitions
      .filter(({ committedOffset }) => committedOffset >= 0)
      .map(({ partitionIndex, committedOffset }) => ({
        topic: name,
        partition: partitionIndex,
        offset: committedOffset,
        lag: undefined,
      })),
  );
}

const byPlace = (a: { topic: string; partition: number }, b: { topic: string; partition: number }): number =>
  a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1;

function byTopicOf(moves: readonly OffsetMove[]): ReadonlyMap<string, OffsetMove[]> {
  const byTopic = new Map<string, OffsetMove[]>();
  for (const each of moves) {
    const ofTopic = byTopic.get(each.topic);
    if (ofTopic === undefined) byTopic.set(each.topic, [each]);
    else ofTopic.push(each);
  }
  return byTopic;
}

async function detailOf(kafka: Kafka, known: KnownGroup): Promise<GroupDetail> {
  const { id: name, summary } = known;
  const { groups, shares, topics } = kafka;
  const members = shares.groups.find(name)?.members ?? groups.find(name)?.members;
  const memberDetails: GroupDetail['memberDetails'][number][] = [];
  for (const { id, clientId, clientHost } of members?.values() ?? []) {
    if (memberDetails.length === MAX_MEMBERS) break;
    memberDetails.push({ memberId: id, clientId: clientId ?? '', host: clientHost });
  }
  const places = (await placesOf(kafka, known)).sort(byPlace);
  const offsets = places.map(({ topic, partition, offset, lag: said }) => {
    const there = topics.partition(topic, partition);
    const endOffset = there?.endOffset ?? null;
    const behind =
      there === undefined ? null : Math.max(0, there.endOffset - Math.max(offset, there.startOffset));
    return { topic, partition, offset, endOffset, lag: said === undefined || said < 0 ? behind : said };
  });
  return {
    ...summary,
    lag: offsets.reduce((sum, { lag }) => sum + (lag ?? 0), 0),
    memberDetails,
    offsets: offsets.slice(0, MAX_OFFSETS),
  };
}

/** Where the target is in each of these; those that are not there (any more) are left out. */
async function movesTo(kafka: Kafka, places: readonly OffsetMove[], target: Target): Promise<OffsetMove[]> {
  const moves: OffsetMove[] = [];
  const byTopic = byTopicOf(places);
  for (const [topic, ofTopic] of byTopic) {
    const timestamp = target.kind === 'time' ? target.timeMs : target.kind === 'earliest' ? EARLIEST : LATEST;
    const answer = await ask(kafka, 'listOffsets', 7, {
      replicaId: -1,
      isolationLevel: 0,
      timeoutMs: 0,
      topics: [
        {
          name: topic,
          partitions: ofTopic.map(({ partition }) => ({
            partitionIndex: partition,
            currentLeaderEpoch: -1,
            timestamp,
            maxNumOffsets: 1,
          })),
        },
      ],
    });
    const found = answer.topics[0]?.partitions ?? [];
    ofTopic.forEach((place, i) => {
      const { errorCode = ErrorCode.UNKNOWN_SERVER_ERROR, offset = -1 } = found[i] ?? {};
      const there = kafka.topics.partition(topic, place.partition);
      if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION || there === undefined) return;
      expectDone({ errorCode }, `${topic}/${place.partition}`);
      const { startOffset, endOffset } = there;
      const within = (wanted: number): number => Math.min(Math.max(wanted, startOffset), endOffset);
      const to =
        target.kind === 'offset'
          ? within(target.offset)
          : target.kind === 'by'
            ? within((place.from ?? startOffset) + target.records)
            : // No record is as young as that: the group waits for the next.
              offset < 0
              ? endOffset
              : offset;
      moves.push({ ...place, to });
    });
  }
  return moves;
}

async function move(
  kafka: Kafka,
  { id: group, summary }: KnownGroup,
  moves: readonly OffsetMove[],
): Promise<void> {
  const byTopic = [...byTopicOf(moves)];
  if (summary.kind === 'share') {
    const answer = await ask(kafka, 'alterShareGroupOffsets', 0, {
      groupId: group,
      topics: byTopic.map(([topicName, ofTopic]) => ({
        topicName,
        partitions: ofTopic.map(({ partition, to }) => ({ partitionIndex: partition, startOffset: to })),
      })),
    });
    expectDone(answer, group);
    for (const { partitions } of answer.responses) for (const each of partitions) expectDone(each, group);
    return;
  }
  const answer = await ask(kafka, 'offsetCommit', 9, {
    groupId: group,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: byTopic.map(([name, ofTopic]) => ({
      name,
      topicId: ZERO_UUID,
      partitions: ofTopic.map(({ partition, to }) => ({
        partitionIndex: partition,
        committedOffset: to,
        committedLeaderEpoch: -1,
        commitTimestamp: -1,
        committedMetadata: '',
      })),
    })),
  });
  for (const { partitions } of answer.topics) for (const each of partitions) expectDone(each, group);
}

export function groupsView(frontEnd: KafkaFrontEnd | undefined): GroupsView {
  const idsOf = function* ({ groups, shares }: Kafka, prefix: string): Iterable<string> {
    for (const id of groups.ids()) if (nameAsWritten(id).startsWith(prefix)) yield id;
    for (const { id } of shares.groups.list()) if (nameAsWritten(id).startsWith(prefix)) yield id;
  };
  return {
    async list({ limit, after, prefix }) {
      const kafka = served(frontEnd);
      const found = await firstNames(idsOf(kafka, prefix), limit + 1, after);
      const items = found.slice(0, limit).flatMap((id) => summaryOf(kafka, id) ?? []);
      const last = found[limit - 1];
      return found.length > limit && last !== undefined ? { items, next: last } : { items };
    },
    get(group, tenant) {
      const kafka = served(frontEnd);
      const known = groupOf(kafka, group, tenant);
      return known && detailOf(kafka, known);
    },
    async remove(group, tenant) {
      const id = idOf(group, tenant) ?? group;
      const { results } = await ask(served(frontEnd), 'deleteGroups', 2, { groupsNames: [id] });
      expectDone(results[0], group);
    },
    async reset(group, target, { topics, dryRun, tenant }) {
      const kafka = served(frontEnd);
      const own = groupOf(kafka, group, tenant);
      if (own === undefined) throw new OperationError(404, 'not-found', 'the group has gone');
      if (own.summary.members > 0) {
        throw new OperationError(409, 'non-empty-group', 'the group has members: stop its consumers first');
      }
      const known = (await placesOf(kafka, own)).sort(byPlace);
      const fromOf = (topic: string, partition: number): number | null =>
        known.find((each) => each.topic === topic && each.partition === partition)?.offset ?? null;
      const wanted: OffsetMove[] =
        topics.length === 0
          ? known.map(({ topic, partition, offset }) => ({ topic, partition, from: offset, to: offset }))
          : topics.flatMap((topic) => {
              const there = kafka.topics.get(topic);
              if (there === undefined) {
                throw new OperationError(404, 'not-found', `there is no topic ${JSON.stringify(topic)}`);
              }
              return there.partitions.map(({ number }) => ({
                topic,
                partition: number,
                from: fromOf(topic, number),
                to: 0,
              }));
            });
      const moves = await movesTo(kafka, wanted, target);
      if (!dryRun && moves.length > 0) await move(kafka, own, moves);
      return moves;
    },
  };
}
