/** The durable tables of the Kafka front-end, new and empty: the node fills them by its replay before the front-end is made. */
import { createSettings, type Settings } from '../../kernel/settings-table.ts';
import { type Table, TableId } from '../../kernel/state/table.ts';
import { createGroupsTable, type GroupsTable } from './groups/groups-table.ts';
import { createProducerStore, type ProducerStore, type ProducerStoreOptions } from './producers/store.ts';
import { createTopicTable, type TopicTable } from './topics/topic-table.ts';

export interface KafkaTables {
  readonly topics: TopicTable;
  readonly groups: GroupsTable;
  readonly producers: ProducerStore;
  /** What administrators set for other things than topics. */
  readonly settings: Settings;
  readonly all: readonly Table[];
}

export function createKafkaTables(options: ProducerStoreOptions): KafkaTables {
  const topics = createTopicTable();
  const groups = createGroupsTable();
  const producers = createProducerStore(options);
  const settings = createSettings(TableId.KafkaSettings, 'kafka settings');
  return {
    topics,
    groups,
    producers,
    settings,
    all: [topics.table, groups.table, producers.table, settings.table],
  };
}
