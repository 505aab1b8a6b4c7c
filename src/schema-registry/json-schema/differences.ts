/**
 * Whether a reader's schema takes every value that a writer's takes. What is asked is containment, which cannot be decided
 * for all of JSON Schema: where it cannot, the answer is no, unless the two parts are the same text.
 */
import { type Difference, InvalidSchema, MAX_COMPARISON_DEPTH, MAX_COMPARISONS } from '../schema-kind.ts';
import { accepts } from './accepts.ts';
import { compareArrays } from './arrays.ts';
import type { Compare, Comparison, Matches } from './comparison.ts';
import { difference } from './comparison.ts';
import {
  type CombinedNode,
  type EnumNode,
  followed,
  type Node,
  type NumberNode,
  type StringNode,
} from './nodes.ts';
import { compareObjects } from './objects.ts';
import { compareNumbers, compareStrings } from './scalars.ts';

type Solid = ReturnType<typeof followed>;

export function jsonDifferences(reader: Node, writer: Node, matches: Matches): readonly Difference[] {
  const compared = new Map<Node, Map<Node, readonly Difference[]>>();
  let left = MAX_COMPARISONS;
  let depth = 0;

  const compare: Compare = (writer, reader, path) => {
    if (--left < 0 || depth > MAX_COMPARISON_DEPTH)
      throw new InvalidSchema('the schemas are too intricate to compare');
    const from = followed(writer);
    const to = followed(reader);
    if (from === to || to.kind === 'any' || from.kind === 'never') return [];
    let known = compared.get(from);
    if (known === undefined) {
      known = new Map();
      compared.set(from, known);
    }
    // A pair within itself is as compatible as it is outside.
    const before = known.get(to);
    if (before !== undefined) return before;
    known.set(to, []);
    depth++;
    const found = decide(from, to, path);
    depth--;
    known.set(to, found);
    return found;
  };
  const comparison: Comparison = { compare, matches };
  return compare(writer, reader, '#');

  function decide(writer: Solid, reader: Solid, path: string): readonly Difference[] {
    // What has to hold for all comes before what has to hold for some.
    if (isAll(reader)) return readerProduct(writer, reader, path);
    if (isSum(writer)) return writerSum(writer, reader, path);
    if (writer.kind === 'enum') return writerEnum(writer, reader, path);
    if (isSum(reader)) return readerSum(writer, reader, path);
    if (isAll(writer)) return writerProduct(writer, reader, path);
    if (writer.kind === 'not' && reader.kind === 'not') {
      const isNarrower = compare(reader.node, writer.node, path).length === 0;
      return isNarrower ? [] : [difference('NOT_TYPE_EXTENDED', `${path}/not`, 'extended')];
    }
    if (writer.kind === 'opaque' && reader.kind === 'opaque' && writer.text === reader.text) return [];
    if (reader.kind === 'enum') return readerEnum(writer, reader, path);
    if (writer.kind !== reader.kind) return [difference('TYPE_CHANGED', path, 'type')];
    switch (writer.kind) {
      case 'string':
        return compareStrings(writer, reader as StringNode, path);
      case 'number':
        return compareNumbers(writer, reader as NumberNode, path);
      case 'object':
        return compareObjects(comparison, writer, reader as typeof writer, path);
      case 'array':
        return compareArrays(comparison, writer, reader as typeof writer, path);
      case 'boolean':
      case 'null':
        return [];
      default:
        return [difference('TYPE_CHANGED', path, 'type')];
    }
  }

  function readerProduct(writer: Solid, reader: CombinedNode, path: string): readonly Difference[] {
    const place = (i: number): string => (isAll(writer) ? `${path}/allOf/${i}` : path);
    const found = reader.members.flatMap((member, i) => compare(writer, member, place(i)));
    if (found.length === 0 || !isAll(writer)) return found;
    const hasMore = reader.members.length > writer.members.length;
    return hasMore ? [difference('PRODUCT_TYPE_EXTENDED', path, 'extended')] : found;
  }

  function writerSum(writer: CombinedNode, reader: Solid, path: string): readonly Difference[] {
    if (isAmbiguous(writer, reader)) return [difference('COMBINED_TYPE_CHANGED', path, 'type')];
    const results = writer.members.map((member, i) =>
      compare(member, reader, `${path}/${writer.criterion}/${i}`),
    );
    const failed = results.filter((found) => found.length > 0);
    if (failed.length === 0) return [];
    if (isSum(reader)) {
      const isNarrower = reader.members.length < writer.members.length;
      return [
        difference(
          isNarrower ? 'SUM_TYPE_NARROWED' : 'COMBINED_TYPE_SUBSCHEMAS_CHANGED',
          path,
          isNarrower ? 'narrowed' : 'type',
        ),
      ];
    }
    if (writer.members.length === 1) return failed.flat();
    return failed.length < results.length
      ? [difference('SUM_TYPE_NARROWED', path, 'narrowed')]
      : [difference('TYPE_CHANGED', path, 'type')];
  }

  function readerSum(writer: Solid, reader: CombinedNode, path: string): readonly Difference[] {
    const results = reader.members.map((member) => compare(writer, member, path));
    if (results.some((found) => found.length === 0)) return [];
    const [only] = results;
    if (results.length === 1 && only !== undefined) return only;
    // Of a product, a part may be enough.
    if (isAll(writer) && writer.members.some((member) => compare(member, reader, path).length === 0))
      return [];
    return [difference('TYPE_CHANGED', path, 'type')];
  }

  function writerProduct(writer: CombinedNode, reader: Solid, path: string): readonly Difference[] {
    const results = writer.members.map((member) => compare(member, reader, path));
    if (results.some((found) => found.length === 0)) return [];
    const [only] = results;
    return results.length === 1 && only !== undefined
      ? only
      : [difference('COMBINED_TYPE_SUBSCHEMAS_CHANGED', path, 'type')];
  }

  function writerEnum(writer: EnumNode, reader: Solid, path: string): readonly Difference[] {
    if (reader.kind !== 'enum') {
      const isTaken = [...writer.values.values()].every((value) => accepts(reader, value, matches));
      return isTaken ? [] : [difference('TYPE_CHANGED', path, 'type')];
    }
    const missing = [...writer.values.keys()].filter((value) => !reader.values.has(value));
    if (missing.length === 0) return [];
    const isNarrower = [...reader.values.keys()].every((value) => writer.values.has(value));
    return [
      isNarrower
        ? difference('ENUM_ARRAY_NARROWED', `${path}/enum`, 'narrowed')
        : difference('ENUM_ARRAY_CHANGED', `${path}/enum`, 'type'),
    ];
  }

  /** Only of few types all values can be listed. */
  function readerEnum(writer: Solid, reader: EnumNode, path: string): readonly Difference[] {
    const all = writer.kind === 'null' ? ['null'] : writer.kind === 'boolean' ? ['true', 'false'] : undefined;
    return all?.every((value) => reader.values.has(value)) ? [] : [difference('TYPE_CHANGED', path, 'type')];
  }
}

const isAll = (node: Solid): node is CombinedNode => node.kind === 'combined' && node.criterion === 'allOf';
const isSum = (node: Solid): node is CombinedNode => node.kind === 'combined' && node.criterion !== 'allOf';

/** A value of several members would fit several members of the reader, of which it may fit only one. */
function isAmbiguous(writer: CombinedNode, reader: Solid): boolean {
  if (reader.kind !== 'combined' || reader.criterion !== 'oneOf' || writer.criterion !== 'anyOf')
    return false;
  const kinds = reader.members.map((member) => followed(member).kind);
  const areApart = kinds.every((kind) =>
    ['string', 'number', 'boolean', 'null', 'object', 'array'].includes(kind),
  );
  return writer.members.length > 1 && !(areApart && new Set(kinds).size === kinds.length);
}
