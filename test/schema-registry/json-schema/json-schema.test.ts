import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../../src/schema-registry/json-schema/json-schema.ts';
import { InvalidSchema, type Referred } from '../../../src/schema-registry/schema-kind.ts';
import { textOf } from '../support.ts';

const kind = jsonSchema;
const parse = (schema: unknown, references: readonly Referred[] = []) =>
  kind.parse(textOf(schema), references);
/** From the writer to the reader, as versions follow each other. */
const kinds = (writer: unknown, reader: unknown): string[] =>
  kind.differences(parse(reader), parse(writer)).map(({ type }) => type);
const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
const closed = (properties: object, more: object = {}) =>
  object(properties, { additionalProperties: false, ...more });
const string = { type: 'string' };
const number = { type: 'number' };
const integer = { type: 'integer' };

describe('schemas of JSON Schema', () => {
  it('keep their order, and have one form when they are normalized', () => {
    const { text, normalized } = parse('{ "type" : "number", "minimum" : 1.0, "1" : 2 }');
    expect(text).toBe('{"type":"number","minimum":1.0,"1":2}');
    expect(normalized).toBe('{"1":2,"minimum":1,"type":"number"}');
    expect(parse('true').text).toBe('true');
  });

  it('are refused where they are none', () => {
    const wrong = [
      '',
      '5',
      '[]',
      { type: 'text' },
      { type: 5 },
      { properties: [] },
      { properties: { a: 5 } },
      { required: 'a' },
      { required: [5] },
      { anyOf: [] },
      { anyOf: {} },
      { not: 'x' },
      { minimum: '1' },
      { pattern: 5 },
      { enum: 'a' },
      { items: 5 },
      { $ref: '#/definitions/missing' },
      { $ref: 'other.json' },
      { $ref: 5 },
    ];
    for (const schema of wrong) expect(() => parse(schema), textOf(schema)).toThrow(InvalidSchema);
  });

  it('refer to parts of themselves and to others by pointer, anchor, identifier and name', () => {
    const other = {
      name: 'other.json',
      text: textOf({ definitions: { a: string, b: { $ref: '#/definitions/a' } } }),
    };
    for (const schema of [
      { $ref: '#/definitions/x', definitions: { x: string } },
      { $ref: '#here', definitions: { x: { ...string, $anchor: 'here' } } },
      { $ref: '#here', definitions: { x: { ...string, $id: '#here' } } },
      { $ref: '#/definitions/a~1b%20c', definitions: { 'a/b c': string } },
      {
        $id: 'http://x.org/root.json',
        $ref: 'item.json',
        definitions: { x: { ...string, $id: 'item.json' } },
      },
      { $ref: 'other.json#/definitions/a' },
      { $id: 'http://x.org/root.json', $ref: 'other.json#/definitions/b' },
    ]) {
      expect(kind.differences(parse(string), parse(schema, [other])), textOf(schema)).toEqual([]);
      expect(kind.differences(parse(schema, [other]), parse(string)), textOf(schema)).toEqual([]);
      expect(kind.differences(parse(schema, [other]), parse(number)), textOf(schema)).toHaveLength(1);
    }
    expect(parse({ $ref: 'http://json-schema.org/draft-07/schema#' }).node.kind).toBe('reference');
    // What looks like a reference in a value is a value.
    expect(() => parse({ enum: [{ $ref: '#/nowhere' }], default: { $id: 5 } })).not.toThrow();
  });

  it('may lead back to themselves', () => {
    const tree = (value: object) => closed({ value, children: { type: 'array', items: { $ref: '#' } } });
    expect(kinds(tree(integer), tree(number))).toEqual([]);
    expect(kinds(tree(number), tree(integer))).toEqual(['TYPE_NARROWED']);
    expect(() => parse({ $ref: '#' })).toThrow(InvalidSchema);
    expect(() => parse({ $ref: '#/b', a: { $ref: '#/b' }, b: { $ref: '#/a' } })).toThrow(InvalidSchema);
    expect(() => kinds({ allOf: [{ $ref: '#' }, { $ref: '#' }] }, { anyOf: [{ $ref: '#' }] })).not.toThrow();
  });

  it('are not compared beyond all bounds', () => {
    const many = (n: number) => ({
      anyOf: Array.from({ length: n }, (_, i) => object({ [`p${i}`]: { minimum: i } })),
    });
    expect(() => kinds(many(600), many(601))).toThrow(InvalidSchema);
  });
});

describe('types', () => {
  it('may take more and never less', () => {
    expect(kinds(integer, number)).toEqual([]);
    expect(kinds(number, integer)).toEqual(['TYPE_NARROWED']);
    expect(kinds(string, number)).toEqual(['TYPE_CHANGED']);
    expect(kinds(string, {})).toEqual([]);
    expect(kinds({}, string)).toEqual(['TYPE_CHANGED']);
    expect(kinds(false, string)).toEqual([]);
    expect(kinds(string, { type: ['string', 'null'] })).toEqual([]);
    expect(kinds({ type: ['string', 'null'] }, string)).toEqual(['SUM_TYPE_NARROWED']);
    expect(kinds({ type: ['string', 'null'] }, { type: ['null', 'string', 'integer'] })).toEqual([]);
    expect(kinds({ type: ['string', 'null'] }, number)).toEqual(['TYPE_CHANGED']);
  });

  it('of strings have lengths and patterns', () => {
    const text = (more: object) => ({ type: 'string', ...more });
    expect(kinds(string, text({ maxLength: 5 }))).toEqual(['MAX_LENGTH_ADDED']);
    expect(kinds(text({ maxLength: 5 }), text({ maxLength: 4 }))).toEqual(['MAX_LENGTH_DECREASED']);
    expect(kinds(text({ maxLength: 5 }), text({ maxLength: 6 }))).toEqual([]);
    expect(kinds(text({ maxLength: 5 }), string)).toEqual([]);
    expect(kinds(string, text({ minLength: 1 }))).toEqual(['MIN_LENGTH_INCREASED']);
    expect(kinds(string, text({ minLength: 0 }))).toEqual([]);
    expect(kinds(text({ minLength: 2 }), text({ minLength: 1 }))).toEqual([]);
    expect(kinds(string, text({ pattern: 'a' }))).toEqual(['PATTERN_ADDED']);
    expect(kinds(text({ pattern: 'a' }), text({ pattern: 'b' }))).toEqual(['PATTERN_CHANGED']);
    expect(kinds(text({ pattern: 'a' }), string)).toEqual([]);
  });

  it('of numbers have bounds and steps', () => {
    const bounded = (more: object) => ({ type: 'number', ...more });
    expect(kinds(number, bounded({ minimum: 1 }))).toEqual(['MINIMUM_ADDED']);
    expect(kinds(bounded({ minimum: 1 }), bounded({ minimum: 2 }))).toEqual(['MINIMUM_INCREASED']);
    expect(kinds(bounded({ minimum: 2 }), bounded({ minimum: 1 }))).toEqual([]);
    expect(kinds(bounded({ maximum: 2 }), bounded({ maximum: 1 }))).toEqual(['MAXIMUM_DECREASED']);
    expect(kinds(bounded({ maximum: 2 }), number)).toEqual([]);
    expect(kinds(bounded({ exclusiveMaximum: 2 }), bounded({ maximum: 2 }))).toEqual([]);
    expect(kinds(bounded({ maximum: 2 }), bounded({ exclusiveMaximum: 2 }))).toEqual([
      'EXCLUSIVE_MAXIMUM_ADDED',
    ]);
    expect(kinds(bounded({ maximum: 1 }), bounded({ exclusiveMaximum: 2 }))).toEqual([]);
    expect(kinds(bounded({ minimum: 2, exclusiveMinimum: true }), bounded({ exclusiveMinimum: 2 }))).toEqual(
      [],
    );
    expect(kinds(number, bounded({ multipleOf: 2 }))).toEqual(['MULTIPLE_OF_ADDED']);
    expect(kinds(bounded({ multipleOf: 2 }), bounded({ multipleOf: 4 }))).toEqual(['MULTIPLE_OF_EXPANDED']);
    expect(kinds(bounded({ multipleOf: 4 }), bounded({ multipleOf: 2 }))).toEqual([]);
    expect(kinds(bounded({ multipleOf: 4 }), bounded({ multipleOf: 3 }))).toEqual(['MULTIPLE_OF_CHANGED']);
    expect(kinds(bounded({ multipleOf: 4 }), integer)).toEqual([]);
  });

  it('may be lists of values', () => {
    expect(kinds({ enum: ['a'] }, { enum: ['a', 'b'] })).toEqual([]);
    expect(kinds({ enum: ['a', 'b'] }, { enum: ['a'] })).toEqual(['ENUM_ARRAY_NARROWED']);
    expect(kinds({ enum: ['a', 'b'] }, { enum: ['a', 'c'] })).toEqual(['ENUM_ARRAY_CHANGED']);
    expect(kinds({ const: 1 }, { enum: [1.0, 2] })).toEqual([]);
    expect(kinds({ enum: ['a', 'b'] }, string)).toEqual([]);
    expect(kinds({ enum: ['a', 'bb'] }, { ...string, maxLength: 1 })).toEqual(['TYPE_CHANGED']);
    expect(kinds({ enum: ['a', 1] }, string)).toEqual(['TYPE_CHANGED']);
    expect(kinds(string, { enum: ['a'] })).toEqual(['TYPE_CHANGED']);
    expect(kinds({ type: 'boolean' }, { enum: [true, false, null] })).toEqual([]);
    expect(kinds({ type: 'string', enum: ['a', 5] }, { enum: ['a'] })).toEqual([]);
  });
});

describe('objects', () => {
  it('with an open content model lose properties and gain none', () => {
    expect(kinds(object({ a: string, b: number }), object({ a: string }))).toEqual([]);
    expect(kinds(object({ a: string }), object({ a: string, b: number }))).toEqual([
      'OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL',
    ]);
    expect(kinds(object({ a: string }), object({ a: string, b: true }))).toEqual([]);
    expect(kinds(object({}), object({ b: {} }, { required: ['b'] }))).toEqual([
      'REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL',
    ]);
  });

  it('with a closed content model gain properties and lose none', () => {
    expect(kinds(closed({ a: string }), closed({ a: string, b: number }))).toEqual([]);
    expect(kinds(closed({ a: string, b: number }), closed({ a: string }))).toEqual([
      'PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL',
    ]);
    expect(kinds(closed({ a: string, b: false }), closed({ a: string }))).toEqual([]);
    const required = { required: ['b'] };
    expect(kinds(closed({}), closed({ b: number }, required))).toEqual([
      'REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL',
    ]);
    expect(kinds(closed({}), closed({ b: { ...number, default: 0 } }, required))).toEqual([]);
  });

  it('with a partially open one look at what that says', () => {
    const partly = (properties: object, rest: object) => object(properties, { additionalProperties: rest });
    expect(kinds(partly({}, integer), partly({ a: number }, integer))).toEqual([]);
    expect(kinds(partly({}, number), partly({ a: integer }, number))).toEqual([
      'TYPE_NARROWED',
      'PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
    ]);
    expect(kinds(partly({ a: integer }, integer), partly({}, number))).toEqual([]);
    expect(kinds(partly({ a: string }, number), partly({}, number))).toEqual([
      'TYPE_CHANGED',
      'PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
    ]);
    const patterns = (properties: object, of: object) => closed(properties, { patternProperties: of });
    expect(kinds(patterns({}, { '^x': integer }), patterns({ x1: number }, { '^x': integer }))).toEqual([]);
    expect(kinds(patterns({}, { '^x': number }), patterns({ x1: integer }, { '^x': number }))).toContain(
      'PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL',
    );
    expect(kinds(patterns({}, { '^x': number }), patterns({ y: integer }, { '^x': number }))).toEqual([]);
    expect(kinds(patterns({}, { '^x': number }), patterns({}, { '^x': integer }))).toEqual(['TYPE_NARROWED']);
    // Of a pattern that is not understood nothing is known.
    expect(
      kinds(patterns({}, { '(?=x)': number }), patterns({ y: integer }, { '(?=x)': number })),
    ).not.toEqual([]);
  });

  it('open and close', () => {
    expect(kinds(object({}), closed({}))).toEqual(['ADDITIONAL_PROPERTIES_REMOVED']);
    expect(kinds(closed({}), object({}))).toEqual([]);
    expect(kinds(object({}), object({}, { additionalProperties: string }))).toEqual([
      'ADDITIONAL_PROPERTIES_NARROWED',
    ]);
    expect(kinds(object({}, { additionalProperties: string }), object({}))).toEqual([]);
    expect(
      kinds(object({}, { additionalProperties: string }), object({}, { additionalProperties: number })),
    ).toEqual(['TYPE_CHANGED']);
  });

  it('require what was required before', () => {
    const required = { required: ['a'] };
    expect(kinds(object({ a: string }), object({ a: string }, required))).toEqual([
      'REQUIRED_ATTRIBUTE_ADDED',
    ]);
    expect(kinds(object({ a: string }), object({ a: { ...string, default: '' } }, required))).toEqual([]);
    expect(kinds(object({ a: string }, required), object({ a: string }))).toEqual([]);
    expect(kinds(object({}), object({}, required))).toEqual(['REQUIRED_ATTRIBUTE_ADDED']);
  });

  it('are bounded in size and dependencies', () => {
    expect(kinds(object({}), object({}, { maxProperties: 2 }))).toEqual(['MAX_PROPERTIES_ADDED']);
    expect(kinds(object({}, { minProperties: 2 }), object({}, { minProperties: 3 }))).toEqual([
      'MIN_PROPERTIES_INCREASED',
    ]);
    const dependent = (...names: string[]) => object({}, { dependencies: { a: names } });
    expect(kinds(object({}), dependent('b'))).toEqual(['DEPENDENCY_ARRAY_ADDED']);
    expect(kinds(dependent('b'), dependent('b', 'c'))).toEqual(['DEPENDENCY_ARRAY_EXTENDED']);
    expect(kinds(dependent('b', 'c'), dependent('b'))).toEqual([]);
    expect(kinds(dependent('b'), dependent('c'))).toEqual(['DEPENDENCY_ARRAY_CHANGED']);
    const schema = (of: object) => object({}, { dependentSchemas: { a: of } });
    expect(kinds(object({}), schema(object({})))).toEqual(['DEPENDENCY_SCHEMA_ADDED']);
    expect(kinds(schema(closed({})), schema(object({})))).toEqual([]);
    expect(kinds(object({}), object({}, { propertyNames: { maxLength: 3 } }))).toEqual([
      'PROPERTY_NAMES_ADDED',
    ]);
  });

  it('are looked at in depth', () => {
    const [found] = kind.differences(
      parse(object({ 'a/b': object({ c: integer }) })),
      parse(object({ 'a/b': object({ c: number }) })),
    );
    expect(found?.path).toBe('#/properties/a~1b/properties/c');
  });
});

describe('arrays', () => {
  const array = (more: object) => ({ type: 'array', ...more });

  it('have items of one schema', () => {
    expect(kinds(array({ items: integer }), array({ items: number }))).toEqual([]);
    expect(kinds(array({ items: number }), array({ items: integer }))).toEqual(['TYPE_NARROWED']);
    expect(kinds(array({}), array({ items: integer }))).toEqual(['SCHEMA_ADDED']);
    expect(kinds(array({ items: integer }), array({}))).toEqual([]);
    expect(kinds(array({}), array({ maxItems: 3 }))).toEqual(['MAX_ITEMS_ADDED']);
    expect(kinds(array({ minItems: 3 }), array({ minItems: 2 }))).toEqual([]);
    expect(kinds(array({}), array({ uniqueItems: true }))).toEqual(['UNIQUE_ITEMS_ADDED']);
    expect(kinds(array({}), array({ contains: string }))).toEqual(['CONTAINS_ADDED']);
    expect(kinds(array({ contains: string }), array({ contains: string }))).toEqual([]);
  });

  it('have items of a schema for each place', () => {
    const tuple = (items: object[], more: object = {}) => array({ items, ...more });
    const shut = { additionalItems: false };
    expect(kinds(tuple([string], shut), tuple([string, number], shut))).toEqual([]);
    expect(kinds(tuple([string, number], shut), tuple([string], shut))).toEqual([
      'ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL',
    ]);
    expect(kinds(tuple([string]), tuple([string, number]))).toEqual(['ITEM_ADDED_TO_OPEN_CONTENT_MODEL']);
    expect(kinds(tuple([string, number]), tuple([string]))).toEqual([]);
    expect(kinds(tuple([string]), tuple([string], shut))).toEqual(['ADDITIONAL_ITEMS_REMOVED']);
    expect(kinds(array({ prefixItems: [string], items: false }), tuple([string], shut))).toEqual([]);
    expect(
      kinds(tuple([], { additionalItems: number }), tuple([integer], { additionalItems: number })),
    ).toEqual(['TYPE_NARROWED', 'ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL']);
  });
});

describe('combined schemas', () => {
  it('are extended as choices and narrowed as products', () => {
    expect(kinds({ oneOf: [string] }, { oneOf: [string, number] })).toEqual([]);
    expect(kinds({ anyOf: [string, number] }, { anyOf: [number] })).toEqual(['SUM_TYPE_NARROWED']);
    expect(
      kinds({ allOf: [object({ a: string })] }, { allOf: [object({ a: string }), object({ b: string })] }),
    ).toEqual(['PRODUCT_TYPE_EXTENDED']);
    expect(
      kinds({ allOf: [object({ a: string }), object({ b: string })] }, { allOf: [object({ a: string })] }),
    ).toEqual([]);
    expect(kinds({ oneOf: [string, number] }, { anyOf: [string, number] })).toEqual([]);
    expect(kinds({ oneOf: [string, integer] }, { oneOf: [integer, { ...string, maxLength: 1 }] })).toEqual([
      'COMBINED_TYPE_SUBSCHEMAS_CHANGED',
    ]);
  });

  it('of one member are that member', () => {
    expect(kinds(string, { anyOf: [string] })).toEqual([]);
    expect(kinds({ allOf: [string] }, string)).toEqual([]);
    expect(kinds({ oneOf: [string] }, { allOf: [string] })).toEqual([]);
    expect(kinds(string, { oneOf: [number, string] })).toEqual([]);
    expect(kinds(string, { oneOf: [number, integer] })).toEqual(['TYPE_CHANGED']);
  });

  it('do not become exclusive when their members overlap', () => {
    const overlapping = [object({ a: string }), object({ b: string })];
    expect(kinds({ anyOf: overlapping }, { oneOf: overlapping })).toEqual(['COMBINED_TYPE_CHANGED']);
    expect(kinds({ anyOf: [string, number] }, { oneOf: [string, number] })).toEqual([]);
  });

  it('may exclude less, and have the conditions that they had', () => {
    expect(kinds({ not: number }, { not: integer })).toEqual([]);
    expect(kinds({ not: integer }, { not: number })).toEqual(['NOT_TYPE_EXTENDED']);
    const conditional = (then: object) => ({ if: string, then });
    expect(kinds(conditional(string), conditional(string))).toEqual([]);
    expect(kinds(conditional(string), conditional(number))).toEqual(['TYPE_CHANGED']);
  });
});
