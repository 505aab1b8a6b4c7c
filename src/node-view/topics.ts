/** Topics of Kafka's clients. */
import { OperationError } from '../admin/operation.ts';
import type { TopicSummary, TopicsView } from '../admin/operations/topics.ts';
import type { Kafka } from '../protocols/kafka/context.ts';
import type { KafkaFrontEnd } from '../protocols/kafka/front-end.ts';
import { ZERO_UUID } from '../protocols/kafka/schema/fields.ts';
import { describeTopicConfigs } from '../protocols/kafka/topics/describe-configs.ts';
import type { Topic } from '../protocols/kafka/topics/topics.ts';
import { ask, expectDone } from './kafka-requests.ts';
import { firstNames } from './pages.ts';

const MAX_PARTITIONS = 1000;
const TIMEOUT_MS = 60_000;
const DEFAULT = -1;
const TOPIC = 2;
const SET = 0;
const UNSET = 1;

export function served(kafka: KafkaFrontEnd | undefined): Kafka {
  if (kafka !== undefined) return kafka.context;
  throw new OperationError(409, 'kafka-disabled', 'Kafka is not served: see listeners.kafka.enabled');
}

function summary({
  name,
  id,
  partitions,
  settings,
  overrides,
  isConfigured,
  isInternal,
}: Topic): TopicSummary {
  let records = 0;
  let bytes = 0;
  for (const each of partitions) {
    records += each.endOffset - each.startOffset;
    bytes += each.bytes;
  }
  return {
    name,
    id,
    partitions: partitions.length,
    records,
    bytes,
    storage: settings.storage,
    cleanup: overrides.get('cleanup.policy') ?? 'delete',
    isStream: isConfigured,
    isInternal,
  };
}

export function topicsView(frontEnd: KafkaFrontEnd | undefined): TopicsView {
  const names = function* (kafka: Kafka, prefix: string): Iterable<string> {
    for (const { name } of kafka.topics.list()) if (name.startsWith(prefix)) yield name;
  };
  return {
    async list({ limit, after, prefix }) {
      const kafka = served(frontEnd);
      const found = await firstNames(names(kafka, prefix), limit + 1, after);
      const items = found.slice(0, limit).flatMap((name) => {
        const topic = kafka.topics.get(name);
        return topic === undefined ? [] : [summary(topic)];
      });
      const last = found[limit - 1];
      return found.length > limit && last !== undefined ? { items, next: last } : { items };
    },
    get(name) {
      const kafka = served(frontEnd);
      const topic = kafka.topics.get(name);
      if (topic === undefined) return undefined;
      const wanted = { keys: null, synonyms: false, documentation: false };
      return {
        ...summary(topic),
        configs: describeTopicConfigs(kafka, topic, wanted).map((each) => ({
          name: each.name,
          value: each.value ?? '',
          isDefault: each.isDefault ?? false,
        })),
        partitionDetails: topic.partitions
          .slice(0, MAX_PARTITIONS)
          .map(({ number, startOffset, endOffset, bytes }) => ({
            partition: number,
            startOffset,
            endOffset,
            bytes,
          })),
      };
    },
    async create(name, { partitions = DEFAULT, configs, dryRun }) {
      const answer = await ask(served(frontEnd), 'createTopics', 7, {
        topics: [
          {
            name,
            numPartitions: partitions,
            replicationFactor: DEFAULT,
            assignments: [],
            configs: [...configs].map(([key, value]) => ({ name: key, value })),
          },
        ],
        timeoutMs: TIMEOUT_MS,
        validateOnly: dryRun,
      });
      expectDone(answer.topics[0], name);
    },
    async update(name, { partitions, configs, unset, dryRun }) {
      const kafka = served(frontEnd);
      const configure = async (validateOnly: boolean): Promise<void> => {
        if (configs.size + unset.length === 0) return;
        const answer = await ask(kafka, 'incrementalAlterConfigs', 1, {
          resources: [
            {
              resourceType: TOPIC,
              resourceName: name,
              configs: [
                ...[...configs].map(([key, value]) => ({ name: key, configOperation: SET, value })),
                ...unset.map((key) => ({ name: key, configOperation: UNSET, value: null })),
              ],
            },
          ],
          validateOnly,
        });
        expectDone(answer.responses[0], name);
      };
      const grow = async (validateOnly: boolean): Promise<void> => {
        if (partitions === undefined) return;
        const answer = await ask(kafka, 'createPartitions', 3, {
          topics: [{ name, count: partitions, assignments: null }],
          timeoutMs: TIMEOUT_MS,
          validateOnly,
        });
        expectDone(answer.results[0], name);
      };
      // Both are possible before either is done.
      await configure(true);
      await grow(true);
      if (dryRun) return;
      await configure(false);
      await grow(false);
    },
    async remove(name) {
      const answer = await ask(served(frontEnd), 'deleteTopics', 6, {
        topics: [{ name, topicId: ZERO_UUID }],
        topicNames: [],
        timeoutMs: TIMEOUT_MS,
      });
      expectDone(answer.responses[0], name);
    },
  };
}
