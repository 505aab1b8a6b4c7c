/**
 * The promise behind compatibility, held against a naive validator: what the writer's schema takes, a compatible reader's
 * takes as well. Keywords in which the registry is lenient on purpose are not generated (docs/schema-registry.md).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../../src/schema-registry/json-schema/json-schema.ts';

type Schema = boolean | { readonly [keyword: string]: unknown };

const NAMES = ['a', 'b', 'xa'];
const PATTERNS = ['^x', 'a$'];

function validates(schema: Schema, value: unknown): boolean {
  if (typeof schema === 'boolean') return schema;
  const anyOf = schema.anyOf as Schema[] | undefined;
  const allOf = schema.allOf as Schema[] | undefined;
  if (anyOf?.some((each) => validates(each, value)) === false) return false;
  if (allOf?.every((each) => validates(each, value)) === false) return false;
  if (schema.not !== undefined && validates(schema.not as Schema, value)) return false;
  if (schema.enum !== undefined && !(schema.enum as unknown[]).includes(value)) return false;
  const types = schema.type === undefined ? undefined : ([schema.type].flat() as string[]);
  if (types !== undefined && !types.some((type) => isOf(type, value))) return false;
  if (typeof value === 'number') return within(value, schema.minimum, schema.maximum);
  if (typeof value === 'string') return within(value.length, schema.minLength, schema.maxLength);
  if (Array.isArray(value)) {
    const items = (schema.items ?? true) as Schema;
    return (
      within(value.length, schema.minItems, schema.maxItems) && value.every((item) => validates(items, item))
    );
  }
  return (
    value === null || typeof value !== 'object' || validatesObject(schema as Record<string, unknown>, value)
  );
}

function validatesObject(schema: Record<string, unknown>, value: object): boolean {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const patterns = Object.entries((schema.patternProperties ?? {}) as Record<string, Schema>);
  const required = (schema.required ?? []) as string[];
  return (
    required.every((name) => name in value) &&
    Object.entries(value).every(([name, member]) => {
      const own = properties[name];
      const fitting = patterns.filter(([pattern]) => new RegExp(pattern).test(name)).map(([, each]) => each);
      const those = [...(own === undefined ? [] : [own]), ...fitting];
      const rest = (schema.additionalProperties ?? true) as Schema;
      return those.length === 0 ? validates(rest, member) : those.every((each) => validates(each, member));
    })
  );
}

const within = (value: number, min: unknown, max: unknown): boolean =>
  (min === undefined || value >= (min as number)) && (max === undefined || value <= (max as number));

function isOf(type: string, value: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  return type === 'object'
    ? typeof value === 'object' && value !== null && !Array.isArray(value)
    : typeof value === type;
}

const small = fc.integer({ min: 0, max: 3 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const plain = (keywords: object): Schema =>
  Object.fromEntries(Object.entries(keywords).filter(([, value]) => value !== undefined));

const schema = (depth: number): fc.Arbitrary<Schema> => {
  const leaf = fc.oneof(
    fc.boolean(),
    fc
      .record({ type: fc.constantFrom('number', 'integer'), minimum: maybe(small), maximum: maybe(small) })
      .map(plain),
    fc.record({ type: fc.constant('string'), minLength: maybe(small), maxLength: maybe(small) }).map(plain),
    fc
      .subarray(['string', 'integer', 'number', 'null', 'boolean'], { minLength: 1 })
      .map((type) => ({ type })),
    fc.subarray(['', 'x', 1, 2, null, true], { minLength: 1 }).map((values) => ({ enum: values })),
  );
  if (depth === 0) return leaf;
  const nested = schema(depth - 1);
  const members = fc.array(nested, { minLength: 1, maxLength: 2 });
  const object = fc
    .record({
      type: fc.constant('object'),
      properties: maybe(fc.dictionary(fc.constantFrom(...NAMES), nested, { maxKeys: 3 })),
      patternProperties: maybe(fc.dictionary(fc.constantFrom(...PATTERNS), nested, { maxKeys: 1 })),
      additionalProperties: maybe(nested),
      required: maybe(fc.subarray(NAMES)),
    })
    .map(plain);
  const array = fc
    .record({
      type: fc.constant('array'),
      items: maybe(nested),
      minItems: maybe(small),
      maxItems: maybe(small),
    })
    .map(plain);
  return fc.oneof(
    leaf,
    { weight: 3, arbitrary: object },
    array,
    members.map((anyOf) => ({ anyOf })),
    members.map((allOf) => ({ allOf })),
    nested.map((not) => ({ not })),
  );
};

const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('', 'x', 'xyz', 0, 1, 2, 3, 1.5, null, true, false),
    fc.array(tie('any'), { maxLength: 3 }),
    fc
      .dictionary(fc.constantFrom(...NAMES, 'other'), tie('any'), { maxKeys: 3 })
      .map((each) => ({ ...each })),
  ),
})).any;

/** Another schema, or the same with one keyword from another. */
const pairs = fc.tuple(schema(2), schema(2), fc.nat(2)).map(([writer, other, kind]): [Schema, Schema] => {
  if (kind === 0 || typeof writer === 'boolean' || typeof other === 'boolean') return [writer, other];
  const { type, ...rest } = other;
  return [
    writer,
    kind === 1 ? { ...writer, ...(type === writer.type ? rest : {}) } : { anyOf: [other, writer] },
  ];
});

const kind = jsonSchema;
const parse = (schema: Schema) => kind.parse(JSON.stringify(schema), []);
const RUNS = Number(process.env.ROBUSTMQ_PROPERTY_RUNS ?? 200);

describe('readers and writers of JSON Schema', () => {
  it('that are compatible take the same values', () => {
    let compared = 0;
    fc.assert(
      fc.property(pairs, fc.array(value, { minLength: 20, maxLength: 20 }), ([writer, reader], values) => {
        if (kind.differences(parse(reader), parse(writer)).length > 0) return;
        for (const each of values) {
          if (!validates(writer, each)) continue;
          compared++;
          expect(validates(reader, each), JSON.stringify(each)).toBe(true);
        }
      }),
      { numRuns: RUNS },
    );
    expect(compared).toBeGreaterThan(RUNS / 10);
  });

  it('are compatible with themselves', () => {
    fc.assert(
      fc.property(schema(3), (schema) => {
        expect(kind.differences(parse(schema), parse(schema))).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });
});
