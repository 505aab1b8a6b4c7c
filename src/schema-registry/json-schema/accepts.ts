/** Whether a schema takes one value: as far as values of enumerations need it, and no where it is not sure. */
import { isArray, isNumber, isObject, isText, type Json, printJson } from '../json.ts';
import type { Matches } from './comparison.ts';
import {
  type ArrayNode,
  followed,
  type Node,
  type NumberNode,
  type ObjectNode,
  type StringNode,
} from './nodes.ts';

/** References may lead in circles through combinations. */
const MAX_STEPS = 2000;

export function accepts(node: Node, value: Json, matches: Matches): boolean {
  let left = MAX_STEPS;
  return takes(node);

  function takes(node: Node): boolean {
    if (--left < 0) return false;
    const schema = followed(node);
    switch (schema.kind) {
      case 'any':
        return true;
      case 'never':
      case 'opaque':
      case 'not':
        return false;
      case 'null':
        return value === null;
      case 'boolean':
        return typeof value === 'boolean';
      case 'string':
        return isText(value) && isTaken(schema, value, matches);
      case 'number':
        return isNumber(value) && isWithin(schema, Number(value.digits));
      case 'enum':
        return schema.values.has(printJson(value, true));
      case 'combined': {
        const fitting = schema.members.filter(takes).length;
        if (schema.criterion === 'allOf') return fitting === schema.members.length;
        return schema.criterion === 'anyOf' ? fitting > 0 : fitting === 1;
      }
      case 'object':
        return isObject(value) && isUnrestrictedObject(schema);
      case 'array':
        return isArray(value) && isUnrestrictedArray(schema);
    }
  }
}

const isUnrestrictedObject = (schema: ObjectNode): boolean =>
  schema.properties.size + schema.required.size + schema.patterns.size + schema.others.size === 0 &&
  schema.dependentRequired.size + schema.dependentSchemas.size === 0 &&
  followed(schema.additional).kind === 'any' &&
  schema.minProperties === undefined &&
  schema.maxProperties === undefined;

const isUnrestrictedArray = (schema: ArrayNode): boolean =>
  schema.prefix.length + schema.others.size === 0 &&
  followed(schema.rest).kind === 'any' &&
  schema.minItems === undefined &&
  schema.maxItems === undefined &&
  !schema.isUnique;

function isTaken(
  { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern }: StringNode,
  text: string,
  matches: Matches,
): boolean {
  const length = [...text].length;
  return (
    length >= minLength && length <= maxLength && (pattern === undefined || matches(pattern, text) === true)
  );
}

function isWithin(node: NumberNode, value: number): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = node;
  return (
    (!node.isInteger || Number.isInteger(value)) &&
    (minimum === undefined || value >= minimum) &&
    (maximum === undefined || value <= maximum) &&
    (exclusiveMinimum === undefined || value > exclusiveMinimum) &&
    (exclusiveMaximum === undefined || value < exclusiveMaximum) &&
    (multipleOf === undefined || Number.isInteger(value / multipleOf))
  );
}
