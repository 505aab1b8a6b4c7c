/** What names of types lead to, over a file and those that it imports; and the rules of Protobuf about a file as a whole. */
import { InvalidSchema } from '../schema-kind.ts';
import {
  fieldsByOneof,
  isScalar,
  type ProtoEnum,
  type ProtoField,
  type ProtoFile,
  type ProtoMessage,
  type Range,
} from './model.ts';
import { wellKnownTypes } from './well-known.ts';

export type Definition =
  | {
      readonly kind: 'message';
      readonly message: ProtoMessage;
      readonly fullName: string;
      readonly package: string;
    }
  | { readonly kind: 'enum'; readonly enum: ProtoEnum; readonly fullName: string; readonly package: string }
  /** Of files that come with Protobuf: always the same. */
  | { readonly kind: 'known-message' | 'known-enum'; readonly fullName: string; readonly package: string };

export interface ProtoNames {
  /** What a name means within `scope`, the full name of a message or package. */
  resolve(name: string, scope: string): Definition | undefined;
}

const MAP_KEYS = new Set([
  'int32',
  'int64',
  'uint32',
  'uint64',
  'sint32',
  'sint64',
  'fixed32',
  'fixed64',
  'sfixed32',
  'sfixed64',
  'bool',
  'string',
]);
const joined = (scope: string, name: string): string => (scope === '' ? name : `${scope}.${name}`);
const MAX_PACKAGE_LENGTH = 500;
const FIRST_OWN_NUMBER = 19_000;
const LAST_OWN_NUMBER = 19_999;

/** `imported`: files by the path that they are imported by. Throws InvalidSchema. */
export function namesOf(file: ProtoFile, imported: ReadonlyMap<string, ProtoFile>): ProtoNames {
  const definitions = new Map<string, Definition>();
  const packages = new Set<string>();

  function define(definition: Definition): void {
    if (definitions.has(definition.fullName))
      throw new InvalidSchema(`${definition.fullName} is defined twice`);
    definitions.set(definition.fullName, definition);
  }

  function defineMessages(messages: readonly ProtoMessage[], scope: string, of: ProtoFile): void {
    for (const message of messages) {
      const fullName = joined(scope, message.name);
      define({ kind: 'message', message, fullName, package: of.package });
      defineMessages(message.messages, fullName, of);
      defineEnums(message.enums, fullName, of);
    }
  }

  function defineEnums(enums: readonly ProtoEnum[], scope: string, of: ProtoFile): void {
    for (const each of enums) {
      define({ kind: 'enum', enum: each, fullName: joined(scope, each.name), package: of.package });
    }
  }

  const read = new Set<ProtoFile>();
  function add(of: ProtoFile): void {
    if (read.has(of)) return;
    read.add(of);
    // Names are looked for in every part of it.
    if (of.package.length > MAX_PACKAGE_LENGTH)
      throw new InvalidSchema('the name of the package is too long');
    let prefix = '';
    for (const part of of.package === '' ? [] : of.package.split('.')) {
      prefix = joined(prefix, part);
      packages.add(prefix);
    }
    defineMessages(of.messages, of.package, of);
    defineEnums(of.enums, of.package, of);
    for (const { path } of of.imports) addImport(path);
  }

  const known = new Set<string>();
  function addImport(path: string): void {
    const given = imported.get(path);
    if (given !== undefined) {
      add(given);
      return;
    }
    const types = wellKnownTypes(path);
    if (types === undefined)
      throw new InvalidSchema(`there is no ${JSON.stringify(path)} among the references`);
    if (known.has(path)) return;
    known.add(path);
    for (const { name, isEnum } of types.types) {
      const fullName = `${types.package}.${name}`;
      define({ kind: isEnum ? 'known-enum' : 'known-message', fullName, package: types.package });
    }
    for (const each of types.imports) addImport(each);
  }

  add(file);
  const names: ProtoNames = {
    resolve(name, scope) {
      if (name.startsWith('.')) return definitions.get(name.slice(1));
      const [first = ''] = name.split('.', 1);
      // The innermost scope that has the first part of the name decides.
      for (let at = scope; ; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
        const start = joined(at, first);
        const found = definitions.get(joined(at, name));
        if (found !== undefined) return found;
        if (name !== first && definitions.has(start)) return undefined;
        if (at === '') return undefined;
      }
    },
  };
  checkFile(file, names);
  return names;
}

function checkFile(file: ProtoFile, names: ProtoNames): void {
  for (const message of file.messages) checkMessage(file, message, file.package, names);
  for (const each of file.enums) checkEnum(file, each);
  for (const { fields } of file.extensions) for (const field of fields) checkType(field, file.package, names);
  for (const service of file.services) {
    for (const { name, input, output } of service.methods) {
      for (const type of [input, output]) {
        if (!names.resolve(type, file.package)?.kind.endsWith('message')) {
          throw new InvalidSchema(`${service.name}.${name}: there is no message ${type}`);
        }
      }
    }
  }
}

function checkMessage(file: ProtoFile, message: ProtoMessage, scope: string, names: ProtoNames): void {
  const fullName = joined(scope, message.name);
  const numbers = new Set<number>();
  const fieldNames = new Set<string>();
  const isReserved = within(message.reserved.ranges);
  const isExtension = within(message.extensionRanges);
  const reservedNames = new Set(message.reserved.names);
  for (const field of message.fields) {
    const { name, number } = field;
    const refuse = (why: string): never => {
      throw new InvalidSchema(`${fullName}.${name}: ${why}`);
    };
    if (numbers.has(number)) refuse(`the number ${number} is there twice`);
    if (fieldNames.has(name)) refuse('the name is there twice');
    if (number >= FIRST_OWN_NUMBER && number <= LAST_OWN_NUMBER)
      refuse(`the number ${number} is Protobuf's own`);
    if (isReserved(number) || reservedNames.has(name)) refuse('number or name are reserved');
    if (isExtension(number)) refuse(`the number ${number} is for extensions`);
    if (file.syntax === 'proto3' && (field.label === 'required' || field.isGroup)) {
      refuse('proto3 has no required fields and no groups');
    }
    if (
      file.syntax === 'proto2' &&
      field.label === undefined &&
      field.oneof === undefined &&
      field.map === undefined
    ) {
      refuse('a field of proto2 is optional, required or repeated');
    }
    numbers.add(number);
    fieldNames.add(name);
    checkType(field, fullName, names);
  }
  const chosen = fieldsByOneof(message.fields);
  for (const { name } of message.oneofs) {
    if (!chosen.has(name)) throw new InvalidSchema(`${fullName}.${name}: a oneof without fields`);
  }
  for (const nested of message.messages) checkMessage(file, nested, fullName, names);
  for (const each of message.enums) checkEnum(file, each);
}

/** Whether a number is in one of many ranges. */
function within(ranges: readonly Range[]): (number: number) => boolean {
  const sorted = ranges.toSorted((a, b) => a.first - b.first);
  const merged: { first: number; last: number }[] = [];
  for (const { first, last } of sorted) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else merged.push({ first, last });
  }
  return (number) => {
    let low = 0;
    let high = merged.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((merged[middle]?.last ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    const range = merged[low];
    return range !== undefined && number >= range.first;
  };
}

function checkType({ map, type, name, label }: ProtoField, scope: string, names: ProtoNames): void {
  if (map !== undefined) {
    if (!MAP_KEYS.has(map.key)) throw new InvalidSchema(`${scope}.${name}: ${map.key} is no key of a map`);
    if (label !== undefined) throw new InvalidSchema(`${scope}.${name}: a map has no label`);
  }
  const value = map?.value ?? type;
  if (!isScalar(value) && names.resolve(value, scope) === undefined) {
    throw new InvalidSchema(`${scope}.${name}: there is no type ${value}`);
  }
}

function checkEnum(file: ProtoFile, { name, values, options, reserved }: ProtoEnum): void {
  const [first] = values;
  if (first === undefined) throw new InvalidSchema(`the enum ${name} has no values`);
  if (file.syntax === 'proto3' && first.number !== 0)
    throw new InvalidSchema(`the enum ${name} does not start with 0`);
  const hasAliases = options.some((option) => option.name === 'allow_alias' && option.value === 'true');
  const isReserved = within(reserved.ranges);
  const reservedNames = new Set(reserved.names);
  const numbers = new Set<number>();
  const names = new Set<string>();
  for (const value of values) {
    if (names.has(value.name)) throw new InvalidSchema(`${name} has the value ${value.name} twice`);
    if (numbers.has(value.number) && !hasAliases)
      throw new InvalidSchema(`${name} has the number ${value.number} twice`);
    if (isReserved(value.number) || reservedNames.has(value.name)) {
      throw new InvalidSchema(`${name}.${value.name} is reserved`);
    }
    names.add(value.name);
    numbers.add(value.number);
  }
}
