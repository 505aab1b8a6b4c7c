/** From a FileDescriptorProto, which some clients register instead of text, to a file. */
import { MAX_SCHEMA_DEPTH } from '../limits.ts';
import { InvalidSchema } from '../schema-kind.ts';
import {
  decodeOptions,
  ENUM_OPTIONS,
  ENUM_VALUE_OPTIONS,
  FIELD_OPTIONS,
  FILE_OPTIONS,
  MESSAGE_OPTIONS,
  METHOD_OPTIONS,
  SERVICE_OPTIONS,
} from './descriptor-options.ts';
import {
  FIELD_TYPES,
  fieldsByOneof,
  jsonName,
  type ProtoEnum,
  type ProtoExtension,
  type ProtoField,
  type ProtoFile,
  type ProtoMessage,
  type ProtoMethod,
  type ProtoOption,
  type Range,
} from './model.ts';
import { quoted } from './tokens.ts';
import { signed, type WireField, wireFields } from './wire.ts';

const LABELS = [undefined, 'optional', 'required', 'repeated'] as const;
const EDITIONS: Readonly<Record<number, string>> = { 1000: '2023', 1001: '2024' };
const GROUP = 10;

const text = ({ bytes }: WireField): string => Buffer.from(bytes).toString();
const is = ({ value }: WireField): boolean => value !== 0n;

/** All fields by their numbers. */
function grouped(bytes: Uint8Array): (number: number) => readonly WireField[] {
  const fields = new Map<number, WireField[]>();
  for (const field of wireFields(bytes)) {
    const known = fields.get(field.number);
    if (known === undefined) fields.set(field.number, [field]);
    else known.push(field);
  }
  return (number) => fields.get(number) ?? [];
}

type Get = ReturnType<typeof grouped>;
const last = (get: Get, number: number): WireField | undefined => get(number).at(-1);
const textAt = (get: Get, number: number): string => {
  const field = last(get, number);
  return field === undefined ? '' : text(field);
};
const numberAt = (get: Get, number: number): number => signed(last(get, number)?.value ?? 0n);
const optionsAt = (get: Get, number: number, known: Parameters<typeof decodeOptions>[1]): ProtoOption[] =>
  get(number).flatMap(({ bytes }) => decodeOptions(bytes, known));

/** Throws InvalidSchema. */
export function decodeDescriptor(bytes: Uint8Array): ProtoFile {
  const get = grouped(bytes);
  const publics = new Set(get(10).map(({ value }) => Number(value)));
  const weak = new Set(get(11).map(({ value }) => Number(value)));
  const syntax = textAt(get, 12);
  const edition = numberAt(get, 14);
  const isProto3 = syntax === 'proto3';
  const isEditions = syntax === 'editions';
  return {
    syntax: isEditions ? 'editions' : isProto3 ? 'proto3' : 'proto2',
    edition: isEditions ? (EDITIONS[edition] ?? String(edition)) : undefined,
    package: textAt(get, 2),
    imports: get(3).map((field, i) => ({
      path: text(field),
      kind: publics.has(i) ? 'public' : weak.has(i) ? 'weak' : 'plain',
    })),
    options: optionsAt(get, 8, FILE_OPTIONS),
    messages: get(4).map(({ bytes }) => messageOf(bytes, !isProto3 && !isEditions, 1)),
    enums: get(5).map(({ bytes }) => enumOf(bytes)),
    services: get(6).map(({ bytes }) => {
      const service = grouped(bytes);
      return {
        name: textAt(service, 1),
        methods: service(2).map(({ bytes }) => methodOf(bytes)),
        options: optionsAt(service, 3, SERVICE_OPTIONS),
      };
    }),
    extensions: extensionsOf(get(7), !isProto3 && !isEditions),
  };
}

function messageOf(bytes: Uint8Array, isProto2: boolean, depth: number): ProtoMessage {
  if (depth > MAX_SCHEMA_DEPTH)
    throw new InvalidSchema(`messages are nested deeper than ${MAX_SCHEMA_DEPTH}`);
  const get = grouped(bytes);
  const nested = get(3).map((field) => ({ bytes: field.bytes, get: grouped(field.bytes) }));
  const maps = new Map(
    nested.filter(({ get }) => isMapEntry(get)).map(({ get }) => [textAt(get, 1), mapOf(get)] as const),
  );
  const oneofs = get(8).map(({ bytes }) => ({
    name: textAt(grouped(bytes), 1),
    options: [] as ProtoOption[],
  }));
  const fields = get(2).map(({ bytes }) => fieldOf(bytes, isProto2, maps, oneofs));
  const chosen = fieldsByOneof(fields);
  const groups = new Set(fields.filter(({ isGroup }) => isGroup).map(({ type }) => type.split('.').at(-1)));
  const ranges = (number: number): Range[] =>
    get(number).map(({ bytes }) => {
      const range = grouped(bytes);
      return { first: numberAt(range, 1), last: numberAt(range, 2) - 1 };
    });
  return {
    name: textAt(get, 1),
    fields: fields.map((field) =>
      field.isGroup ? { ...field, type: field.type.split('.').at(-1) ?? '' } : field,
    ),
    // Of a field that is optional in proto3 there is one that nobody wrote.
    oneofs: oneofs.filter(({ name }) => chosen.has(name)),
    messages: nested
      .filter(({ get }) => !isMapEntry(get))
      .map(({ bytes }) => messageOf(bytes, isProto2, depth + 1))
      .map((message) => (groups.has(message.name) ? { ...message, isGroup: true } : message)),
    nested: nested.map(({ get }) => textAt(get, 1)),
    enums: get(4).map(({ bytes }) => enumOf(bytes)),
    extensions: extensionsOf(get(6), isProto2),
    extensionRanges: ranges(5),
    reserved: { ranges: ranges(9), names: get(10).map(text) },
    options: optionsAt(get, 7, MESSAGE_OPTIONS),
    isGroup: false,
  };
}

const isMapEntry = (get: Get): boolean =>
  get(7).some(({ bytes }) => [...wireFields(bytes)].some((field) => field.number === 7 && is(field)));

function mapOf(get: Get): { key: string; value: string } {
  const [key = '', value = ''] = get(2).map(({ bytes }) => typeOf(grouped(bytes)));
  return { key, value };
}

function typeOf(get: Get): string {
  const name = textAt(get, 6);
  return name === '' ? (FIELD_TYPES[numberAt(get, 5) - 1] ?? '') : name;
}

function fieldOf(
  bytes: Uint8Array,
  isProto2: boolean,
  maps: ReadonlyMap<string, { key: string; value: string }>,
  oneofs: readonly { readonly name: string }[],
): ProtoField {
  const get = grouped(bytes);
  const isOptional = get(17).some(is);
  const type = typeOf(get);
  const label = LABELS[numberAt(get, 4)];
  const map = label === 'repeated' ? maps.get(type.split('.').at(-1) ?? '') : undefined;
  const index = last(get, 9);
  const oneof = index === undefined || isOptional ? undefined : oneofs[Number(index.value)]?.name;
  const isSilent =
    map !== undefined || oneof !== undefined || (label === 'optional' && !isProto2 && !isOptional);
  return {
    label: isSilent ? undefined : label,
    type: map === undefined ? type : 'map',
    map,
    name: textAt(get, 1),
    number: numberAt(get, 3),
    options: fieldOptions(get, type),
    oneof,
    isGroup: numberAt(get, 5) === GROUP,
  };
}

function fieldOptions(get: Get, type: string): ProtoOption[] {
  const byDefault = last(get, 7);
  const json = textAt(get, 10);
  const options = optionsAt(get, 8, FIELD_OPTIONS);
  if (json !== '' && json !== jsonName(textAt(get, 1)))
    options.push({ name: 'json_name', value: quoted(json) });
  if (byDefault === undefined) return options;
  // Strings and bytes stand there without their quotes, bytes with their escapes.
  const value =
    type === 'string' ? quoted(text(byDefault)) : type === 'bytes' ? `"${text(byDefault)}"` : text(byDefault);
  return [{ name: 'default', value }, ...options];
}

function extensionsOf(fields: readonly WireField[], isProto2: boolean): ProtoExtension[] {
  const extensions = new Map<string, ProtoField[]>();
  for (const { bytes } of fields) {
    const of = textAt(grouped(bytes), 2);
    const fields = extensions.get(of) ?? [];
    fields.push(fieldOf(bytes, isProto2, new Map(), []));
    extensions.set(of, fields);
  }
  return [...extensions].map(([of, fields]) => ({ of, fields }));
}

function enumOf(bytes: Uint8Array): ProtoEnum {
  const get = grouped(bytes);
  return {
    name: textAt(get, 1),
    values: get(2).map(({ bytes }) => {
      const value = grouped(bytes);
      return {
        name: textAt(value, 1),
        number: numberAt(value, 2),
        options: optionsAt(value, 3, ENUM_VALUE_OPTIONS),
      };
    }),
    reserved: {
      ranges: get(4).map(({ bytes }) => {
        const range = grouped(bytes);
        return { first: numberAt(range, 1), last: numberAt(range, 2) };
      }),
      names: get(5).map(text),
    },
    options: optionsAt(get, 3, ENUM_OPTIONS),
  };
}

function methodOf(bytes: Uint8Array): ProtoMethod {
  const get = grouped(bytes);
  return {
    name: textAt(get, 1),
    input: textAt(get, 2),
    output: textAt(get, 3),
    isInputStream: get(5).some(is),
    isOutputStream: get(6).some(is),
    options: optionsAt(get, 4, METHOD_OPTIONS),
  };
}
