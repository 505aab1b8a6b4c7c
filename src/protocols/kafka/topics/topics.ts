/**
 * Topics: names, ids, partitions and configurations of what Kafka's clients read and write. Here are the durable table of
 * them, their configurations' meaning, and the requests that create, change, describe and delete them. Not here: records.
 *
 * Guaranteed: a topic that was acknowledged has all its partitions after any crash; an id is never given twice; a topic
 * that was deleted does not come back. At the limit of partitions a new topic is refused.
 */
import type { Partition } from '../../../kernel/log/partitions.ts';
import type { TopicSettings } from './settings.ts';

export interface Topic {
  readonly name: string;
  /** 22 characters, as the wire layer has them. */
  readonly id: string;
  /** By number, all there. */
  readonly partitions: readonly Partition[];
  /** What was set for this topic, as written; by name. */
  readonly overrides: ReadonlyMap<string, string>;
  /** Overrides and defaults, understood. */
  readonly settings: TopicSettings;
  readonly isInternal: boolean;
}

export type TopicChange = 'created' | 'grown' | 'configured' | 'deleted';
export type TopicRefusal = 'exists' | 'full' | 'no-storage' | 'unknown' | 'failed';

export interface NewTopic {
  readonly name: string;
  readonly partitionCount: number;
  readonly overrides?: ReadonlyMap<string, string>;
}

export interface Topics {
  get(name: string): Topic | undefined;
  byId(id: string): Topic | undefined;
  /** undefined where there is no such topic or partition. */
  partition(name: string, number: number): Partition | undefined;
  list(): Iterable<Topic>;
  readonly count: number;

  /** Names and overrides have been checked. Durable when the promise resolves, as for the other changes. */
  create(topic: NewTopic): Promise<Topic | TopicRefusal>;
  grow(topic: Topic, partitionCount: number): Promise<Topic | TopicRefusal>;
  configure(topic: Topic, overrides: ReadonlyMap<string, string>): Promise<Topic | TopicRefusal>;
  delete(topic: Topic): Promise<void>;

  /** After the change; a deleted topic's partitions have `isDeleted`. Until the returned function is called. */
  onChange(callback: (topic: Topic, change: TopicChange) => void): () => void;
}
