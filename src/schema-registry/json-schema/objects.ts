/** Objects: properties, and what the content model says about those that have no schema of their own. */
import type { Difference } from '../schema-kind.ts';
import { type Comparison, compareBound, compareOthers, difference, step } from './comparison.ts';
import { ANY, followed, type Node, type ObjectNode } from './nodes.ts';

export function compareObjects(
  comparison: Comparison,
  writer: ObjectNode,
  reader: ObjectNode,
  path: string,
): readonly Difference[] {
  return [
    ...compareRequired(writer, reader, path),
    ...compareProperties(comparison, writer, reader, path),
    ...comparePatterns(comparison, writer, reader, path),
    ...compareAdditional(comparison, writer, reader, path),
    ...compareDependencies(comparison, writer, reader, path),
    ...compareBound('upper', writer.maxProperties, reader.maxProperties, 'maxProperties', path),
    ...compareBound(
      'lower',
      Math.max(writer.minProperties ?? 0, writer.required.size),
      reader.minProperties,
      'minProperties',
      path,
    ),
    ...compareOthers(writer.others, reader.others, path),
  ];
}

/** What properties of the name have to be that has no schema of its own; undefined when patterns leave that open. */
function otherwise(
  { matches }: Comparison,
  { patterns, additional }: ObjectNode,
  name: string,
): Node | undefined {
  const fitting: Node[] = [];
  for (const [pattern, node] of patterns) {
    const isMatch = matches(pattern, name);
    if (isMatch === undefined) return undefined;
    if (isMatch) fitting.push(node);
  }
  const [only] = fitting;
  if (only === undefined) return additional;
  return fitting.length === 1
    ? only
    : { kind: 'combined', criterion: 'allOf', members: fitting, hasDefault: false };
}

const hasDefault = (node: Node | undefined): boolean =>
  node !== undefined && (node.hasDefault || followed(node).hasDefault);

function compareRequired(writer: ObjectNode, reader: ObjectNode, path: string): readonly Difference[] {
  return [...reader.required].flatMap((name) => {
    if (writer.required.has(name) || hasDefault(reader.properties.get(name))) return [];
    // A new property is looked at as such.
    if (!writer.properties.has(name) && reader.properties.has(name)) return [];
    return [difference('REQUIRED_ATTRIBUTE_ADDED', `${path}/required/${step(name)}`, 'added')];
  });
}

function compareProperties(
  comparison: Comparison,
  writer: ObjectNode,
  reader: ObjectNode,
  path: string,
): readonly Difference[] {
  const names = new Set([...writer.properties.keys(), ...reader.properties.keys()]);
  return [...names].flatMap((name) => {
    const place = `${path}/properties/${step(name)}`;
    const written = writer.properties.get(name);
    const read = reader.properties.get(name);
    if (written !== undefined && read !== undefined) return comparison.compare(written, read, place);
    if (written !== undefined)
      return compareRemoved(comparison, written, otherwise(comparison, reader, name), place);
    if (read === undefined) return [];
    const isRequired = reader.required.has(name) && !writer.required.has(name) && !read.hasDefault;
    return compareAdded(comparison, otherwise(comparison, writer, name), read, isRequired, place);
  });
}

function compareRemoved(
  { compare }: Comparison,
  written: Node,
  read: Node | undefined,
  place: string,
): readonly Difference[] {
  if (followed(written).kind === 'never') return [];
  if (read === undefined) {
    return [
      difference(
        'PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
        place,
        'removed-not-covered',
      ),
    ];
  }
  if (followed(read).kind === 'never') {
    return [difference('PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL', place, 'removed-from-closed')];
  }
  const found = compare(written, read, place);
  if (found.length === 0) return [];
  return [
    ...found,
    difference('PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL', place, 'removed-not-covered'),
  ];
}

function compareAdded(
  { compare }: Comparison,
  written: Node | undefined,
  read: Node,
  isRequired: boolean,
  place: string,
): readonly Difference[] {
  const before = followed(written ?? ANY);
  const required = isRequired
    ? [difference('REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL', place, 'required-added')]
    : [];
  if (before.kind === 'never') return required;
  const found = compare(before, read, place);
  if (before.kind === 'any') {
    if (found.length === 0 && !isRequired) return [];
    const kind = isRequired ? 'REQUIRED' : hasDefault(read) ? 'REQUIRED_PROPERTY_WITH_DEFAULT' : 'OPTIONAL';
    const type = kind.includes('_')
      ? `${kind}_ADDED_TO_OPEN_CONTENT_MODEL`
      : `${kind}_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL`;
    return [difference(type, place, 'added-to-open')];
  }
  if (found.length === 0) return required;
  return [
    ...found,
    difference('PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL', place, 'added-not-covered'),
    ...required,
  ];
}

function comparePatterns(
  { compare }: Comparison,
  writer: ObjectNode,
  reader: ObjectNode,
  path: string,
): readonly Difference[] {
  const patterns = new Set([...writer.patterns.keys(), ...reader.patterns.keys()]);
  return [...patterns].flatMap((pattern) =>
    compare(
      writer.patterns.get(pattern) ?? writer.additional,
      reader.patterns.get(pattern) ?? reader.additional,
      `${path}/patternProperties/${step(pattern)}`,
    ),
  );
}

function compareAdditional(
  { compare }: Comparison,
  writer: ObjectNode,
  reader: ObjectNode,
  path: string,
): readonly Difference[] {
  const place = `${path}/additionalProperties`;
  const before = followed(writer.additional).kind;
  const now = followed(reader.additional).kind;
  if (now === 'never' && before !== 'never')
    return [difference('ADDITIONAL_PROPERTIES_REMOVED', place, 'narrowed')];
  if (before === 'any' && now !== 'any')
    return [difference('ADDITIONAL_PROPERTIES_NARROWED', place, 'narrowed')];
  return compare(writer.additional, reader.additional, place);
}

function compareDependencies(
  { compare }: Comparison,
  writer: ObjectNode,
  reader: ObjectNode,
  path: string,
): readonly Difference[] {
  const lists = [...reader.dependentRequired].flatMap(([name, read]) => {
    const place = `${path}/dependencies/${step(name)}`;
    const written = writer.dependentRequired.get(name);
    if (written === undefined) return [difference('DEPENDENCY_ARRAY_ADDED', place, 'added')];
    if ([...read].every((each) => written.has(each))) return [];
    const isLarger = [...written].every((each) => read.has(each));
    return [
      isLarger
        ? difference('DEPENDENCY_ARRAY_EXTENDED', place, 'extended')
        : difference('DEPENDENCY_ARRAY_CHANGED', place, 'changed'),
    ];
  });
  const schemas = [...reader.dependentSchemas].flatMap(([name, read]) => {
    const place = `${path}/dependencies/${step(name)}`;
    const written = writer.dependentSchemas.get(name);
    if (written === undefined) return [difference('DEPENDENCY_SCHEMA_ADDED', place, 'added')];
    return compare(written, read, place);
  });
  return [...lists, ...schemas];
}
