import { describe, expect, it } from 'vitest';
import { avro } from '../../../src/schema-registry/avro/avro.ts';
import { InvalidSchema, type Referred } from '../../../src/schema-registry/schema-kind.ts';
import { record, textOf } from '../support.ts';

const parse = (schema: unknown, references: readonly Referred[] = []) =>
  avro.parse(textOf(schema), references);
const kinds = (reader: unknown, writer: unknown): string[] =>
  avro.differences(parse(reader), parse(writer)).map(({ type }) => type);
const field = (type: unknown, more: object = {}) => record([{ name: 'f', type, ...more }]);
const fixed = (size: number, name = 'F') => ({ type: 'fixed', name, size });
const choice = (symbols: string[], more: object = {}) => ({ type: 'enum', name: 'E', symbols, ...more });

describe('schemas of Avro', () => {
  it('are written in one form', () => {
    const { text } = parse({
      aliases: ['Old', 'other.Old'],
      namespace: 'com.x',
      name: 'Outer',
      type: 'record',
      fields: [
        { type: { name: 'Inner', type: 'fixed', size: 2 }, name: 'first', order: 'descending' },
        { type: ['null', 'Inner'], name: 'next', default: null, doc: 'd', 'own.property': [1, { x: 2 }] },
        { name: 'again', type: { type: { type: 'array', items: 'com.x.Inner' } }, aliases: ['before'] },
      ],
    });
    expect(text).toBe(
      '{"type":"record","name":"Outer","namespace":"com.x","fields":[' +
        '{"name":"first","type":{"type":"fixed","name":"Inner","size":2},"order":"descending"},' +
        '{"name":"next","type":["null","Inner"],"doc":"d","default":null,"own.property":[1,{"x":2}]},' +
        '{"name":"again","type":{"type":"array","items":"Inner"},"aliases":["before"]}' +
        '],"aliases":["Old","other.Old"]}',
    );
    expect(parse(text).text).toBe(text);
    expect(parse('{"type":"int"}').text).toBe('"int"');
    expect(parse(' string ').text).toBe('"string"');
    expect(parse('{"type":"long","logicalType":"timestamp-millis"}').text).toBe(
      '{"type":"long","logicalType":"timestamp-millis"}',
    );
  });

  it('keep numbers as they are written', () => {
    expect(
      parse(
        `{"type":"record","name":"R","fields":[{"name":"f","type":"long","default":9223372036854775807}]}`,
      ).text,
    ).toContain('9223372036854775807');
  });

  it('are refused where the specification refuses them', () => {
    const wrong = [
      '',
      '5',
      '{"type":"nothing"}',
      'Unknown',
      ['int', 'int'],
      ['int', ['string']],
      [fixed(1), fixed(2)],
      record([
        { name: 'a', type: 'int' },
        { name: 'a', type: 'int' },
      ]),
      record([{ name: 'a-b', type: 'int' }]),
      record([{ name: 'a' }]),
      record([{ type: 'int' }]),
      record([{ name: 'a', type: 'int', order: 'sideways' }]),
      { type: 'record', name: 'R' },
      { type: 'record', name: '9', fields: [] },
      { type: 'record', name: 'int', fields: [] },
      { type: 'array' },
      { type: 'map' },
      fixed(-1),
      { type: 'fixed', name: 'F' },
      choice(['A', 'A']),
      choice(['A B']),
      choice(['A'], { default: 'B' }),
      '{"type":"int","type":"long"}',
    ];
    for (const schema of wrong) expect(() => parse(schema), textOf(schema)).toThrow(InvalidSchema);
  });

  it('may refer to types of others', () => {
    const inner = { name: 'inner', text: textOf({ type: 'record', name: 'a.Inner', fields: [] }) };
    const outer = {
      name: 'outer',
      text: textOf({ type: 'record', name: 'a.Outer', fields: [{ name: 'f', type: 'Inner' }] }),
    };
    const text = parse({ type: 'array', items: 'a.Outer' }, [inner, outer]).text;
    expect(text).toBe('{"type":"array","items":"a.Outer"}');
    expect(() => parse({ type: 'record', name: 'a.Inner', fields: [] }, [inner])).toThrow('defined twice');
    expect(() => parse('"int"', [{ name: 'x', text: '{' }])).toThrow('the reference x');
  });
});

describe('a reader of Avro', () => {
  it('takes smaller numbers, and text for bytes', () => {
    for (const [reader, writer] of [
      ['long', 'int'],
      ['float', 'int'],
      ['double', 'int'],
      ['float', 'long'],
      ['double', 'long'],
      ['double', 'float'],
      ['string', 'bytes'],
      ['bytes', 'string'],
    ]) {
      expect(kinds(`"${reader}"`, `"${writer}"`)).toEqual([]);
    }
    for (const [reader, writer] of [
      ['int', 'long'],
      ['long', 'float'],
      ['float', 'double'],
      ['string', 'int'],
      ['boolean', 'int'],
      ['null', 'int'],
    ]) {
      expect(kinds(`"${reader}"`, `"${writer}"`)).toEqual(['TYPE_MISMATCH']);
    }
  });

  it('needs a default that fits for what the writer has not', () => {
    expect(kinds(field('int'), record([]))).toEqual(['READER_FIELD_MISSING_DEFAULT_VALUE']);
    expect(kinds(field('int', { default: 1 }), record([]))).toEqual([]);
    expect(kinds(field('int', { default: 'x' }), record([]))).toEqual(['READER_FIELD_MISSING_DEFAULT_VALUE']);
    expect(kinds(field(['null', 'int'], { default: null }), record([]))).toEqual([]);
    expect(kinds(field(['int', 'null'], { default: null }), record([]))).toEqual([
      'READER_FIELD_MISSING_DEFAULT_VALUE',
    ]);
    expect(kinds(record([]), field('int'))).toEqual([]);
  });

  it('knows fields and types by the names that they had', () => {
    const renamed = record([{ name: 'g', type: 'int', aliases: ['f'] }]);
    expect(kinds(renamed, field('int'))).toEqual([]);
    expect(kinds(record([], { name: 'a.New', aliases: ['b.Old'] }), record([], { name: 'b.Old' }))).toEqual(
      [],
    );
    expect(kinds(record([], { name: 'New' }), record([], { name: 'Old' }))).toEqual(['NAME_MISMATCH']);
    // The namespace does not matter.
    expect(kinds(record([], { name: 'a.R' }), record([], { name: 'b.R' }))).toEqual([]);
  });

  it('needs every branch of the writer, in one of its own', () => {
    expect(kinds(['null', 'int'], '"int"')).toEqual([]);
    expect(kinds(['null', 'long'], '"int"')).toEqual([]);
    expect(kinds(['null', 'string'], '"int"')).toEqual(['MISSING_UNION_BRANCH']);
    expect(kinds(['null', 'string'], ['null', 'int', 'string'])).toEqual(['MISSING_UNION_BRANCH']);
    expect(kinds('"int"', ['int'])).toEqual([]);
    expect(kinds('"int"', ['null', 'int'])).toEqual(['MISSING_UNION_BRANCH']);
    // The branch of the same name is the one that is taken.
    expect(kinds([field('int'), record([], { name: 'Other' })], field('string'))).toEqual([
      'MISSING_UNION_BRANCH',
    ]);
  });

  it('needs every symbol, or a default for those that it does not know', () => {
    expect(kinds(choice(['A', 'B']), choice(['A']))).toEqual([]);
    expect(kinds(choice(['A']), choice(['A', 'B']))).toEqual(['MISSING_ENUM_SYMBOLS']);
    expect(kinds(choice(['A'], { default: 'A' }), choice(['A', 'B']))).toEqual([]);
    expect(kinds(fixed(2), fixed(3))).toEqual(['FIXED_SIZE_MISMATCH']);
    expect(kinds(fixed(2, 'G'), fixed(2))).toEqual(['NAME_MISMATCH']);
  });

  it('is looked at in depth, whatever leads back to itself', () => {
    const list = (type: unknown) =>
      record([
        { name: 'value', type },
        { name: 'next', type: ['null', 'Sample'] },
      ]);
    expect(kinds(list('long'), list('int'))).toEqual([]);
    expect(kinds(list('int'), list('long'))).toContain('TYPE_MISMATCH');
    const nested = { type: 'array', items: { type: 'map', values: choice(['A']) } };
    const [found] = avro.differences(
      parse(field(nested)),
      parse(field({ type: 'array', items: { type: 'map', values: choice(['A', 'B']) } })),
    );
    expect(found?.path).toBe('/fields/0/type/items/values/symbols');
    expect(kinds({ type: 'array', items: 'int' }, { type: 'map', values: 'int' })).toEqual(['TYPE_MISMATCH']);
  });

  it('is not compared beyond all bounds', () => {
    const chain = Array.from({ length: 2000 }, (_, i) =>
      record(i === 0 ? [] : [{ name: 'f', type: `R${i - 1}` }], { name: `R${i}` }),
    );
    const schema = (name: string) =>
      record([
        { name, type: ['null', ...chain], default: null },
        { name: 'last', type: 'R1999' },
      ]);
    expect(() => kinds(schema('one'), schema('other'))).toThrow(InvalidSchema);
  });
});
