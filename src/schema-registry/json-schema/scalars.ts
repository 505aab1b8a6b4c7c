/** Strings and numbers: bounds, patterns, multiples. */
import type { Difference } from '../schema-kind.ts';
import { compareBound, difference } from './comparison.ts';
import type { NumberNode, StringNode } from './nodes.ts';

export function compareStrings(writer: StringNode, reader: StringNode, path: string): readonly Difference[] {
  return [
    ...compareBound('upper', writer.maxLength, reader.maxLength, 'maxLength', path),
    // No string is shorter than nothing.
    ...compareBound('lower', writer.minLength ?? 0, reader.minLength, 'minLength', path),
    ...comparePatterns(writer.pattern, reader.pattern, `${path}/pattern`),
  ];
}

function comparePatterns(
  writer: string | undefined,
  reader: string | undefined,
  path: string,
): readonly Difference[] {
  if (reader === undefined || reader === writer) return [];
  return writer === undefined
    ? [difference('PATTERN_ADDED', path, 'added')]
    : [difference('PATTERN_CHANGED', path, 'changed')];
}

export function compareNumbers(writer: NumberNode, reader: NumberNode, path: string): readonly Difference[] {
  const isWhole =
    writer.isInteger || (writer.multipleOf !== undefined && Number.isInteger(writer.multipleOf));
  return [
    ...(reader.isInteger && !isWhole ? [difference('TYPE_NARROWED', path, 'type')] : []),
    ...compareUpper(writer, reader, path),
    ...compareLower(writer, reader, path),
    ...compareMultiples(writer, reader, path),
  ];
}

/** An exclusive bound holds whatever an inclusive one at the same place does. */
function compareUpper(writer: NumberNode, reader: NumberNode, path: string): readonly Difference[] {
  const { maximum, exclusiveMaximum } = writer;
  const under = smallest(maximum, exclusiveMaximum);
  const isBelow =
    reader.exclusiveMaximum !== undefined && maximum !== undefined && maximum < reader.exclusiveMaximum;
  return [
    ...compareBound('upper', under, reader.maximum, 'maximum', path),
    ...(isBelow
      ? []
      : compareBound('upper', exclusiveMaximum, reader.exclusiveMaximum, 'exclusiveMaximum', path)),
  ];
}

function compareLower(writer: NumberNode, reader: NumberNode, path: string): readonly Difference[] {
  const { minimum, exclusiveMinimum } = writer;
  const over = largest(minimum, exclusiveMinimum);
  const isAbove =
    reader.exclusiveMinimum !== undefined && minimum !== undefined && minimum > reader.exclusiveMinimum;
  return [
    ...compareBound('lower', over, reader.minimum, 'minimum', path),
    ...(isAbove
      ? []
      : compareBound('lower', exclusiveMinimum, reader.exclusiveMinimum, 'exclusiveMinimum', path)),
  ];
}

const smallest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);
const largest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b);

function compareMultiples(writer: NumberNode, reader: NumberNode, path: string): readonly Difference[] {
  const place = `${path}/multipleOf`;
  const { multipleOf } = reader;
  if (multipleOf === undefined || multipleOf === writer.multipleOf) return [];
  if (writer.multipleOf === undefined) {
    // All integers are multiples of one.
    return multipleOf === 1 && writer.isInteger ? [] : [difference('MULTIPLE_OF_ADDED', place, 'added')];
  }
  if (Number.isInteger(writer.multipleOf / multipleOf)) return [];
  const isLarger = Number.isInteger(multipleOf / writer.multipleOf);
  return [
    isLarger
      ? difference('MULTIPLE_OF_EXPANDED', place, 'more')
      : difference('MULTIPLE_OF_CHANGED', place, 'changed'),
  ];
}
