/** Arrays: items by their place, and those behind. */
import type { Difference } from '../schema-kind.ts';
import { type Comparison, compareBound, compareOthers, difference } from './comparison.ts';
import { type ArrayNode, followed, type Node } from './nodes.ts';

export function compareArrays(
  comparison: Comparison,
  writer: ArrayNode,
  reader: ArrayNode,
  path: string,
): readonly Difference[] {
  const places = Math.max(writer.prefix.length, reader.prefix.length);
  const items = Array.from({ length: places }, (_, i) =>
    compareItem(comparison, writer, reader, i, `${path}/items/${i}`),
  );
  return [
    ...items.flat(),
    ...compareRest(comparison, writer, reader, path),
    ...compareBound('upper', writer.maxItems, reader.maxItems, 'maxItems', path),
    ...compareBound('lower', writer.minItems ?? 0, reader.minItems, 'minItems', path),
    ...(reader.isUnique && !writer.isUnique
      ? [difference('UNIQUE_ITEMS_ADDED', `${path}/uniqueItems`, 'added')]
      : []),
    ...compareOthers(writer.others, reader.others, path),
  ];
}

function compareItem(
  { compare }: Comparison,
  writer: ArrayNode,
  reader: ArrayNode,
  i: number,
  place: string,
): readonly Difference[] {
  const written: Node = writer.prefix[i] ?? writer.rest;
  const read: Node = reader.prefix[i] ?? reader.rest;
  const found = compare(written, read, place);
  if (found.length === 0) return [];
  if (i >= writer.prefix.length) {
    return followed(written).kind === 'any'
      ? [difference('ITEM_ADDED_TO_OPEN_CONTENT_MODEL', place, 'added-to-open')]
      : [
          ...found,
          difference('ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL', place, 'added-not-covered'),
        ];
  }
  if (i >= reader.prefix.length) {
    return followed(read).kind === 'never'
      ? [difference('ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL', place, 'removed-from-closed')]
      : [
          ...found,
          difference(
            'ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
            place,
            'removed-not-covered',
          ),
        ];
  }
  return found;
}

function compareRest(
  { compare }: Comparison,
  writer: ArrayNode,
  reader: ArrayNode,
  path: string,
): readonly Difference[] {
  const isTuple = writer.prefix.length > 0 || reader.prefix.length > 0;
  const place = `${path}/${isTuple ? 'additionalItems' : 'items'}`;
  const before = followed(writer.rest).kind;
  const now = followed(reader.rest).kind;
  if (now === 'never' && before !== 'never')
    return [difference('ADDITIONAL_ITEMS_REMOVED', place, 'narrowed')];
  if (before === 'any' && now !== 'any') {
    return [
      isTuple
        ? difference('ADDITIONAL_ITEMS_NARROWED', place, 'narrowed')
        : difference('SCHEMA_ADDED', place, 'added'),
    ];
  }
  return compare(writer.rest, reader.rest, place);
}
