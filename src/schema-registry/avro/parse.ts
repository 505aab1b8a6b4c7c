/** Reads schemas of Avro from JSON: names and their scopes, and what the specification asks of each type. */
import { isArray, isNumber, isObject, isText, type Json, type JsonObject } from '../json.ts';
import { MAX_SCHEMA_DEPTH } from '../limits.ts';
import { InvalidSchema } from '../schema-kind.ts';
import {
  type AvroEnum,
  type AvroField,
  type AvroFixed,
  type AvroNamed,
  type AvroPrimitive,
  type AvroRecord,
  type AvroSchema,
  nameOf,
  namespaceOf,
  PRIMITIVES,
  type Properties,
} from './model.ts';

/** Named types by their full names. */
export type Names = Map<string, AvroNamed>;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const ORDERS = ['ascending', 'descending', 'ignore'] as const;
const FIELD_ATTRIBUTES = new Set(['name', 'type', 'doc', 'default', 'order', 'aliases']);
const NAMED_ATTRIBUTES = ['type', 'name', 'namespace', 'doc', 'aliases'];
const ATTRIBUTES = {
  primitive: new Set(['type']),
  array: new Set(['type', 'items']),
  map: new Set(['type', 'values']),
  record: new Set([...NAMED_ATTRIBUTES, 'fields']),
  enum: new Set([...NAMED_ATTRIBUTES, 'symbols', 'default']),
  fixed: new Set([...NAMED_ATTRIBUTES, 'size']),
};

const primitives = new Map<string, AvroPrimitive>(PRIMITIVES.map((kind) => [kind, { kind, properties: [] }]));

const propertiesOf = (of: JsonObject, attributes: ReadonlySet<string>): Properties =>
  [...of].filter(([name]) => !attributes.has(name));

function checkName(name: string, what: string): string {
  if (!NAME.test(name)) throw new InvalidSchema(`${what} ${JSON.stringify(name)} is not a name in Avro`);
  return name;
}

function checkFullName(fullName: string, what: string): string {
  for (const part of fullName.split('.')) checkName(part, what);
  return fullName;
}

const qualified = (name: string, namespace: string): string =>
  name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;

function textAt(of: JsonObject, name: string): string | undefined {
  const value = of.get(name);
  if (value === undefined || value === null) return undefined;
  if (!isText(value)) throw new InvalidSchema(`"${name}" has to be a string`);
  return value;
}

function aliasesOf(of: JsonObject): string[] {
  const aliases = of.get('aliases');
  if (aliases === undefined || aliases === null) return [];
  if (!isArray(aliases) || !aliases.every(isText)) {
    throw new InvalidSchema('"aliases" has to be an array of strings');
  }
  return aliases.filter(isText);
}

/** Adds the named types of the schema to `names`. Throws InvalidSchema. */
export function parseAvro(json: Json, names: Names): AvroSchema {
  return read(json, '', 0);

  function read(json: Json, namespace: string, depth: number): AvroSchema {
    if (depth > MAX_SCHEMA_DEPTH) throw new InvalidSchema(`types are nested deeper than ${MAX_SCHEMA_DEPTH}`);
    if (isText(json)) return known(json, namespace);
    if (isArray(json)) return readUnion(json, namespace, depth);
    if (!isObject(json)) throw new InvalidSchema('a schema has to be a string, an object or an array');
    const type = json.get('type');
    if (type === undefined) throw new InvalidSchema('a schema has no "type"');
    if (!isText(type)) return read(type, namespace, depth + 1);
    switch (type) {
      case 'array':
        return {
          kind: 'array',
          items: read(required(json, 'items'), namespace, depth + 1),
          properties: propertiesOf(json, ATTRIBUTES.array),
        };
      case 'map':
        return {
          kind: 'map',
          values: read(required(json, 'values'), namespace, depth + 1),
          properties: propertiesOf(json, ATTRIBUTES.map),
        };
      case 'record':
      case 'error':
        return readRecord(json, namespace, depth, type === 'error');
      case 'enum':
        return readEnum(json, namespace);
      case 'fixed':
        return readFixed(json, namespace);
    }
    const primitive = primitives.get(type);
    if (primitive === undefined) return known(type, namespace);
    return { kind: primitive.kind, properties: propertiesOf(json, ATTRIBUTES.primitive) };
  }

  function known(name: string, namespace: string): AvroSchema {
    const schema =
      primitives.get(name) ??
      names.get(qualified(name, namespace)) ??
      // A name without a namespace may also be of none.
      names.get(name);
    if (schema === undefined) throw new InvalidSchema(`there is no type ${JSON.stringify(name)}`);
    return schema;
  }

  function readUnion(json: readonly Json[], namespace: string, depth: number): AvroSchema {
    const seen = new Set<string>();
    const branches = json.map((branch) => {
      const schema = read(branch, namespace, depth + 1);
      if (schema.kind === 'union') throw new InvalidSchema('a union directly in a union');
      const name = nameOf(schema);
      if (seen.has(name)) throw new InvalidSchema(`a union has ${name} twice`);
      seen.add(name);
      return schema;
    });
    return { kind: 'union', branches };
  }

  function header(
    json: JsonObject,
    namespace: string,
  ): Pick<AvroNamed, 'fullName' | 'documentation' | 'aliases'> {
    const name = textAt(json, 'name');
    if (name === undefined) throw new InvalidSchema('a named type has no "name"');
    const fullName = checkFullName(qualified(name, textAt(json, 'namespace') ?? namespace), 'the name');
    if (primitives.has(fullName)) throw new InvalidSchema(`${fullName} is a type of Avro's own`);
    if (names.has(fullName)) throw new InvalidSchema(`${fullName} is defined twice`);
    const aliases = aliasesOf(json).map((alias) =>
      checkFullName(qualified(alias, namespaceOf(fullName)), 'the alias'),
    );
    return { fullName, documentation: textAt(json, 'doc'), aliases };
  }

  function define<T extends AvroNamed>(schema: T): T {
    names.set(schema.fullName, schema);
    return schema;
  }

  function readRecord(json: JsonObject, namespace: string, depth: number, isError: boolean): AvroRecord {
    const fields: AvroField[] = [];
    const common = header(json, namespace);
    const properties = propertiesOf(json, ATTRIBUTES.record);
    const record = define<AvroRecord>({ kind: 'record', isError, ...common, fields, properties });
    const list = json.get('fields');
    if (!isArray(list)) throw new InvalidSchema(`the record ${record.fullName} has no array "fields"`);
    const seen = new Set<string>();
    for (const item of list) {
      if (!isObject(item)) throw new InvalidSchema(`a field of ${record.fullName} is not an object`);
      const field = readField(item, record.fullName, depth);
      if (seen.has(field.name))
        throw new InvalidSchema(`${record.fullName} has the field ${field.name} twice`);
      seen.add(field.name);
      fields.push(field);
    }
    return record;
  }

  function readField(json: JsonObject, record: string, depth: number): AvroField {
    const name = checkName(textAt(json, 'name') ?? '', `in ${record} the field`);
    const type = json.get('type');
    if (type === undefined) throw new InvalidSchema(`the field ${name} of ${record} has no "type"`);
    const given = textAt(json, 'order')?.toLowerCase() ?? 'ascending';
    const order = ORDERS.find((order) => order === given);
    if (order === undefined) throw new InvalidSchema(`"order" of the field ${name} is ${given}`);
    return {
      name,
      schema: read(type, namespaceOf(record), depth + 1),
      documentation: textAt(json, 'doc'),
      default: json.get('default'),
      order,
      aliases: aliasesOf(json).map((alias) => checkName(alias, 'the alias')),
      properties: propertiesOf(json, FIELD_ATTRIBUTES),
    };
  }

  function readEnum(json: JsonObject, namespace: string): AvroEnum {
    const common = header(json, namespace);
    const symbols = json.get('symbols');
    if (!isArray(symbols) || !symbols.every(isText)) {
      throw new InvalidSchema(`the enum ${common.fullName} has no array of strings "symbols"`);
    }
    const names = symbols.filter(isText).map((symbol) => checkName(symbol, 'the symbol'));
    if (new Set(names).size < names.length) throw new InvalidSchema(`${common.fullName} has a symbol twice`);
    const byDefault = textAt(json, 'default');
    if (byDefault !== undefined && !names.includes(byDefault)) {
      throw new InvalidSchema(`the default ${byDefault} of ${common.fullName} is none of its symbols`);
    }
    const properties = propertiesOf(json, ATTRIBUTES.enum);
    return define<AvroEnum>({ kind: 'enum', ...common, symbols: names, default: byDefault, properties });
  }

  function readFixed(json: JsonObject, namespace: string): AvroFixed {
    const common = header(json, namespace);
    const digits = json.get('size');
    const size = isNumber(digits) ? Number(digits.digits) : -1;
    if (!Number.isInteger(size) || size < 0 || size > 2 ** 31 - 1) {
      throw new InvalidSchema(`the fixed ${common.fullName} has no "size"`);
    }
    return define<AvroFixed>({
      kind: 'fixed',
      ...common,
      size,
      properties: propertiesOf(json, ATTRIBUTES.fixed),
    });
  }
}

function required(json: JsonObject, name: string): Json {
  const value = json.get(name);
  if (value === undefined) throw new InvalidSchema(`a schema has no "${name}"`);
  return value;
}

/** Whether a value may stand as the default of such a field. For a union it is one of its first branch. */
export function isDefaultOf(value: Json, schema: AvroSchema): boolean {
  switch (schema.kind) {
    case 'null':
      return value === null;
    case 'boolean':
      return typeof value === 'boolean';
    case 'int':
      return isWhole(value, 31n);
    case 'long':
      return isWhole(value, 63n);
    case 'float':
    case 'double':
      return isNumber(value) || value === 'NaN' || value === 'Infinity' || value === '-Infinity';
    case 'bytes':
      return isText(value) && isBytes(value);
    case 'fixed':
      return isText(value) && value.length === schema.size && isBytes(value);
    case 'string':
      return isText(value);
    case 'enum':
      return isText(value) && schema.symbols.includes(value);
    case 'array':
      return isArray(value) && value.every((item) => isDefaultOf(item, schema.items));
    case 'map':
      return isObject(value) && [...value.values()].every((item) => isDefaultOf(item, schema.values));
    case 'union':
      return schema.branches[0] !== undefined && isDefaultOf(value, schema.branches[0]);
    case 'record':
      return (
        isObject(value) &&
        schema.fields.every((field) => {
          const member = value.get(field.name) ?? field.default;
          return member !== undefined && isDefaultOf(member, field.schema);
        })
      );
  }
}

const isBytes = (text: string): boolean => /^[\0-\xff]*$/.test(text);

function isWhole(value: Json, bits: bigint): boolean {
  if (!isNumber(value) || !/^-?\d{1,20}$/.test(value.digits)) return false;
  const whole = BigInt(value.digits);
  return whole >= -(1n << bits) && whole < 1n << bits;
}
