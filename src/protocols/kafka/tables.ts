/** The durable tables of the Kafka front-end, new and empty: the node fills them by its replay before the front-end is made. */
import { type Cursors, createCursors } from '../../kernel/crossing/cursors.ts';
import { createDelayed, type Delayed, type DelayedLimits } from '../../kernel/delayed/delayed.ts';
import { createSettings, type Settings } from '../../kernel/settings-table.ts';
import { type Table, TableId } from '../../kernel/state/table.ts';
import { createGroupsTable, type GroupsTable } from './groups/groups-table.ts';
import { committedFloor } from './groups/offsets.ts';
import { createProducerStore, type ProducerStore, type ProducerStoreOptions } from './producers/store.ts';
import { createShareTable, type ShareTable } from './share/share-table.ts';
import { createTopicTable, type TopicTable } from './topics/topic-table.ts';

export interface KafkaTables {
  readonly topics: TopicTable;
  readonly groups: GroupsTable;
  readonly producers: ProducerStore;
  readonly shares: ShareTable;
  /** What administrators set for other things than topics. */
  readonly settings: Settings;
  /** Records of topics that wait for their time. */
  readonly delayed: Delayed;
  /** How far records have crossed to other protocols that waited for a decision. */
  readonly crossings: Cursors;
  /** Below it everybody has settled everything who has said how far they have come; undefined where nobody has. */
  settledFloor(topic: string, partition: number): number | undefined;
  readonly all: readonly Table[];
}

function idOf({ facts }: TopicTable, topic: string): string {
  for (const { id, name, isDeleting } of facts.values()) if (name === topic && !isDeleting) return id;
  return '';
}

export interface KafkaTablesOptions extends ProducerStoreOptions {
  readonly delayed: DelayedLimits;
}

export function createKafkaTables(options: KafkaTablesOptions): KafkaTables {
  const topics = createTopicTable();
  const groups = createGroupsTable();
  const producers = createProducerStore(options);
  const settings = createSettings(TableId.KafkaSettings, 'kafka settings');
  const crossings = createCursors();
  const delayed = createDelayed(options.delayed, { id: TableId.KafkaDelayed, name: 'kafka delayed' });
  const shares = createShareTable();
  return {
    crossings,
    delayed,
    topics,
    groups,
    producers,
    shares,
    settings,
    settledFloor(topic, partition) {
      const committed = committedFloor(groups.records, topic, partition);
      const acknowledged = shares.count === 0 ? undefined : shares.floorOf(idOf(topics, topic), partition);
      if (committed === undefined || acknowledged === undefined) return committed ?? acknowledged;
      return Math.min(committed, acknowledged);
    },
    all: [
      topics.table,
      groups.table,
      producers.table,
      settings.table,
      crossings.table,
      delayed.table,
      shares.table,
    ],
  };
}
