import { describe, expect, it } from 'vitest';
import {
  boolean,
  integer,
  list,
  nullable,
  object,
  oneOf,
  record,
  SchemaFault,
  string,
} from '../../src/admin/schema.ts';

const user = object(
  { name: string('Name.', { maxLength: 5 }), age: integer('Age.', { max: 150 }) },
  {
    roles: list(oneOf(['admin', 'viewer'], 'A role.'), 'Roles.', { maxItems: 2 }),
    note: nullable(string('Note.')),
    isActive: boolean('Whether.'),
    labels: record(string('A label.'), 'Labels.', { maxEntries: 2 }),
  },
);

describe('a schema that reads JSON', () => {
  it('takes what fits, field by field', () => {
    const value = { name: 'ada', age: 36, roles: ['admin'], note: null, isActive: true, labels: { a: 'b' } };
    expect(user.fromJson(value, 'the body')).toEqual(value);
    expect(user.fromJson({ name: '', age: 0 }, 'the body')).toEqual({ name: '', age: 0 });
  });

  it.each([
    [null, 'the body must be an object'],
    [[], 'the body must be an object'],
    [{ name: 'ada' }, 'the body.age is missing'],
    [{ name: 'ada', age: '36' }, 'the body.age must be a whole number from 0 to 150'],
    [{ name: 'ada', age: 1.5 }, 'the body.age must be a whole number'],
    [{ name: 'ada', age: 2 ** 53 + 2 }, 'the body.age must be a whole number'],
    [{ name: 'ada lovelace', age: 1 }, 'the body.name must be a string of at most 5'],
    [{ name: 'ada', age: 1, roles: ['root'] }, 'the body.roles[0] must be one of admin, viewer'],
    [{ name: 'ada', age: 1, roles: ['admin', 'admin', 'admin'] }, 'a list of at most 2'],
    [{ name: 'ada', age: 1, isActive: 1 }, 'the body.isActive must be true or false'],
    [{ name: 'ada', age: 1, labels: { a: '', b: '', c: '' } }, 'an object of at most 2 fields'],
    [{ name: 'ada', age: 1, isAdmin: true }, 'the body has no field "isAdmin"'],
  ])('names the place of what does not fit: %j', (value, message) => {
    expect(() => user.fromJson(value, 'the body')).toThrow(SchemaFault);
    expect(() => user.fromJson(value, 'the body')).toThrow(message);
  });

  it('cannot be made to write to prototypes (item 43)', () => {
    const hostile = JSON.parse('{"name":"a","age":1,"labels":{"__proto__":"x"}}') as unknown;
    const { labels } = user.fromJson(hostile, 'the body');
    expect(Object.keys(labels ?? {})).toEqual(['__proto__']);
    expect(({} as { x?: unknown }).x).toBeUndefined();
    const other = JSON.parse('{"name":"a","age":1,"__proto__":{"polluted":true}}') as unknown;
    expect(() => user.fromJson(other, 'the body')).toThrow('has no field "__proto__"');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(() => user.fromJson({ constructor: 1 }, 'the body')).toThrow(SchemaFault);
  });

  it('reads numbers out of text only when they are written plainly', () => {
    const limit = integer('Limit.', { min: 1, max: 1000 });
    expect(['1', '1000'].map((text) => limit.fromText(text))).toEqual([1, 1000]);
    for (const text of ['-1', '0', '1e3', 'NaN', '-0', '1001', '9223372036854775808', '', ' 1', '0x1']) {
      expect([text, limit.fromText(text)]).toEqual([text, undefined]);
    }
  });
});
