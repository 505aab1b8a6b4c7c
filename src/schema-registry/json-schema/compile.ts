/** From JSON to nodes: every keyword that restricts values is checked for its form and put where it belongs. */
import { isArray, isNumber, isObject, isText, type Json, type JsonObject, printJson } from '../json.ts';
import { MAX_SCHEMA_DEPTH } from '../limits.ts';
import { InvalidSchema } from '../schema-kind.ts';
import type { Documents } from './documents.ts';
import {
  ANY,
  type ArrayNode,
  followed,
  NEVER,
  type Node,
  type NumberNode,
  type ObjectNode,
  type StringNode,
} from './nodes.ts';

const TYPES = ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array'] as const;
type TypeName = (typeof TYPES)[number];

/** What a schema without `type` is for, as its keywords show. */
const KEYWORDS_OF: readonly (readonly [TypeName, readonly string[]])[] = [
  [
    'object',
    [
      'properties',
      'patternProperties',
      'additionalProperties',
      'unevaluatedProperties',
      'required',
      'minProperties',
      'maxProperties',
      'dependencies',
      'dependentRequired',
      'dependentSchemas',
      'propertyNames',
    ],
  ],
  [
    'array',
    [
      'items',
      'prefixItems',
      'additionalItems',
      'unevaluatedItems',
      'minItems',
      'maxItems',
      'uniqueItems',
      'contains',
    ],
  ],
  ['string', ['minLength', 'maxLength', 'pattern']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
];
const CONDITIONS = ['if', 'then', 'else'];
const COMBINATIONS = ['allOf', 'anyOf', 'oneOf'] as const;

/** Throws InvalidSchema. */
export function compileSchema(root: Json, documents: Documents): Node {
  /** A schema is one node wherever it is referred to from. */
  const compiled = new Map<JsonObject, Node>();
  const waiting: (() => Node)[] = [];
  const node = compile(root, 0);
  const targets: Node[] = [];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) targets.push(next());
  // What leads nowhere is found now and not when something is compared with it.
  for (const target of targets) followed(target);
  return node;

  function compile(json: Json, depth: number): Node {
    if (depth > MAX_SCHEMA_DEPTH)
      throw new InvalidSchema(`schemas are nested deeper than ${MAX_SCHEMA_DEPTH}`);
    if (json === true) return ANY;
    if (json === false) return NEVER;
    if (!isObject(json)) throw new InvalidSchema('a schema has to be an object, true or false');
    const known = compiled.get(json);
    if (known !== undefined) return known;
    const node = compileObject(json, depth);
    compiled.set(json, node);
    return node;
  }

  function compileObject(json: JsonObject, depth: number): Node {
    const hasDefault = json.has('default');
    const ref = textAt(json, '$ref') ?? textAt(json, '$dynamicRef') ?? textAt(json, '$recursiveRef');
    const parts: Node[] = [];
    if (ref !== undefined) {
      const reference = referenceTo(ref, json);
      if (!documents.hasSiblings(json)) return { ...reference, hasDefault };
      parts.push(reference);
    }
    parts.push(...typed(json, depth));
    for (const criterion of COMBINATIONS) {
      const list = json.get(criterion);
      if (list === undefined) continue;
      if (!isArray(list) || list.length === 0)
        throw new InvalidSchema(`"${criterion}" has to be an array of schemas`);
      parts.push({
        kind: 'combined',
        criterion,
        members: list.map((member) => compile(member, depth + 1)),
        hasDefault: false,
      });
    }
    const not = json.get('not');
    if (not !== undefined) parts.push({ kind: 'not', node: compile(not, depth + 1), hasDefault: false });
    if (json.has('if')) {
      parts.push({
        kind: 'opaque',
        text: CONDITIONS.map((name) => printed(json.get(name))).join(),
        hasDefault: false,
      });
    }
    const [only] = parts;
    if (only === undefined) return { kind: 'any', hasDefault };
    if (parts.length === 1) return { ...only, hasDefault };
    return { kind: 'combined', criterion: 'allOf', members: parts, hasDefault };
  }

  function referenceTo(ref: string, from: JsonObject): Node & { kind: 'reference' } {
    let target: Node | undefined;
    const find = (): Node => {
      if (target === undefined) {
        const json = documents.resolve(ref, from);
        target = json === undefined ? ANY : compile(json, 0);
      }
      return target;
    };
    // Later, since it may lead back to where this one is about to be compiled.
    waiting.push(find);
    return { kind: 'reference', target: find, hasDefault: false };
  }

  function typed(json: JsonObject, depth: number): Node[] {
    const types = typesOf(json);
    const values = json.has('const') ? [json.get('const') ?? null] : json.get('enum');
    if (values !== undefined) {
      if (!isArray(values)) throw new InvalidSchema('"enum" has to be an array');
      const fitting = values.filter(
        (value) => types === undefined || types.some((type) => isOf(value, type)),
      );
      const node: Node = {
        kind: 'enum',
        values: new Map(fitting.map((value) => [printJson(value, true), value])),
        hasDefault: false,
      };
      // The keywords of the type still hold for the values.
      return [
        node,
        ...(types ?? []).flatMap((type) => (hasKeywords(json, type) ? [ofType(json, type, depth)] : [])),
      ];
    }
    const shown = types ?? KEYWORDS_OF.filter(([type]) => hasKeywords(json, type)).map(([type]) => type);
    const nodes = shown.map((type) => ofType(json, type, depth));
    if (nodes.length <= 1 || types === undefined) return nodes;
    return [{ kind: 'combined', criterion: 'anyOf', members: nodes, hasDefault: false }];
  }

  function ofType(json: JsonObject, type: TypeName, depth: number): Node {
    switch (type) {
      case 'string':
        return stringNode(json);
      case 'number':
      case 'integer':
        return numberNode(json, type === 'integer');
      case 'object':
        return objectNode(json, depth);
      case 'array':
        return arrayNode(json, depth);
      default:
        return { kind: type, hasDefault: false };
    }
  }

  function objectNode(json: JsonObject, depth: number): ObjectNode {
    const dependencies = [...objectAt(json, 'dependencies'), ...objectAt(json, 'dependentRequired')];
    const lists = dependencies.filter(([, value]) => isArray(value));
    const schemas = [
      ...dependencies.filter(([, value]) => !isArray(value)),
      ...objectAt(json, 'dependentSchemas'),
    ];
    const additional = json.get('additionalProperties') ?? json.get('unevaluatedProperties') ?? true;
    return {
      kind: 'object',
      properties: schemasIn(objectAt(json, 'properties'), depth),
      required: requiredOf(json),
      patterns: schemasIn(objectAt(json, 'patternProperties'), depth),
      additional: compile(additional, depth + 1),
      minProperties: numberAt(json, 'minProperties'),
      maxProperties: numberAt(json, 'maxProperties'),
      dependentRequired: new Map(lists.map(([name, value]) => [name, new Set(texts(value, name))])),
      dependentSchemas: schemasIn(schemas, depth),
      others: otherKeywords(json, ['propertyNames']),
      hasDefault: false,
    };
  }

  function arrayNode(json: JsonObject, depth: number): ArrayNode {
    const items = json.get('items');
    const tuple = json.get('prefixItems') ?? (isArray(items) ? items : []);
    if (!isArray(tuple)) throw new InvalidSchema('"prefixItems" has to be an array');
    const behind = isArray(items) ? json.get('additionalItems') : items;
    const unique = json.get('uniqueItems');
    return {
      kind: 'array',
      prefix: tuple.map((item) => compile(item, depth + 1)),
      rest: compile(behind ?? json.get('unevaluatedItems') ?? true, depth + 1),
      minItems: numberAt(json, 'minItems'),
      maxItems: numberAt(json, 'maxItems'),
      isUnique: unique === true,
      others: otherKeywords(json, ['contains', 'minContains', 'maxContains']),
      hasDefault: false,
    };
  }

  function schemasIn(members: Iterable<readonly [string, Json]>, depth: number): ReadonlyMap<string, Node> {
    return new Map([...members].map(([name, member]) => [name, compile(member, depth + 1)]));
  }
}

function typesOf(json: JsonObject): readonly TypeName[] | undefined {
  const given = json.get('type');
  if (given === undefined) return undefined;
  const names = isArray(given) ? given : [given];
  return names.map((name) => {
    const type = TYPES.find((type) => type === name);
    if (type === undefined) throw new InvalidSchema(`there is no type ${printed(name)}`);
    return type;
  });
}

function hasKeywords(json: JsonObject, type: TypeName): boolean {
  const kind = type === 'integer' ? 'number' : type;
  return KEYWORDS_OF.some(([of, keywords]) => of === kind && keywords.some((keyword) => json.has(keyword)));
}

function isOf(value: Json, type: TypeName): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return isArray(value);
    case 'object':
      return isObject(value);
    case 'number':
      return isNumber(value);
    case 'integer':
      return isNumber(value) && Number.isInteger(Number(value.digits));
    default:
      return typeof value === type;
  }
}

const stringNode = (json: JsonObject): StringNode => ({
  kind: 'string',
  minLength: numberAt(json, 'minLength'),
  maxLength: numberAt(json, 'maxLength'),
  pattern: textAt(json, 'pattern'),
  hasDefault: false,
});

/** In draft 4 the exclusive bounds are flags of the others. */
function numberNode(json: JsonObject, isInteger: boolean): NumberNode {
  const bound = (name: string, exclusive: string): [number | undefined, number | undefined] => {
    const inclusive = numberAt(json, name);
    const flag = json.get(exclusive);
    if (typeof flag === 'boolean') return flag ? [undefined, inclusive] : [inclusive, undefined];
    return [inclusive, numberAt(json, exclusive)];
  };
  const [minimum, exclusiveMinimum] = bound('minimum', 'exclusiveMinimum');
  const [maximum, exclusiveMaximum] = bound('maximum', 'exclusiveMaximum');
  const multipleOf = numberAt(json, 'multipleOf');
  return {
    kind: 'number',
    isInteger,
    minimum,
    maximum,
    exclusiveMinimum,
    exclusiveMaximum,
    multipleOf,
    hasDefault: false,
  };
}

/** Draft 3 has a flag there. */
function requiredOf(json: JsonObject): ReadonlySet<string> {
  const required = json.get('required');
  return new Set(required === undefined || typeof required === 'boolean' ? [] : texts(required, 'required'));
}

function otherKeywords(json: JsonObject, names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(names.filter((name) => json.has(name)).map((name) => [name, printed(json.get(name))]));
}

const printed = (json: Json | undefined): string => (json === undefined ? '' : printJson(json, true));

function textAt(json: JsonObject, name: string): string | undefined {
  const value = json.get(name);
  if (value !== undefined && !isText(value)) throw new InvalidSchema(`"${name}" has to be a string`);
  return value;
}

function numberAt(json: JsonObject, name: string): number | undefined {
  const value = json.get(name);
  if (value === undefined) return undefined;
  if (!isNumber(value)) throw new InvalidSchema(`"${name}" has to be a number`);
  return Number(value.digits);
}

function objectAt(json: JsonObject, name: string): JsonObject {
  const value = json.get(name);
  if (value === undefined) return new Map();
  if (!isObject(value)) throw new InvalidSchema(`"${name}" has to be an object`);
  return value;
}

function texts(value: Json, name: string): string[] {
  if (!isArray(value) || !value.every(isText))
    throw new InvalidSchema(`"${name}" has to be an array of strings`);
  return value.filter(isText);
}
