/**
 * What every source of configuration is turned into: single assignments of a value to a key, each with the place
 * it comes from, and the problems found on the way. Plain data (from JSON or YAML) becomes assignments here.
 */
import {
  fieldOf,
  type ListLeaf,
  type Scalar,
  type SchemaNode,
  type Section,
  writtenKeys,
  writtenName,
} from './schema-kit.ts';
import { nearest } from './suggest.ts';
import { parseScalar, shown } from './values.ts';

export type SourceKind = 'default' | 'file' | 'environment' | 'command line' | 'derived';

/** Where a value comes from: `robustmq.yaml:3:9`, `ROBUSTMQ__MQTT__MAX_QOS`, `--set mqtt.maxQos`. */
export interface Origin {
  readonly kind: SourceKind;
  readonly place: string;
}

export interface ConfigProblem {
  readonly place: string;
  /** Key as users write it, `''` where no key is concerned. */
  readonly path: string;
  readonly reason: string;
}

export type Normalized = Scalar | readonly Normalized[] | { readonly [field: string]: Normalized };

export interface Assignment {
  /** Key as users write it. */
  readonly path: string;
  readonly value: Normalized;
  readonly origin: Origin;
}

export interface Collected {
  readonly assignments: Assignment[];
  readonly problems: ConfigProblem[];
}

export const nothingCollected = (): Collected => ({ assignments: [], problems: [] });

/**
 * A tree of values as its format's reader sees it. `entries` is for maps and `items` for lists; a scalar has
 * neither. Origins are asked for lazily, since most are never shown.
 */
export interface ValueTree {
  readonly origin: Origin;
  readonly scalar: unknown;
  readonly entries?: readonly {
    readonly key: string;
    readonly keyOrigin: Origin;
    readonly value: ValueTree;
  }[];
  readonly items?: readonly ValueTree[];
}

export function collect(node: SchemaNode, tree: ValueTree, path: string, into: Collected): void {
  if (node.kind === 'section') {
    collectSection(node, tree, path, into);
  } else {
    const value = normalize(node, tree, path, into.problems);
    if (value !== undefined) into.assignments.push({ path, value, origin: tree.origin });
  }
}

function collectSection(node: Section, tree: ValueTree, path: string, into: Collected): void {
  forEachField(node, tree, path, into.problems, (child, childPath, value) =>
    collect(child, value, childPath, into),
  );
}

function forEachField(
  node: Section,
  tree: ValueTree,
  path: string,
  problems: ConfigProblem[],
  visit: (child: SchemaNode, path: string, value: ValueTree, name: string) => void,
): void {
  if (tree.entries === undefined) {
    // A section whose every key is commented out reads as null.
    if (tree.items !== undefined || tree.scalar !== null) {
      const got = tree.items === undefined ? shown(tree.scalar) : 'a list';
      problems.push({ place: tree.origin.place, path, reason: `expected a section with keys, got ${got}` });
    }
    return;
  }
  const seen = new Set<string>();
  for (const { key, keyOrigin, value } of tree.entries) {
    const childPath = path === '' ? key : `${path}.${key}`;
    const field = fieldOf(node, key);
    if (field === undefined) {
      problems.push({ place: keyOrigin.place, path: childPath, reason: unknownKey(node, key) });
    } else if (seen.has(key)) {
      problems.push({ place: keyOrigin.place, path: childPath, reason: 'is given twice' });
    } else {
      visit(field.node, childPath, value, field.name);
    }
    seen.add(key);
  }
}

export function unknownKey(node: Section, key: string): string {
  const keys = writtenKeys(node);
  const near = Object.hasOwn(node.fields, key) ? writtenName(key) : nearest(key, keys);
  if (near !== undefined) return `unknown key, did you mean ${near}?`;
  return `unknown key; known here: ${keys.join(', ')}`;
}

/** The value of a leaf with defaults filled in (inside lists of sections), or undefined and a problem. */
function normalize(
  node: Exclude<SchemaNode, Section>,
  tree: ValueTree,
  path: string,
  problems: ConfigProblem[],
): Normalized | undefined {
  if (node.kind === 'list') return normalizeList(node, tree, path, problems);
  const raw = tree.entries === undefined ? (tree.items === undefined ? tree.scalar : []) : {};
  const parsed = parseScalar(node, raw);
  if (parsed.ok) return parsed.value;
  problems.push({ place: tree.origin.place, path, reason: parsed.reason });
  return undefined;
}

function normalizeList(
  node: ListLeaf,
  tree: ValueTree,
  path: string,
  problems: ConfigProblem[],
): Normalized | undefined {
  const { items } = tree;
  if (items === undefined) {
    const got = tree.entries === undefined ? shown(tree.scalar) : 'a section';
    problems.push({ place: tree.origin.place, path, reason: `expected a list, got ${got}` });
    return undefined;
  }
  if (items.length > node.maxItems) {
    problems.push({ place: tree.origin.place, path, reason: `must have at most ${node.maxItems} entries` });
    return undefined;
  }
  const before = problems.length;
  const values = items.map((item, index) => normalizeItem(node.item, item, `${path}.${index}`, problems));
  return problems.length === before ? values.filter((value) => value !== undefined) : undefined;
}

function normalizeItem(
  node: ListLeaf['item'],
  tree: ValueTree,
  path: string,
  problems: ConfigProblem[],
): Normalized | undefined {
  if (node.kind !== 'section') return normalize(node, tree, path, problems);
  const values: Record<string, Normalized> = defaultsOf(node);
  forEachField(node, tree, path, problems, (child, childPath, value, name) => {
    const normalized =
      child.kind === 'section'
        ? normalizeItem(child, value, childPath, problems)
        : normalize(child, value, childPath, problems);
    if (normalized !== undefined) values[name] = normalized;
  });
  return values;
}

function defaultsOf(node: Section): Record<string, Normalized> {
  const values: Record<string, Normalized> = {};
  for (const [name, child] of Object.entries(node.fields)) {
    if (child.kind === 'section') values[name] = defaultsOf(child);
    else values[name] = child.fallback;
  }
  return values;
}

/** A tree over plain data, as from JSON. */
export function plainTree(value: unknown, origin: Origin): ValueTree {
  if (Array.isArray(value)) {
    return { origin, scalar: undefined, items: value.map((item) => plainTree(item, origin)) };
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, child]) => ({
      key,
      keyOrigin: origin,
      value: plainTree(child, origin),
    }));
    return { origin, scalar: undefined, entries };
  }
  return { origin, scalar: value };
}
