/** Schema resolution of Avro, asked beforehand: whether a reader can read whatever a writer may have written. */
import { type Difference, InvalidSchema, MAX_COMPARISON_DEPTH, MAX_COMPARISONS } from '../schema-kind.ts';
import {
  type AvroEnum,
  type AvroField,
  type AvroFixed,
  type AvroNamed,
  type AvroRecord,
  type AvroSchema,
  type AvroUnion,
  isNamed,
  nameOf,
  simpleName,
} from './model.ts';
import { isDefaultOf } from './parse.ts';

/** What a reader of each type takes besides its own. */
const PROMOTIONS: Readonly<Record<string, readonly string[]>> = {
  long: ['int'],
  float: ['int', 'long'],
  double: ['int', 'long', 'float'],
  string: ['bytes'],
  bytes: ['string'],
};

/** Of many symbols, in what people are told. */
const MAX_SHOWN = 20;

export function avroDifferences(reader: AvroSchema, writer: AvroSchema): readonly Difference[] {
  /** Pairs that were compared, or are being compared: a type within itself is as compatible as it is outside. */
  const compared = new Map<AvroSchema, Map<AvroSchema, readonly Difference[]>>();
  const branches = new Map<AvroUnion, ReadonlyMap<string, AvroSchema>>();
  let left = MAX_COMPARISONS;
  let depth = 0;
  return compare(reader, writer, '/');

  function compare(reader: AvroSchema, writer: AvroSchema, path: string): readonly Difference[] {
    if (--left < 0 || depth > MAX_COMPARISON_DEPTH) {
      throw new InvalidSchema('the schemas are too intricate to compare');
    }
    let known = compared.get(reader);
    if (known === undefined) {
      known = new Map();
      compared.set(reader, known);
    }
    const before = known.get(writer);
    if (before !== undefined) return before;
    known.set(writer, []);
    depth++;
    const found = resolve(reader, writer, path);
    depth--;
    known.set(writer, found);
    return found;
  }

  function resolve(reader: AvroSchema, writer: AvroSchema, path: string): readonly Difference[] {
    if (writer.kind === 'union') return resolveWriterUnion(reader, writer, path);
    if (reader.kind === 'union') return resolveReaderUnion(reader, writer, path);
    if (reader.kind !== writer.kind) {
      return PROMOTIONS[reader.kind]?.includes(writer.kind) ? [] : [mismatch(reader, writer, path)];
    }
    switch (reader.kind) {
      case 'array':
        return writer.kind === 'array' ? compare(reader.items, writer.items, at(path, 'items')) : [];
      case 'map':
        return writer.kind === 'map' ? compare(reader.values, writer.values, at(path, 'values')) : [];
      case 'record':
        return writer.kind === 'record' ? resolveRecord(reader, writer, path) : [];
      case 'enum':
        return writer.kind === 'enum' ? resolveEnum(reader, writer, path) : [];
      case 'fixed':
        return writer.kind === 'fixed' ? resolveFixed(reader, writer, path) : [];
    }
    return [];
  }

  function resolveWriterUnion(reader: AvroSchema, writer: AvroUnion, path: string): readonly Difference[] {
    return writer.branches.flatMap((branch, i) => {
      const found = compare(reader, branch, reader.kind === 'union' ? at(path, String(i)) : path);
      return found.length === 0 || reader.kind === 'union'
        ? found
        : [missingBranch(branch, at(path, String(i)))];
    });
  }

  function resolveReaderUnion(reader: AvroUnion, writer: AvroSchema, path: string): readonly Difference[] {
    // A datum goes to the branch of its own type if there is one, whatever else could take it.
    const own = branchesOf(reader).get(nameOf(writer));
    const candidates = own === undefined ? reader.branches : [own];
    const isTaken = candidates.some((branch) => compare(branch, writer, path).length === 0);
    return isTaken ? [] : [missingBranch(writer, path)];
  }

  function branchesOf(union: AvroUnion): ReadonlyMap<string, AvroSchema> {
    const known = branches.get(union) ?? new Map(union.branches.map((branch) => [nameOf(branch), branch]));
    branches.set(union, known);
    return known;
  }

  function resolveRecord(reader: AvroRecord, writer: AvroRecord, path: string): readonly Difference[] {
    const names = checkNames(reader, writer, path);
    const byName = new Map(writer.fields.map((field) => [field.name, field]));
    const fields = reader.fields.flatMap((field, i) => {
      const place = at(at(path, 'fields'), String(i));
      const written = writtenField(field, byName);
      if (written !== undefined) return compare(field.schema, written.schema, at(place, 'type'));
      return field.default !== undefined && isDefaultOf(field.default, field.schema)
        ? []
        : [missingDefault(field, place)];
    });
    return [...names, ...fields];
  }

  function resolveEnum(reader: AvroEnum, writer: AvroEnum, path: string): readonly Difference[] {
    const names = checkNames(reader, writer, path);
    const known = new Set(reader.symbols);
    const missing = writer.symbols.filter((symbol) => !known.has(symbol));
    if (missing.length === 0 || reader.default !== undefined) return names;
    const list = `[${missing.slice(0, MAX_SHOWN).join(', ')}${missing.length > MAX_SHOWN ? ', …' : ''}]`;
    return [
      ...names,
      {
        type: 'MISSING_ENUM_SYMBOLS',
        path: at(path, 'symbols'),
        description: `the {reader} enum ${reader.fullName} at path '${at(path, 'symbols')}' has no default and lacks symbols of the {writer} one: ${list}`,
        info: list,
      },
    ];
  }

  function resolveFixed(reader: AvroFixed, writer: AvroFixed, path: string): readonly Difference[] {
    const names = checkNames(reader, writer, path);
    if (reader.size === writer.size) return names;
    return [
      ...names,
      {
        type: 'FIXED_SIZE_MISMATCH',
        path: at(path, 'size'),
        description: `the fixed ${reader.fullName} at path '${at(path, 'size')}' has ${reader.size} bytes in the {reader} schema and ${writer.size} in the {writer} one`,
        info: `expected: ${writer.size}, found: ${reader.size}`,
      },
    ];
  }
}

const at = (path: string, step: string): string => (path === '/' ? `/${step}` : `${path}/${step}`);

/** By its name, or by one of the names that it had. */
function writtenField(field: AvroField, written: ReadonlyMap<string, AvroField>): AvroField | undefined {
  const name = [field.name, ...field.aliases].find((name) => written.has(name));
  return name === undefined ? undefined : written.get(name);
}

function checkNames(reader: AvroNamed, writer: AvroNamed, path: string): readonly Difference[] {
  if (simpleName(reader.fullName) === simpleName(writer.fullName)) return [];
  if (reader.aliases.includes(writer.fullName)) return [];
  return [
    {
      type: 'NAME_MISMATCH',
      path: at(path, 'name'),
      description: `the name at path '${at(path, 'name')}' is ${reader.fullName} in the {reader} schema and ${writer.fullName} in the {writer} one`,
      info: `expected: ${writer.fullName}`,
    },
  ];
}

const mismatch = (reader: AvroSchema, writer: AvroSchema, path: string): Difference => ({
  type: 'TYPE_MISMATCH',
  path,
  description: `the type at path '${path}' is ${typeName(reader)} in the {reader} schema and ${typeName(writer)} in the {writer} one`,
  info: `reader type: ${typeName(reader)} not compatible with writer type: ${typeName(writer)}`,
});

const typeName = (schema: AvroSchema): string =>
  isNamed(schema) ? schema.kind.toUpperCase() : nameOf(schema).toUpperCase();

const missingBranch = (branch: AvroSchema, path: string): Difference => ({
  type: 'MISSING_UNION_BRANCH',
  path,
  description: `the {reader} schema at path '${path}' takes no ${nameOf(branch)}, which the {writer} one has`,
  info: `reader union lacking writer type: ${typeName(branch)}`,
});

const missingDefault = (field: AvroField, path: string): Difference => ({
  type: 'READER_FIELD_MISSING_DEFAULT_VALUE',
  path,
  description: `the field '${field.name}' at path '${path}' in the {reader} schema has no default value and is missing in the {writer} one`,
  info: field.name,
});
