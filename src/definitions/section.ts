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
  'schemaContexts',
  'schemas',
  'schemaSettings',
] as const;
export type SectionName = (typeof SECTIONS)[number];

/** What else there will be once the document is in force. */
export interface World {
  hasUser(name: string): boolean;
  /** Of a section, what the document has. */
  coming<T>(section: SectionName): readonly T[];
  /** Whether what is there stays where the document has something else. */
  readonly isOldKept: boolean;
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
  /** Where two of the same name are brought together instead of being in conflict. */
  readonly merge?: {
    /** Whether what is there does for this one. */
    covers(old: T, item: T): boolean;
  };
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
