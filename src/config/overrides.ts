/** Single values from the environment (`ROBUSTMQ__MQTT__MAX_QOS=1`) and the command line (`--set mqtt.maxQos=1`). */
import {
  type Collected,
  collect,
  nothingCollected,
  type Origin,
  plainTree,
  unknownKey,
  type ValueTree,
} from './assignments.ts';
import { fieldOf, type SchemaNode, type Section, writtenKeys } from './schema-kit.ts';

export const environmentPrefix = 'ROBUSTMQ__';

/** A value for one key from the command line; `option` is what the user typed, e.g. `--data-dir`. */
export interface Override {
  readonly option: string;
  readonly path: string;
  readonly value: string;
}

export type ParsedSet = { readonly override: Override } | { readonly reason: string };

/** `a.b.c=value`, as the argument of --set. */
export function parseSet(argument: string): ParsedSet {
  const equals = argument.indexOf('=');
  if (equals <= 0) return { reason: 'expected key=value, as in mqtt.maxQos=1' };
  const path = argument.slice(0, equals).trim();
  return { override: { option: `--set ${path}`, path, value: argument.slice(equals + 1) } };
}

export function collectSets(schema: Section, sets: readonly string[]): Collected {
  const into = nothingCollected();
  for (const argument of sets) {
    const parsed = parseSet(argument);
    if ('override' in parsed) collectOverride(schema, parsed.override, into);
    // The argument is not repeated: what has no key may be a value that was meant to stay secret.
    else into.problems.push({ place: '--set', path: '', reason: parsed.reason });
  }
  return into;
}

export function collectOverride(schema: Section, { option, path, value }: Override, into: Collected): void {
  const origin: Origin = { kind: 'command line', place: option };
  assign(schema, path.split('.'), (_node, key) => key, value, origin, into);
}

export function collectEnvironment(
  schema: Section,
  environment: Readonly<Record<string, string | undefined>>,
): Collected {
  const into = nothingCollected();
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(environmentPrefix) || value === undefined) continue;
    const segments = name.slice(environmentPrefix.length).split('__');
    assign(schema, segments, keyFromEnvironment, value, { kind: 'environment', place: name }, into);
  }
  return into;
}

/** How a key is spelled in the environment: `mqtt.maxPacketSize` -> `ROBUSTMQ__MQTT__MAX_PACKET_SIZE`. */
export function environmentName(path: string): string {
  const words = path.split('.').map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return environmentPrefix + words.join('__');
}

function keyFromEnvironment(node: Section, segment: string): string {
  const bare = (text: string): string => text.replaceAll('_', '').toLowerCase();
  return writtenKeys(node).find((key) => bare(key) === bare(segment)) ?? segment;
}

function assign(
  schema: Section,
  segments: readonly string[],
  keyOf: (node: Section, segment: string) => string,
  value: string,
  origin: Origin,
  into: Collected,
): void {
  let node: SchemaNode = schema;
  let path = '';
  for (const segment of segments) {
    if (node.kind !== 'section') {
      into.problems.push({ place: origin.place, path, reason: 'is a value and has no keys' });
      return;
    }
    const key = keyOf(node, segment);
    const field = fieldOf(node, key);
    if (field === undefined) {
      const at = path === '' ? key : `${path}.${key}`;
      into.problems.push({ place: origin.place, path: at, reason: unknownKey(node, key) });
      return;
    }
    node = field.node;
    path = path === '' ? key : `${path}.${key}`;
  }
  const tree = treeFromText(node, value, origin);
  if (tree === undefined) into.problems.push({ place: origin.place, path, reason: 'expected JSON' });
  else collect(node, tree, path, into);
}

/** Sections and lists are written as JSON, lists of plain values also as `a,b,c`. */
function treeFromText(node: SchemaNode, text: string, origin: Origin): ValueTree | undefined {
  if (node.kind === 'list' && !text.trimStart().startsWith('[')) {
    const parts = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    return plainTree(parts, origin);
  }
  if (node.kind !== 'section' && node.kind !== 'list') return { origin, scalar: text };
  try {
    return plainTree(JSON.parse(text), origin);
  } catch {
    return undefined;
  }
}
