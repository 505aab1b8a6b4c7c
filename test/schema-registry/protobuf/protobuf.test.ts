import { describe, expect, it } from 'vitest';
import { protobuf } from '../../../src/schema-registry/protobuf/protobuf.ts';
import { InvalidSchema, type Referred } from '../../../src/schema-registry/schema-kind.ts';
import { OLD, OLD_DESCRIPTOR, RICH, RICH_DESCRIPTOR } from './samples.ts';

const parse = (text: string, references: readonly Referred[] = []) => protobuf.parse(text, references);
const proto3 = (text: string): string => `syntax = "proto3"; package p; ${text}`;
const proto2 = (text: string): string => `syntax = "proto2"; package p; ${text}`;
/** From the writer to the reader, as versions follow each other. */
const kinds = (writer: string, reader: string): string[] =>
  protobuf.differences(parse(reader), parse(writer)).map(({ type }) => type);
const changes = (before: string, after: string): string[] =>
  kinds(proto3(`message M { ${before} }`), proto3(`message M { ${after} }`));

/** A descriptor without the name of its file, which is the client's. */
const unnamed = (descriptor: string): Buffer => {
  const bytes = Buffer.from(descriptor, 'base64');
  return bytes.subarray(2 + bytes.readUInt8(1));
};

describe('files of Protobuf', () => {
  it('become the descriptor that the compiler of Protobuf makes of them', () => {
    for (const [text, descriptor] of [
      [RICH, RICH_DESCRIPTOR],
      [OLD, OLD_DESCRIPTOR],
    ] as const) {
      const serialized = parse(text).formatted?.('serialized') ?? '';
      expect(unnamed(serialized)).toEqual(unnamed(descriptor));
    }
    expect(parse(RICH).formatted?.('something')).toBeUndefined();
  });

  it('are the same whether they come as text or as a descriptor', () => {
    const text = parse(RICH);
    const descriptor = parse(RICH_DESCRIPTOR);
    expect(descriptor.identity).toBe(text.identity);
    expect(parse(descriptor.text).identity).toBe(text.identity);
    expect(protobuf.differences(descriptor, text)).toEqual([]);
    expect(protobuf.differences(parse(OLD), parse(OLD_DESCRIPTOR))).toEqual([]);
    expect(protobuf.differences(parse(OLD_DESCRIPTOR), parse(OLD))).toEqual([]);
  });

  it('are kept as they were written, and are one whatever stands in any order', () => {
    const one = proto3('message M { int32 a = 1; // first\n string b = 2; }');
    const other = proto3('/* the same */ message M { string b = 2; int32 a = 1; }');
    expect(parse(one).text).toBe(one);
    expect(parse(one).identity).toBe(parse(other).identity);
    expect(parse(one).identity).not.toBe(parse(proto3('message M { string b = 1; int32 a = 2; }')).identity);
    // Messages are found by their order.
    expect(parse(proto3('message A {} message B {}')).identity).not.toBe(
      parse(proto3('message B {} message A {}')).identity,
    );
  });

  it('may use the words of the language as names', () => {
    const text = proto3(`
      message message { string message = 1; string optional = 2; string reserved = 3; string option = 4; string group = 5; }
      message M {
        message enum { }
        enum stream { NONE = 0; option = 1; reserved = 2; }
        enum enum = 1; message message = 2; stream stream = 3; map<string, enum> map = 4; repeated string repeated = 5;
        oneof oneof { string to = 6; string max = 7; }
        optional enum optional = 8; string extensions = 9; string syntax = 10; .p.M.enum package = 11;
      }
      service service { rpc rpc (message) returns (stream message); rpc returns (.p.message) returns (M); }`);
    const parsed = parse(text);
    expect(parse(parsed.normalized).normalized).toBe(parsed.normalized);
    expect(parsed.file.messages[1]?.fields.map(({ name }) => name)).toHaveLength(11);
  });

  it('may have options of anybody', () => {
    const text = `syntax = "proto3"; import "google/protobuf/descriptor.proto";
      option (own.file) = "x"; option (own).part.deep = { a: 1 b { c: "d" "e" } [x.y/z]: [1, -2], e <f: inf> };
      extend google.protobuf.FieldOptions { string tag = 50000; }
      message M { string a = 1 [(tag) = "t", deprecated = true, json_name = "b"]; }`;
    const parsed = parse(text);
    expect(parse(parsed.normalized).normalized).toBe(parsed.normalized);
    expect(parsed.file.options[1]?.value).toBe('{ a: 1, b: { c: "de" }, [x.y/z]: [1, -2], e: { f: inf } }');
  });

  it('find what they import among the references and among what comes with Protobuf', () => {
    const inner = {
      name: 'inner.proto',
      text: 'syntax = "proto3"; package q; message Inner { enum E { A = 0; } }',
    };
    const outer = `syntax = "proto3"; package p; import "inner.proto"; import "google/protobuf/timestamp.proto"; import "google/type/money.proto";
      import "confluent/type/decimal.proto";
      message M { q.Inner a = 1; .q.Inner.E b = 2; google.protobuf.Timestamp c = 3; google.type.Money d = 4; confluent.type.Decimal e = 5; }`;
    expect(() => parse(outer, [inner])).not.toThrow();
    expect(() => parse(outer)).toThrow('"inner.proto"');
    expect(() => parse(outer.replace('q.Inner a', 'q.Other a'), [inner])).toThrow('q.Other');
  });

  it('are refused where they are none', () => {
    const wrong = [
      'nonsense',
      'message',
      'message M {',
      'message M { string }',
      'message M { string a }',
      'message M { string a = 0; }',
      'message M { string a = 19500; }',
      'message M { string a = 536870912; }',
      'message M { string a = 1; string b = 1; }',
      'message M { string a = 1; string a = 2; }',
      'message M { Unknown a = 1; }',
      'message M { reserved 1 to 5; string a = 3; }',
      'message M { reserved "a"; string a = 3; }',
      'message M { required string a = 1; }',
      'message M { map<float, string> a = 1; }',
      'message M { oneof o { } }',
      'message M { } message M { }',
      'enum E { }',
      'enum E { A = 1; }',
      'enum E { A = 0; A = 1; }',
      'enum E { A = 0; B = 0; }',
      'service S { rpc A (Unknown) returns (Unknown); }',
      'import "missing.proto";',
      '/* without end',
      'option a = "without end;',
      'message M { string a = 1 [deprecated = ]; }',
    ];
    for (const text of wrong) expect(() => parse(proto3(text)), text).toThrow(InvalidSchema);
    expect(() => parse(proto2('message M { string a = 1; }'))).toThrow(InvalidSchema);
    expect(() => parse('syntax = "proto4";')).toThrow(InvalidSchema);
    expect(() => parse(proto3(`${'message M { '.repeat(200)}${'}'.repeat(200)}`))).toThrow(InvalidSchema);
    expect(() => parse(proto3(`option a = ${'{ a: '.repeat(500)}1${'}'.repeat(500)};`))).toThrow(
      InvalidSchema,
    );
  });

  it('are refused as descriptors that are cut off or changed, or are understood, and nothing else', {
    timeout: 60_000,
  }, () => {
    const whole = Buffer.from(RICH_DESCRIPTOR, 'base64');
    const attempt = (bytes: Uint8Array): void => {
      try {
        parse(Buffer.from(bytes).toString('base64'));
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidSchema);
      }
    };
    for (let length = 0; length < whole.length; length++) attempt(whole.subarray(0, length));
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      attempt(changed);
    }
    for (let length = 0; length < RICH.length; length += 3) {
      try {
        parse(RICH.slice(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidSchema);
      }
    }
  });
});

describe('fields', () => {
  it('come, go, and change their names', () => {
    expect(changes('int32 a = 1;', 'int32 a = 1; string b = 2;')).toEqual([]);
    expect(changes('int32 a = 1; string b = 2;', 'int32 a = 1;')).toEqual([]);
    expect(changes('int32 a = 1;', 'int32 b = 1;')).toEqual([]);
  });

  it('keep the way in which they are written', () => {
    expect(changes('int32 a = 1;', 'uint64 a = 1;')).toEqual([]);
    expect(changes('int32 a = 1;', 'E a = 1; enum E { A = 0; }')).toEqual([]);
    expect(changes('string a = 1;', 'bytes a = 1;')).toEqual([]);
    expect(changes('int32 a = 1;', 'sint32 a = 1;')).toEqual(['FIELD_SCALAR_KIND_CHANGED']);
    expect(changes('int32 a = 1;', 'string a = 1;')).toEqual(['FIELD_SCALAR_KIND_CHANGED']);
    expect(changes('fixed32 a = 1;', 'sfixed32 a = 1;')).toEqual([]);
    expect(changes('fixed32 a = 1;', 'float a = 1;')).toEqual(['FIELD_SCALAR_KIND_CHANGED']);
    expect(changes('int32 a = 1;', 'repeated int32 a = 1;')).toEqual(['FIELD_NUMERIC_LABEL_CHANGED']);
    expect(changes('string a = 1;', 'repeated string a = 1;')).toEqual([]);
    expect(changes('string a = 1;', 'N a = 1; message N {}')).toEqual(['FIELD_KIND_CHANGED']);
    expect(changes('map<string, int32> a = 1;', 'string a = 1;')).toEqual(['FIELD_KIND_CHANGED']);
    expect(changes('map<string, int32> a = 1;', 'map<string, int64> a = 1;')).toEqual([]);
    expect(changes('map<string, int32> a = 1;', 'map<int32, string> a = 1;')).toHaveLength(2);
  });

  it('that are required stay', () => {
    const message = (body: string) => proto2(`message M { ${body} }`);
    expect(kinds(message(''), message('required int32 a = 1;'))).toEqual(['REQUIRED_FIELD_ADDED']);
    expect(kinds(message('required int32 a = 1;'), message(''))).toEqual(['REQUIRED_FIELD_REMOVED']);
    expect(kinds(message('optional group A = 1 { }'), message('optional A a = 1; message A {}'))).toEqual([
      'FIELD_KIND_CHANGED',
    ]);
  });

  it('of choices stay, and become choices one at a time', () => {
    expect(changes('oneof o { int32 a = 1; }', 'oneof o { int32 a = 1; int32 b = 2; }')).toEqual([]);
    expect(changes('oneof o { int32 a = 1; int32 b = 2; }', 'oneof o { int32 a = 1; }')).toEqual([
      'ONEOF_FIELD_REMOVED',
    ]);
    expect(changes('oneof o { int32 a = 1; int32 b = 2; }', 'int32 a = 1; int32 b = 2;')).toEqual([]);
    expect(changes('int32 a = 1;', 'oneof o { int32 a = 1; }')).toEqual([]);
    expect(changes('int32 a = 1; int32 b = 2;', 'oneof o { int32 a = 1; int32 b = 2; }')).toEqual([
      'MULTIPLE_FIELDS_MOVED_TO_ONEOF',
    ]);
    expect(changes('oneof o { int32 a = 1; } int32 b = 2;', 'oneof o { int32 a = 1; int32 b = 2; }')).toEqual(
      ['FIELD_MOVED_TO_EXISTING_ONEOF'],
    );
    expect(changes('oneof o { int32 a = 1; }', 'oneof o { string a = 1; }')).toEqual([
      'FIELD_SCALAR_KIND_CHANGED',
    ]);
    expect(
      changes('oneof o { int32 a = 1; } oneof u { int32 b = 2; }', 'oneof o { int32 a = 1; int32 b = 2; }'),
    ).toEqual(['MULTIPLE_FIELDS_MOVED_TO_ONEOF']);
  });
});

describe('messages', () => {
  it('come and stay, in their package', () => {
    expect(kinds(proto3('message A {}'), proto3('message A {} message B {}'))).toEqual([]);
    expect(kinds(proto3('message A {} message B {}'), proto3('message A {}'))).toEqual(['MESSAGE_REMOVED']);
    expect(kinds(proto3('message A {} message B {}'), proto3('message B {} message A {}'))).toEqual([]);
    expect(changes('message N {}', '')).toEqual(['MESSAGE_REMOVED']);
    expect(kinds(proto3('message A {}'), 'syntax = "proto3"; package q; message A {}')).toEqual([
      'PACKAGE_CHANGED',
    ]);
    expect(kinds(proto3('enum E { A = 0; }'), proto3('enum F { B = 0; }'))).toEqual([]);
  });

  it('are looked at in depth, whatever leads back to itself', () => {
    const list = (type: string) =>
      proto3(`message List { ${type} value = 1; List next = 2; map<string, List> others = 3; }`);
    expect(kinds(list('int32'), list('int64'))).toEqual([]);
    expect(kinds(list('int32'), list('string'))).toEqual(['FIELD_SCALAR_KIND_CHANGED']);
    expect(
      kinds(
        proto3('message A { B x = 1; } message B {} message C {}'),
        proto3('message A { C x = 1; } message B {} message C {}'),
      ),
    ).toEqual(['FIELD_NAMED_TYPE_CHANGED']);
    const [found] = protobuf.differences(
      parse(proto3('message A { message B { string x = 3; } }')),
      parse(proto3('message A { message B { int32 x = 3; } }')),
    );
    expect(found?.path).toBe('#/A/B/3');
  });

  it('are looked at where they come from another file', () => {
    const inner = (type: string) => [
      { name: 'inner.proto', text: `syntax = "proto3"; package q; message Inner { ${type} x = 1; }` },
    ];
    const outer = 'syntax = "proto3"; import "inner.proto"; message M { q.Inner a = 1; }';
    const before = parse(outer, inner('int32'));
    expect(protobuf.differences(parse(outer, inner('int64')), before)).toEqual([]);
    expect(protobuf.differences(parse(outer, inner('string')), before).map(({ type }) => type)).toEqual([
      'FIELD_SCALAR_KIND_CHANGED',
    ]);
  });
});
