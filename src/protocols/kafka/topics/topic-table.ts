/** The table of topics in the state log: what each is, without its records. */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import { type Table, TableId } from '../../../kernel/state/table.ts';

export interface TopicFacts {
  readonly id: string;
  readonly name: string;
  /** Partitions that there must be. */
  count: number;
  overrides: ReadonlyMap<string, string>;
  /** It is to go, and its partitions with it. */
  isDeleting: boolean;
}

export type TopicEntry =
  | {
      readonly kind: 'create';
      readonly id: string;
      readonly name: string;
      readonly count: number;
      readonly overrides: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'grow'; readonly id: string; readonly count: number }
  | { readonly kind: 'configure'; readonly id: string; readonly overrides: ReadonlyMap<string, string> }
  | { readonly kind: 'deleting' | 'gone'; readonly id: string };

const VERSION = 1;
const KINDS = ['create', 'grow', 'configure', 'deleting', 'gone'] as const;
const decoder = new TextDecoder();

function writeOverrides(to: ByteWriter, overrides: ReadonlyMap<string, string>): void {
  to.uint(overrides.size);
  for (const [name, value] of overrides) to.text(name).text(value);
}

function readOverrides(from: ByteReader): ReadonlyMap<string, string> {
  const overrides = new Map<string, string>();
  for (let left = from.count(2); left > 0; left--) overrides.set(from.text(), from.text());
  return overrides;
}

export function encodeTopicEntry(entry: TopicEntry): Uint8Array {
  const to = new ByteWriter(128).u8(VERSION).u8(KINDS.indexOf(entry.kind)).text(entry.id);
  if (entry.kind === 'create') to.text(entry.name);
  if (entry.kind === 'create' || entry.kind === 'grow') to.uint(entry.count);
  if (entry.kind === 'create' || entry.kind === 'configure') writeOverrides(to, entry.overrides);
  return to.finish();
}

/** undefined when the bytes are no entry of this version. */
export function decodeTopicEntry(bytes: Uint8Array): TopicEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const kind = from.oneOf(KINDS);
  const id = from.text();
  let entry: TopicEntry;
  if (kind === 'create') {
    entry = { kind, id, name: from.text(), count: from.uint(), overrides: readOverrides(from) };
  } else if (kind === 'grow') entry = { kind, id, count: from.uint() };
  else if (kind === 'configure') entry = { kind, id, overrides: readOverrides(from) };
  else entry = { kind, id };
  return from.isComplete ? entry : undefined;
}

function encodePage({ name, count, overrides, isDeleting }: TopicFacts): Uint8Array {
  const to = new ByteWriter(128)
    .u8(VERSION)
    .text(name)
    .uint(count)
    .u8(isDeleting ? 1 : 0);
  writeOverrides(to, overrides);
  return to.finish();
}

function decodePage(id: string, page: Uint8Array): TopicFacts {
  const from = new ByteReader(page);
  const isKnown = from.u8() === VERSION;
  const facts = {
    id,
    name: from.text(),
    count: from.uint(),
    isDeleting: from.u8() === 1,
    overrides: readOverrides(from),
  };
  if (!isKnown || !from.isComplete) throw new Error(`the page of topic ${id} cannot be read`);
  return facts;
}

export interface TopicTable {
  readonly table: Table;
  /** By id. */
  readonly facts: ReadonlyMap<string, TopicFacts>;
  apply(entry: TopicEntry): void;
}

export function createTopicTable(): TopicTable {
  const facts = new Map<string, TopicFacts>();
  const dirty = new Set<string>();

  /** Repeating any of them changes nothing that is right: what a topic is only ever goes on. */
  function apply(entry: TopicEntry): void {
    dirty.add(entry.id);
    const known = facts.get(entry.id);
    if (entry.kind === 'create') {
      if (known !== undefined) return;
      const { id, name, count, overrides } = entry;
      facts.set(id, { id, name, count, overrides, isDeleting: false });
    } else if (entry.kind === 'gone') facts.delete(entry.id);
    else if (known === undefined) return;
    else if (entry.kind === 'grow') known.count = Math.max(known.count, entry.count);
    else if (entry.kind === 'configure') known.overrides = entry.overrides;
    else known.isDeleting = true;
  }

  return {
    facts,
    apply,
    table: {
      id: TableId.KafkaTopics,
      name: 'kafka topics',
      apply(bytes) {
        const entry = decodeTopicEntry(bytes);
        if (entry === undefined) throw new Error('an entry of the topics cannot be read');
        apply(entry);
      },
      load(key, page) {
        const id = decoder.decode(key);
        facts.set(id, decodePage(id, page));
      },
      *pageKeys() {
        for (const id of facts.keys()) yield Buffer.from(id);
      },
      page(key) {
        const known = facts.get(decoder.decode(key));
        return known && encodePage(known);
      },
      takeDirty(max) {
        const keys: Uint8Array[] = [];
        for (const id of dirty) {
          if (keys.length >= max) break;
          dirty.delete(id);
          keys.push(Buffer.from(id));
        }
        return keys;
      },
    },
  };
}
