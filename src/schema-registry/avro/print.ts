/** Writes a schema of Avro down in one form: attributes in a fixed order, each named type where it is used first. */
import { type Json, printJson, toJson } from '../json.ts';
import {
  type AvroField,
  type AvroNamed,
  type AvroSchema,
  namespaceOf,
  type Properties,
  simpleName,
} from './model.ts';
import type { Names } from './parse.ts';

export interface PrintOptions {
  /** Types that are defined in what the schema refers to: used by name only. */
  readonly known: Names;
  /** Attributes without a meaning in Avro in the order of their names. */
  readonly sorted: boolean;
}

export function printAvro(schema: AvroSchema, { known, sorted }: PrintOptions): string {
  const defined = new Set(known.keys());
  return printJson(write(schema, ''), false);

  function write(schema: AvroSchema, namespace: string): Json {
    switch (schema.kind) {
      case 'union':
        return schema.branches.map((branch) => write(branch, namespace));
      case 'array':
        return object([
          ['type', 'array'],
          ['items', write(schema.items, namespace)],
          ...extra(schema.properties),
        ]);
      case 'map':
        return object([
          ['type', 'map'],
          ['values', write(schema.values, namespace)],
          ...extra(schema.properties),
        ]);
      case 'record':
      case 'enum':
      case 'fixed':
        return writeNamed(schema, namespace);
    }
    if (schema.properties.length === 0) return schema.kind;
    return object([['type', schema.kind], ...extra(schema.properties)]);
  }

  function writeNamed(schema: AvroNamed, namespace: string): Json {
    const own = namespaceOf(schema.fullName);
    if (defined.has(schema.fullName)) {
      return own === namespace ? simpleName(schema.fullName) : schema.fullName;
    }
    defined.add(schema.fullName);
    const type = schema.kind === 'record' && schema.isError ? 'error' : schema.kind;
    return object([
      ['type', type],
      ['name', simpleName(schema.fullName)],
      ['namespace', own === namespace ? undefined : own],
      ['doc', schema.documentation],
      ...content(schema, own),
      ...extra(schema.properties),
      [
        'aliases',
        aliases(schema.aliases.map((alias) => (namespaceOf(alias) === own ? simpleName(alias) : alias))),
      ],
    ]);
  }

  function content(schema: AvroNamed, namespace: string): [string, Json | undefined][] {
    switch (schema.kind) {
      case 'record':
        return [['fields', schema.fields.map((field) => writeField(field, namespace))]];
      case 'enum':
        return [
          ['symbols', schema.symbols],
          ['default', schema.default],
        ];
      case 'fixed':
        return [['size', toJson(schema.size)]];
    }
  }

  function writeField(field: AvroField, namespace: string): Json {
    return object([
      ['name', field.name],
      ['type', write(field.schema, namespace)],
      ['doc', field.documentation],
      ['default', field.default],
      ['order', field.order === 'ascending' ? undefined : field.order],
      ['aliases', aliases(field.aliases)],
      ...extra(field.properties),
    ]);
  }

  function extra(properties: Properties): Properties {
    if (!sorted) return properties;
    return properties.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, inOrder(value)]);
  }
}

const aliases = (names: readonly string[]): readonly string[] | undefined =>
  names.length === 0 ? undefined : names;

function object(members: readonly (readonly [string, Json | undefined])[]): Json {
  const present = new Map<string, Json>();
  for (const [name, value] of members) if (value !== undefined) present.set(name, value);
  return present;
}

function inOrder(value: Json): Json {
  if (Array.isArray(value)) return value.map(inOrder);
  if (!(value instanceof Map)) return value;
  const members = [...value] as [string, Json][];
  return new Map(
    members.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, member]) => [name, inOrder(member)]),
  );
}
