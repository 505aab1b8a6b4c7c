/**
 * The promise behind compatibility, held against another implementation of Avro: what a writer writes, a compatible reader
 * reads. Schemas are generated, readers are made from writers by changes that people make.
 */
import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { avro } from '../../../src/schema-registry/avro/avro.ts';

type Schema = string | Schema[] | { [attribute: string]: unknown };

const primitive = fc.constantFrom('null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string');
const SYMBOLS = ['A', 'B', 'C', 'D'];
const FIELDS = ['a', 'b', 'c'];
const DEFAULTS: Readonly<Record<string, unknown>> = {
  null: null,
  boolean: true,
  int: 1,
  long: 2,
  float: 1.5,
  double: 2.5,
  bytes: '\u00ff',
  string: 'x',
};

/** Names are numbered afterwards, since each may be given once. */
const schema = (depth: number): fc.Arbitrary<Schema> => {
  if (depth === 0) return primitive;
  const nested = schema(depth - 1);
  const fields = fc
    .tuple(fc.subarray(FIELDS), fc.array(fc.tuple(nested, fc.boolean()), { minLength: 3, maxLength: 3 }))
    .map(([names, parts]) =>
      names.map((name, i) => withDefault(name, parts[i]?.[0] ?? 'int', parts[i]?.[1] === true)),
    );
  return fc.oneof(
    { weight: 3, arbitrary: primitive },
    { weight: 4, arbitrary: fields.map((fields) => ({ type: 'record', name: 'R', fields })) },
    { weight: 1, arbitrary: nested.map((items) => ({ type: 'array', items })) },
    { weight: 1, arbitrary: nested.map((values) => ({ type: 'map', values })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.subarray(SYMBOLS, { minLength: 1 }), fc.boolean())
        .map(([symbols, hasDefault]) => ({
          type: 'enum',
          name: 'E',
          symbols,
          ...(hasDefault && { default: symbols[0] }),
        })),
    },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 1, max: 2 }).map((size) => ({ type: 'fixed', name: 'F', size })),
    },
    { weight: 2, arbitrary: fc.array(nested, { minLength: 1, maxLength: 3 }).map(union) },
  );
};

function withDefault(name: string, type: Schema, wanted: boolean): object {
  const value =
    typeof type === 'string' ? DEFAULTS[type] : Array.isArray(type) && type[0] === 'null' ? null : undefined;
  return { name, type, ...(wanted && value !== undefined && { default: value }) };
}

function kindOf(schema: Schema): string {
  if (typeof schema === 'string') return schema;
  return Array.isArray(schema) ? 'union' : String(schema.type);
}

/** One branch of each kind. */
function union(branches: Schema[]): Schema {
  const flat = branches.flatMap((branch) => (Array.isArray(branch) ? branch : [branch]));
  const kinds = new Map(flat.map((branch) => [kindOf(branch), branch]));
  return [...kinds.values()];
}

/** Types of the same place get the same name in reader and writer, so that they are compared at all. */
function named(schema: Schema, place = 'T'): Schema {
  if (typeof schema === 'string') return schema;
  if (Array.isArray(schema)) return schema.map((branch) => named(branch, `${place}u`));
  const { type, name, items, values, fields } = schema;
  return {
    ...schema,
    ...(name !== undefined && { name: `${place}_${String(type)}` }),
    ...(items !== undefined && { items: named(items as Schema, `${place}i`) }),
    ...(values !== undefined && { values: named(values as Schema, `${place}v`) }),
    ...(Array.isArray(fields) && {
      fields: fields.map((field: { name: string; type: Schema }) => ({
        ...field,
        type: named(field.type, `${place}${field.name}`),
      })),
    }),
  };
}

/** The schema with some of its places made anew. */
function changed(schema: Schema, other: Schema, seed: number): Schema {
  const pick = (n: number): boolean => ((seed >>> n) & 3) === 0;
  if (pick(0)) return other;
  if (typeof schema === 'string') {
    const promoted: Readonly<Record<string, Schema>> = {
      int: 'long',
      long: 'double',
      string: 'bytes',
      float: 'double',
    };
    return pick(2) ? (promoted[schema] ?? schema) : schema;
  }
  const next = (seed * 1_103_515_245 + 12_345) >>> 0;
  if (Array.isArray(schema))
    return union([...schema.map((branch) => changed(branch, other, next)), ...(pick(4) ? [other] : [])]);
  const { items, values, fields, symbols } = schema as { [attribute: string]: unknown };
  if (Array.isArray(fields)) {
    const kept = fields.filter((_, i) => !pick(4 + i));
    const renewed = kept.map((field: { name: string; type: Schema; default?: unknown }) =>
      withDefault(field.name, changed(field.type, other, next), 'default' in field),
    );
    return { ...schema, fields: pick(8) ? [...renewed, withDefault('added', other, true)] : renewed };
  }
  if (Array.isArray(symbols)) return { ...schema, symbols: pick(4) ? [...symbols, 'E'] : symbols };
  return {
    ...schema,
    ...(items !== undefined && { items: changed(items as Schema, other, next) }),
    ...(values !== undefined && { values: changed(values as Schema, other, next) }),
  };
}

const pairs = fc
  .tuple(schema(2), schema(1), fc.nat(0xffff_ffff))
  .map(([writer, other, seed]) => ({ writer: named(writer), reader: named(changed(writer, other, seed)) }));

/** Names that it has seen are kept in the options. */
const peer = (schema: Schema): avsc.Type => avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: true });
const parse = (schema: Schema) => avro.parse(JSON.stringify(schema), []);
const RUNS = Number(process.env.ROBUSTMQ_PROPERTY_RUNS ?? 300);

describe('readers and writers of Avro', () => {
  it('that are compatible understand each other', () => {
    let compatible = 0;
    fc.assert(
      fc.property(pairs, ({ writer, reader }) => {
        if (avro.differences(parse(reader), parse(writer)).length > 0) return;
        compatible++;
        const from = peer(writer);
        const to = peer(reader);
        const resolver = to.createResolver(from);
        for (let i = 0; i < 5; i++) to.fromBuffer(from.toBuffer(from.random()), resolver);
      }),
      { numRuns: RUNS },
    );
    expect(compatible).toBeGreaterThan(RUNS / 20);
  });

  it('that are not, the other implementation refuses as well', () => {
    let refused = 0;
    fc.assert(
      fc.property(pairs, ({ writer, reader }) => {
        if (avro.differences(parse(reader), parse(writer)).length === 0) return;
        refused++;
        const from = peer(writer);
        const to = peer(reader);
        expect(() => to.createResolver(from)).toThrow();
      }),
      { numRuns: RUNS },
    );
    expect(refused).toBeGreaterThan(RUNS / 20);
  });

  it('are the same schema when they are read from what was written of them', () => {
    fc.assert(
      fc.property(
        schema(3).map((each) => named(each)),
        (schema) => {
          const { text, normalized } = parse(schema);
          expect(avro.parse(text, [])).toMatchObject({ text, normalized });
          expect(avro.differences(parse(schema), avro.parse(text, []))).toEqual([]);
          peer(JSON.parse(text));
        },
      ),
      { numRuns: RUNS },
    );
  });
});
