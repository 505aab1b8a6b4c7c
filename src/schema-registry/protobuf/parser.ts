/** Reads a file of Protobuf: proto2, proto3 and editions. What the words mean together is checked in names.ts. */
import { MAX_SCHEMA_DEPTH } from '../limits.ts';
import {
  entryName,
  MAX_ENUM_NUMBER,
  MAX_FIELD_NUMBER,
  type ProtoEnum,
  type ProtoEnumValue,
  type ProtoExtension,
  type ProtoField,
  type ProtoFile,
  type ProtoImport,
  type ProtoMessage,
  type ProtoMethod,
  type ProtoOneof,
  type ProtoOption,
  type ProtoService,
  type Range,
} from './model.ts';
import { Reader } from './reader.ts';

type Growing<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

const LABELS = ['optional', 'required', 'repeated'] as const;

/** Throws InvalidSchema. */
export function parseProto(text: string): ProtoFile {
  const reader = new Reader(text);
  const file: Growing<ProtoFile> = {
    syntax: 'proto2',
    edition: undefined,
    package: '',
    imports: [],
    options: [],
    messages: [],
    enums: [],
    services: [],
    extensions: [],
  };
  readSyntax(reader, file);
  while (!reader.isAtEnd()) {
    if (reader.takes(';')) continue;
    const word = reader.word();
    switch (word) {
      case 'package':
        file.package = reader.name();
        reader.expect(';');
        break;
      case 'import':
        file.imports.push(readImport(reader));
        break;
      case 'option':
        file.options.push(readOption(reader));
        break;
      case 'message':
        file.messages.push(readMessage(reader, 1));
        break;
      case 'enum':
        file.enums.push(readEnum(reader));
        break;
      case 'service':
        file.services.push(readService(reader));
        break;
      case 'extend':
        file.extensions.push(readExtension(reader, file.messages, 1));
        break;
      default:
        throw reader.error(`${JSON.stringify(word)} is no part of a file`);
    }
  }
  return file;
}

function readSyntax(reader: Reader, file: Growing<ProtoFile>): void {
  if (reader.takes('syntax')) {
    reader.expect('=');
    const syntax = reader.string();
    if (syntax !== 'proto2' && syntax !== 'proto3')
      throw reader.error(`there is no syntax ${JSON.stringify(syntax)}`);
    file.syntax = syntax;
    reader.expect(';');
  } else if (reader.takes('edition')) {
    reader.expect('=');
    file.syntax = 'editions';
    file.edition = reader.string();
    reader.expect(';');
  }
}

function readImport(reader: Reader): ProtoImport {
  const kind = reader.takes('public') ? 'public' : reader.takes('weak') ? 'weak' : 'plain';
  const path = reader.string();
  reader.expect(';');
  return { path, kind };
}

function readOption(reader: Reader): ProtoOption {
  const option = reader.option();
  reader.expect(';');
  return option;
}

const emptyMessage = (name: string, isGroup: boolean): Growing<ProtoMessage> => ({
  name,
  fields: [],
  oneofs: [],
  messages: [],
  nested: [],
  enums: [],
  extensions: [],
  extensionRanges: [],
  reserved: { ranges: [], names: [] },
  options: [],
  isGroup,
});

function readMessage(reader: Reader, depth: number): ProtoMessage {
  const message = emptyMessage(reader.word(), false);
  readBody(reader, message, depth);
  return message;
}

function readBody(reader: Reader, message: Growing<ProtoMessage>, depth: number): void {
  if (depth > MAX_SCHEMA_DEPTH) throw reader.error(`messages are nested deeper than ${MAX_SCHEMA_DEPTH}`);
  reader.expect('{');
  let noted = message.messages.length;
  while (!reader.takes('}')) {
    if (reader.takes(';')) continue;
    // A word that opens a part may also be the name of a type.
    switch (reader.opening()) {
      case 'message':
        reader.word();
        message.messages.push(readMessage(reader, depth + 1));
        break;
      case 'enum':
        reader.word();
        message.enums.push(readEnum(reader));
        break;
      case 'extend':
        reader.word();
        message.extensions.push(readExtension(reader, message.messages, depth + 1));
        break;
      case 'oneof':
        reader.word();
        message.oneofs.push(readOneof(reader, message, depth));
        break;
      case 'option':
        reader.word();
        message.options.push(readOption(reader));
        break;
      case 'extensions':
        reader.word();
        message.extensionRanges.push(...readRanges(reader, MAX_FIELD_NUMBER));
        if (reader.takes('[')) reader.options();
        reader.expect(';');
        break;
      case 'reserved':
        reader.word();
        message.reserved = readReserved(reader, message.reserved, MAX_FIELD_NUMBER);
        break;
      default:
        message.fields.push(readField(reader, message.messages, undefined, depth));
        message.nested.push(...entryOf(message.fields.at(-1)));
    }
    message.nested.push(...message.messages.slice(noted).map(({ name }) => name));
    noted = message.messages.length;
  }
}

const entryOf = (field: ProtoField | undefined): string[] =>
  field?.map === undefined ? [] : [entryName(field.name)];

function readField(
  reader: Reader,
  groups: ProtoMessage[],
  oneof: string | undefined,
  depth: number,
): ProtoField {
  const label = oneof === undefined ? LABELS.find((label) => reader.takesLabel(label)) : undefined;
  if (reader.takesGroup()) return readGroup(reader, groups, label, oneof, depth);
  const type = reader.name();
  let map: ProtoField['map'];
  if (type === 'map' && reader.takes('<')) {
    const key = reader.name();
    reader.expect(',');
    map = { key, value: reader.name() };
    reader.expect('>');
  }
  const name = reader.word();
  reader.expect('=');
  const number = fieldNumber(reader);
  const options = reader.takes('[') ? reader.options() : [];
  reader.expect(';');
  return { label, type, map, name, number, options, oneof, isGroup: false };
}

function readGroup(
  reader: Reader,
  groups: ProtoMessage[],
  label: ProtoField['label'],
  oneof: string | undefined,
  depth: number,
): ProtoField {
  const type = reader.word();
  reader.expect('=');
  const number = fieldNumber(reader);
  const options = reader.takes('[') ? reader.options() : [];
  const group = emptyMessage(type, true);
  readBody(reader, group, depth + 1);
  groups.push(group);
  return { label, type, map: undefined, name: type.toLowerCase(), number, options, oneof, isGroup: true };
}

function fieldNumber(reader: Reader): number {
  const number = reader.integer();
  if (number < 1 || number > MAX_FIELD_NUMBER) throw reader.error(`${number} is no number of a field`);
  return number;
}

function readOneof(reader: Reader, message: Growing<ProtoMessage>, depth: number): ProtoOneof {
  const name = reader.word();
  const options: ProtoOption[] = [];
  reader.expect('{');
  while (!reader.takes('}')) {
    if (reader.takes(';')) continue;
    if (reader.opening() === 'option') {
      reader.word();
      options.push(readOption(reader));
    } else message.fields.push(readField(reader, message.messages, name, depth));
  }
  return { name, options };
}

function readExtension(reader: Reader, groups: ProtoMessage[], depth: number): ProtoExtension {
  const of = reader.name();
  const fields: ProtoField[] = [];
  reader.expect('{');
  while (!reader.takes('}')) {
    if (!reader.takes(';')) fields.push(readField(reader, groups, undefined, depth));
  }
  return { of, fields };
}

function readEnum(reader: Reader): ProtoEnum {
  const found: Growing<ProtoEnum> = {
    name: reader.word(),
    values: [],
    reserved: { ranges: [], names: [] },
    options: [],
  };
  reader.expect('{');
  while (!reader.takes('}')) {
    if (reader.takes(';')) continue;
    const opening = reader.opening();
    const word = reader.word();
    if (opening === 'option') found.options.push(readOption(reader));
    else if (opening === 'reserved') found.reserved = readReserved(reader, found.reserved, MAX_ENUM_NUMBER);
    else found.values.push(readEnumValue(reader, word));
  }
  return found;
}

function readEnumValue(reader: Reader, name: string): ProtoEnumValue {
  reader.expect('=');
  const number = reader.integer();
  if (Math.abs(number) > 2 ** 31) throw reader.error(`${number} is no number of an enum`);
  const options = reader.takes('[') ? reader.options() : [];
  reader.expect(';');
  return { name, number, options };
}

function readReserved(
  reader: Reader,
  before: ProtoMessage['reserved'],
  max: number,
): ProtoMessage['reserved'] {
  const names = [...before.names];
  const ranges = [...before.ranges];
  if (reader.isAtNumber()) ranges.push(...readRanges(reader, max));
  else {
    do names.push(reader.stringOrWord());
    while (reader.takes(','));
  }
  reader.expect(';');
  return { ranges, names };
}

function readRanges(reader: Reader, max: number): Range[] {
  const ranges: Range[] = [];
  do {
    const first = reader.integer();
    const last = !reader.takes('to') ? first : reader.takes('max') ? max : reader.integer();
    if (last < first) throw reader.error(`the range ${first} to ${last} is empty`);
    ranges.push({ first, last });
  } while (reader.takes(','));
  return ranges;
}

function readService(reader: Reader): ProtoService {
  const service: Growing<ProtoService> = { name: reader.word(), methods: [], options: [] };
  reader.expect('{');
  while (!reader.takes('}')) {
    if (reader.takes(';')) continue;
    if (reader.takes('option')) service.options.push(readOption(reader));
    else {
      reader.expect('rpc');
      service.methods.push(readMethod(reader));
    }
  }
  return service;
}

function readMethod(reader: Reader): ProtoMethod {
  const name = reader.word();
  const [isInputStream, input] = readParameter(reader);
  reader.expect('returns');
  const [isOutputStream, output] = readParameter(reader);
  const options: ProtoOption[] = [];
  if (reader.takes('{')) {
    while (!reader.takes('}')) {
      if (reader.takes(';')) continue;
      reader.expect('option');
      options.push(readOption(reader));
    }
    reader.takes(';');
  } else reader.expect(';');
  return { name, input, output, isInputStream, isOutputStream, options };
}

function readParameter(reader: Reader): [boolean, string] {
  reader.expect('(');
  const isStream = reader.takesStream();
  const type = reader.name();
  reader.expect(')');
  return [isStream, type];
}
