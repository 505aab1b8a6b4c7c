/**
 * Definitions: what administrators have made on a node, as one document that another node takes. Here are its format, what is
 * different between a document and a node, and how the difference is made; what each kind of definition is stands beside
 * this file. Not here: what clients have written (messages, records, offsets), the configuration, and what it defines.
 *
 * Guaranteed: the same definitions are the same bytes, whatever order they were made in. A document is looked at as a whole
 * before anything is changed: what is unknown in it, or cannot be, refuses all of it. Settings change in one change of the
 * state log, all or none; topics are made before it and taken back when it is refused. Nothing is ever deleted.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { list, type Schema, SchemaFault } from '../admin/schema.ts';
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
/** Items between which the broker works. */
const AT_ONCE = 250;

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

/** The items one after the other, with turns of the event loop between some of them. */
async function* unhurried<T>(items: Iterable<T>): AsyncIterable<T> {
  let left = AT_ONCE;
  for (const item of items) {
    yield item;
    if (--left > 0) continue;
    left = AT_ONCE;
    await turn();
  }
}

/** What there is, as a document. */
export async function exported(
  sections: readonly AnySection[],
  only: readonly SectionName[],
): Promise<object> {
  const lists: [SectionName, unknown[]][] = [];
  for (const name of SECTIONS) {
    const section = sections.find((each) => each.name === name);
    if (section === undefined || !only.includes(name)) continue;
    const items: unknown[] = [];
    for await (const item of unhurried(section.current())) items.push(item);
    lists.push([name, byName(section, items).map(plain)]);
  }
  return { format: FORMAT, version: FORMAT_VERSION, ...Object.fromEntries(lists) };
}

/** Rejects with a SchemaFault that names the place. */
export async function parse(document: unknown, sections: readonly AnySection[]): Promise<Parsed> {
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
    if (section === undefined) {
      const missing = known.startsWith('kafka') ? 'does not serve Kafka' : 'has no schema registry';
      throw new SchemaFault(`definitions.${known}: this node ${missing}`);
    }
    // One by one below: here it is only looked at whether it is a list.
    const given = list(anything, '', { maxItems: MAX_ITEMS }).fromJson(items, `definitions.${known}`);
    const read: unknown[] = [];
    const seen = new Map<string, number>();
    for await (const each of unhurried(given)) {
      const at = `definitions.${known}[${read.length}]`;
      const item = section.schema.fromJson(each, at);
      const key = section.keyOf(item);
      const before = seen.get(key);
      if (before !== undefined) {
        throw new SchemaFault(`${at} is there already, as definitions.${known}[${before}]`);
      }
      seen.set(key, read.length);
      read.push(item);
    }
    parsed.set(known, read);
  }
  return parsed;
}

const anything: Schema<unknown> = { json: {}, fromJson: (value) => value };

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
export async function plan(
  parsed: Parsed,
  sections: readonly AnySection[],
  only: readonly SectionName[],
  onConflict: OnConflict,
  hasUser: (name: string) => boolean,
): Promise<Plan> {
  const users = only.includes('users') ? (parsed.get('users') ?? []) : [];
  const coming = new Set(users.map((item) => (item as { readonly name: string }).name));
  const world: World = {
    hasUser: (name) => coming.has(name) || hasUser(name),
    coming: <T>(name: SectionName) => (only.includes(name) ? (parsed.get(name) ?? []) : []) as readonly T[],
    isOldKept: onConflict === 'skip',
  };
  const steps: Planned[] = [];
  for (const name of SECTIONS) {
    const items = only.includes(name) ? parsed.get(name) : undefined;
    const section = sections.find((each) => each.name === name);
    if (items === undefined || section === undefined) continue;
    const current = new Map<string, unknown>();
    for await (const item of unhurried(section.current())) current.set(section.keyOf(item), item);
    let count = current.size;
    for await (const item of unhurried(byName(section, items))) {
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
      const { merge } = section;
      if (old !== undefined && (isSame(section, old, item) || merge?.covers(old, item)))
        steps.push(step('same'));
      else if (old !== undefined && merge === undefined && onConflict === 'skip') steps.push(step('skip'));
      else {
        const fault = section.faultOf(item, world);
        if (fault !== undefined) steps.push(step('conflict', fault));
        else if (old === undefined && count >= (section.maxCount ?? Number.POSITIVE_INFINITY)) {
          steps.push(step('conflict', 'there are too many'));
        } else if (old === undefined) {
          steps.push(step('create'));
          count++;
        } else if (onConflict === 'replace' || merge !== undefined) steps.push(step('update'));
        else steps.push(step('conflict', 'it is there, and different'));
      }
    }
  }
  return { steps, conflicts: steps.filter(({ action }) => action === 'conflict') };
}

const isChange = ({ action }: Step): boolean => action === 'create' || action === 'update';

/** Edits of the settings of one table. */
export async function editsOf({ steps }: Plan, table: 'security' | 'kafka'): Promise<Edit[]> {
  const edits: Edit[] = [];
  for await (const { ofSection, item, old } of unhurried(steps.filter(isChange))) {
    if (isOfSettings(ofSection) && ofSection.table === table) edits.push(ofSection.editOf(item, old));
  }
  return edits;
}

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
