import type { Schema } from '../admin/schema.ts';
import type { Edit } from '../kernel/settings-table.ts';

export const SECTIONS = [
  'users',
  'roles',
  'apiKeys',
  'bans',
  'kafkaAcls',
  'kafkaQuotas',
  'kafkaTopics',
] as const;
export type SectionName = (typeof SECTIONS)[number];

/** What else there will be once the document is in force. */
export interface World {
  hasUser(name: string): boolean;
}

/** One kind of definition: how it is written, what there is of it, and what can be of it. */
export interface Section<T> {
  readonly name: SectionName;
  /** Above it there cannot be more. */
  readonly maxCount?: number;
  /** Of one item; strict. */
  readonly schema: Schema<T>;
  /** Names an item within the section. */
  keyOf(item: T): string;
  current(): Iterable<T>;
  /** Why there cannot be this one; undefined when there can. */
  faultOf(item: T, world: World): string | undefined;
  /** What makes two of the same name the same; times do not. */
  meaningOf(item: T): unknown;
}

/** A section whose items are settings. */
export interface SettingsSection<T> extends Section<T> {
  readonly table: 'security' | 'kafka';
  /** `old` is what there is of that name. */
  editOf(item: T, old: T | undefined): Edit;
}

/** A section whose type of items does not matter to the one who holds it. */
export type AnySection = Section<unknown>;

export const isOfSettings = <T>(section: Section<T>): section is SettingsSection<T> => 'editOf' in section;
