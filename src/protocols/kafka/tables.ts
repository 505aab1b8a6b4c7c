/** The durable tables of the Kafka front-end, new and empty: the node fills them by its replay before the front-end is made. */
import { createSettings, type Settings } from '../../kernel/settings-table.ts';
import { type Table, TableId } from '../../kernel/state/table.ts';
import { createGroupsTable, type GroupsTable } from './groups/groups-table.ts';
import { createTopicTable, type TopicTable } from './topics/topic-table.ts';

export interface KafkaTables {
  readonly topics: TopicTable;
  readonly groups: GroupsTable;
  /** What administrators set for other things than topics. */
  readonly settings: Settings;
  readonly all: readonly Table[];
}

export function createKafkaTables(): KafkaTables {
  const topics = createTopicTable();
  const groups = createGroupsTable();
  const settings = createSettings(TableId.KafkaSettings, 'kafka settings');
  return { topics, groups, settings, all: [topics.table, groups.table, settings.table] };
}
