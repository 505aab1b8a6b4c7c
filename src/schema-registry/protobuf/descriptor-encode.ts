/** From a file to the FileDescriptorProto that some clients ask for instead of text. */
import {
  ENUM_OPTIONS,
  ENUM_VALUE_OPTIONS,
  encodeOptions,
  FIELD_OPTIONS,
  FILE_OPTIONS,
  MESSAGE_OPTIONS,
  METHOD_OPTIONS,
  SERVICE_OPTIONS,
} from './descriptor-options.ts';
import {
  entryName,
  FIELD_TYPES,
  isScalar,
  jsonName,
  type ProtoEnum,
  type ProtoField,
  type ProtoFile,
  type ProtoMessage,
} from './model.ts';
import type { ProtoNames } from './names.ts';
import { unquoted } from './tokens.ts';
import { WireWriter } from './wire.ts';

const LABELS = { optional: 1, required: 2, repeated: 3 } as const;
const Type = { Group: 10, Message: 11, Enum: 14 } as const;
const EDITIONS: Readonly<Record<string, number>> = { '2023': 1000, '2024': 1001 };

const NO_ONEOFS: ReadonlyMap<string, number> = new Map();
/** Clients give it the name that they know it by. */
const FILE_NAME = 'default.proto';

export function encodeDescriptor(file: ProtoFile, names: ProtoNames): Uint8Array {
  const isProto3 = file.syntax === 'proto3';
  const to = new WireWriter().text(1, FILE_NAME).text(2, file.package === '' ? undefined : file.package);
  for (const { path } of file.imports) to.text(3, path);
  to.each(4, file.messages, (to, message) => writeMessage(to, message, file.package));
  to.each(5, file.enums, writeEnum);
  to.each(6, file.services, (to, { name, methods, options }) => {
    to.text(1, name);
    to.each(2, methods, (to, method) => {
      to.text(1, method.name);
      to.text(2, typeName(method.input, file.package)).text(3, typeName(method.output, file.package));
      encodeOptions(to, 4, method.options, METHOD_OPTIONS);
      to.flag(5, method.isInputStream).flag(6, method.isOutputStream);
    });
    encodeOptions(to, 3, options, SERVICE_OPTIONS);
  });
  for (const { of, fields } of file.extensions) {
    to.each(7, fields, (to, field) =>
      writeField(to, field, file.package, typeName(of, file.package), NO_ONEOFS),
    );
  }
  encodeOptions(to, 8, file.options, FILE_OPTIONS);
  file.imports.forEach(({ kind }, i) => {
    if (kind !== 'plain') to.number(kind === 'public' ? 10 : 11, i);
  });
  // proto2 is meant where nothing is said.
  if (file.syntax !== 'proto2') to.text(12, file.syntax);
  if (file.syntax === 'editions') to.number(14, EDITIONS[file.edition ?? ''] ?? 1000);
  return to.finish();

  function typeName(name: string, scope: string): string {
    return `.${names.resolve(name, scope)?.fullName ?? name.replace(/^\./, '')}`;
  }

  function writeMessage(to: WireWriter, message: ProtoMessage, scope: string): void {
    const fullName = scope === '' ? message.name : `${scope}.${message.name}`;
    // Of proto3, what is marked as optional is a choice of one.
    const optional = isProto3 ? message.fields.filter(({ label }) => label === 'optional') : [];
    const oneofs = [...message.oneofs.map(({ name }) => name), ...optional.map(({ name }) => `_${name}`)];
    const indexes = new Map(oneofs.map((name, i) => [name, i]));
    to.text(1, message.name);
    to.each(2, message.fields, (to, field) => writeField(to, field, fullName, undefined, indexes));
    const maps = message.fields.filter(({ map }) => map !== undefined);
    const entries = new Map(maps.map((field) => [entryName(field.name), field]));
    const own = new Map(message.messages.map((nested) => [nested.name, nested]));
    for (const name of message.nested) {
      const nested = own.get(name);
      const entry = entries.get(name);
      if (nested !== undefined) to.each(3, [nested], (to, nested) => writeMessage(to, nested, fullName));
      else if (entry !== undefined) to.each(3, [entry], (to, field) => writeMapEntry(to, field, fullName));
    }
    to.each(4, message.enums, writeEnum);
    to.each(5, message.extensionRanges, (to, { first, last }) => to.number(1, first).number(2, last + 1));
    for (const { of, fields } of message.extensions) {
      to.each(6, fields, (to, field) => writeField(to, field, fullName, typeName(of, fullName), NO_ONEOFS));
    }
    encodeOptions(to, 7, message.options, MESSAGE_OPTIONS);
    to.each(8, oneofs, (to, name) => to.text(1, name));
    to.each(9, message.reserved.ranges, (to, { first, last }) => to.number(1, first).number(2, last + 1));
    for (const name of message.reserved.names) to.text(10, name);
  }

  function writeField(
    to: WireWriter,
    field: ProtoField,
    scope: string,
    extendee: string | undefined,
    oneofs: ReadonlyMap<string, number>,
  ): void {
    const isOptional = isProto3 && field.label === 'optional' && extendee === undefined;
    const oneof = field.oneof ?? (isOptional ? `_${field.name}` : undefined);
    const label = field.map === undefined ? (field.label ?? 'optional') : 'repeated';
    to.text(1, field.name).text(2, extendee).number(3, field.number).number(4, LABELS[label]);
    if (field.map === undefined) writeType(to, field.type, scope, field.isGroup);
    else to.number(5, Type.Message).text(6, `.${scope}.${entryName(field.name)}`);
    const byDefault = field.options.find(({ name }) => name === 'default')?.value;
    if (byDefault !== undefined) to.text(7, plainDefault(byDefault, field.type));
    encodeOptions(to, 8, field.options, FIELD_OPTIONS);
    to.number(9, oneof === undefined ? undefined : oneofs.get(oneof));
    const json = field.options.find(({ name }) => name === 'json_name')?.value;
    to.text(10, json === undefined ? jsonName(field.name) : unquoted(json));
    to.flag(17, isOptional);
  }

  function writeType(to: WireWriter, type: string, scope: string, isGroup: boolean): void {
    if (isScalar(type)) {
      to.number(5, (FIELD_TYPES as readonly (string | undefined)[]).indexOf(type) + 1);
      return;
    }
    const definition = names.resolve(type, scope);
    const isEnum = definition?.kind === 'enum' || definition?.kind === 'known-enum';
    to.number(5, isGroup ? Type.Group : isEnum ? Type.Enum : Type.Message).text(6, typeName(type, scope));
  }

  function writeMapEntry(to: WireWriter, { name, map }: ProtoField, scope: string): void {
    to.text(1, entryName(name));
    const parts = [
      { name: 'key', type: map?.key ?? '', number: 1 },
      { name: 'value', type: map?.value ?? '', number: 2 },
    ];
    to.each(2, parts, (to, { name, type, number }) => {
      to.text(1, name).number(3, number).number(4, LABELS.optional);
      writeType(to, type, scope, false);
      to.text(10, name);
    });
    to.each(7, [7], (to, isMapEntry) => to.number(isMapEntry, 1));
  }
}

function writeEnum(to: WireWriter, { name, values, options, reserved }: ProtoEnum): void {
  to.text(1, name);
  to.each(2, values, (to, value) => {
    to.text(1, value.name).number(2, value.number);
    encodeOptions(to, 3, value.options, ENUM_VALUE_OPTIONS);
  });
  encodeOptions(to, 3, options, ENUM_OPTIONS);
  to.each(4, reserved.ranges, (to, { first, last }) => to.number(1, first).number(2, last));
  for (const each of reserved.names) to.text(5, each);
}

/** Strings without quotes, bytes without quotes and with their escapes, numbers in one form. */
function plainDefault(value: string, type: string): string {
  if (type === 'string') return unquoted(value);
  if (type === 'bytes') return value.slice(1, -1);
  return /^-?[\d.]/.test(value) ? plainNumber(value, type) : value;
}

function plainNumber(value: string, type: string): string {
  if (type === 'float' || type === 'double') return String(Number(value.replace(/[fF]$/, '')));
  const [, sign = '', digits = value] = /^(-?)(\w+)$/.exec(value) ?? [];
  const whole = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  return `${sign}${whole}`;
}
