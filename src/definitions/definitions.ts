/**
 * Definitions: what administrators have made on a node, as one document that another node takes. Here are its format, what is
 * different between a document and a node, and how the difference is made; what each kind of definition is stands beside
 * this file. Not here: what clients have written (messages, records, offsets), the configuration, and what it defines.
 *
 * Guaranteed: the same definitions are the same bytes, whatever order they were made in. A document is looked at as a whole
 * before anything is changed: what is unknown in it, or cannot be, refuses all of it. Settings change in one change of the
 * state log, all or none; topics are made before it and taken back when it is refused. Nothing is ever deleted.
 */
import { list, SchemaFault } from '../admin/schema.ts';
import type { Edit } from '../kernel/settings-table.ts';
import {
  type AnySection,
  isOfSettings,
  SECTIONS,
  type Section,
  type SectionName,
  type World,
} from './section.ts';

export const FORMAT = 'robustmq-definitions';
export const FORMAT_VERSION = 1;
const MAX_ITEMS = 100_000;

export type OnConflict = 'fail' | 'skip' | 'replace';
export type Action = 'create' | 'update' | 'same' | 'skip' | 'conflict';

export interface Step {
  readonly section: SectionName;
  readonly name: string;
  readonly action: Action;
  /** Of a conflict. */
  readonly reason: string;
}

interface Planned extends Step {
  readonly ofSection: Section<unknown>;
  readonly item: unknown;
  readonly old: unknown;
}

export interface Plan {
  readonly steps: readonly Planned[];
  readonly conflicts: readonly Planned[];
}

/** Items by section, as they are known to be well-formed. */
export type Parsed = ReadonlyMap<SectionName, readonly unknown[]>;

const byName = <T>(section: Section<T>, items: Iterable<T>): T[] => {
  const keyed = Array.from(items, (item) => [section.keyOf(item), item] as const);
  return keyed.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, item]) => item);
};

const plain = (value: unknown): unknown =>
  value instanceof Uint8Array
    ? Buffer.from(value).toString('base64')
    : Array.isArray(value)
      ? value.map(plain)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]))
        : value;

/** What there is, as a document. */
export function exported(sections: readonly AnySection[], only: readonly SectionName[]): object {
  const lists = SECTIONS.flatMap((name) => {
    const section = sections.find((each) => each.name === name);
    if (section === undefined || !only.includes(name)) return [];
    return [[name, byName(section, section.current()).map(plain)] as const];
  });
  return { format: FORMAT, version: FORMAT_VERSION, ...Object.fromEntries(lists) };
}

/** Throws a SchemaFault that names the place. */
export function parse(document: unknown, sections: readonly AnySection[]): Parsed {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new SchemaFault('definitions must be an object');
  }
  const { format, version, ...lists } = document as Readonly<Record<string, unknown>>;
  if (format !== FORMAT) throw new SchemaFault(`definitions.format must be "${FORMAT}"`);
  if (version !== FORMAT_VERSION) {
    throw new SchemaFault(
      `definitions.version is ${JSON.stringify(version)?.slice(0, 50)}, and this node knows ${FORMAT_VERSION}`,
    );
  }
  const parsed = new Map<SectionName, readonly unknown[]>();
  for (const [name, items] of Object.entries(lists)) {
    const known = SECTIONS.find((each) => each === name);
    if (known === undefined) {
      throw new SchemaFault(
        `definitions has no field ${JSON.stringify(name.slice(0, 100))}; there are ${SECTIONS.join(', ')}`,
      );
    }
    const section = sections.find((each) => each.name === known);
    if (section === undefined) throw new SchemaFault(`definitions.${known}: this node does not serve Kafka`);
    const read = list(section.schema, '', { maxItems: MAX_ITEMS }).fromJson(items, `definitions.${known}`);
    const seen = new Map<string, number>();
    for (const [i, item] of read.entries()) {
      const before = seen.get(section.keyOf(item));
      if (before !== undefined) {
        throw new SchemaFault(
          `definitions.${known}[${i}] is there already, as definitions.${known}[${before}]`,
        );
      }
      seen.set(section.keyOf(item), i);
    }
    parsed.set(known, read);
  }
  return parsed;
}

const isSame = (section: Section<unknown>, a: unknown, b: unknown): boolean =>
  canonical(section.meaningOf(a)) === canonical(section.meaningOf(b));

/** The same text for the same value, whatever the order of fields. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${fields
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`)
    .join()}}`;
}

/** Of the sections of `only`; the others are not looked at. */
export function plan(
  parsed: Parsed,
  sections: readonly AnySection[],
  only: readonly SectionName[],
  onConflict: OnConflict,
  hasUser: (name: string) => boolean,
): Plan {
  const users = only.includes('users') ? (parsed.get('users') ?? []) : [];
  const coming = new Set(users.map((item) => (item as { readonly name: string }).name));
  const world: World = { hasUser: (name) => coming.has(name) || hasUser(name) };
  const steps: Planned[] = [];
  for (const name of SECTIONS) {
    const items = only.includes(name) ? parsed.get(name) : undefined;
    const section = sections.find((each) => each.name === name);
    if (items === undefined || section === undefined) continue;
    const current = new Map(Array.from(section.current(), (item) => [section.keyOf(item), item]));
    let count = current.size;
    for (const item of byName(section, items)) {
      const key = section.keyOf(item);
      const old = current.get(key);
      const step = (action: Action, reason = ''): Planned => ({
        section: name,
        name: key,
        action,
        reason,
        ofSection: section,
        item,
        old,
      });
      if (old !== undefined && isSame(section, old, item)) steps.push(step('same'));
      else if (old !== undefined && onConflict === 'skip') steps.push(step('skip'));
      else {
        const fault = section.faultOf(item, world);
        if (fault !== undefined) steps.push(step('conflict', fault));
        else if (old === undefined && count >= (section.maxCount ?? Number.POSITIVE_INFINITY)) {
          steps.push(step('conflict', 'there are too many'));
        } else if (old === undefined) {
          steps.push(step('create'));
          count++;
        } else if (onConflict === 'replace') steps.push(step('update'));
        else steps.push(step('conflict', 'it is there, and different'));
      }
    }
  }
  return { steps, conflicts: steps.filter(({ action }) => action === 'conflict') };
}

const isChange = ({ action }: Step): boolean => action === 'create' || action === 'update';

/** Edits of the settings of one table. */
export const editsOf = ({ steps }: Plan, table: 'security' | 'kafka'): Edit[] =>
  steps
    .filter(isChange)
    .flatMap(({ ofSection, item, old }) =>
      isOfSettings(ofSection) && ofSection.table === table ? [ofSection.editOf(item, old)] : [],
    );

/** What is to be made that is no setting. */
export const itemsToMake = <T>(
  { steps }: Plan,
  section: SectionName,
): { readonly item: T; readonly old: T | undefined }[] =>
  steps
    .filter((step) => step.section === section && isChange(step))
    .map(({ item, old }) => ({ item: item as T, old: old as T | undefined }));

export const shownSteps = ({ steps }: Plan): Step[] =>
  steps.map(({ section, name, action, reason }) => ({ section, name, action, reason }));
