/** Files of Protobuf, taken apart. */
export interface ProtoFile {
  readonly syntax: 'proto2' | 'proto3' | 'editions';
  readonly edition: string | undefined;
  /** '' without one. */
  readonly package: string;
  readonly imports: readonly ProtoImport[];
  readonly options: readonly ProtoOption[];
  readonly messages: readonly ProtoMessage[];
  readonly enums: readonly ProtoEnum[];
  readonly services: readonly ProtoService[];
  readonly extensions: readonly ProtoExtension[];
}

export interface ProtoImport {
  readonly path: string;
  readonly kind: 'plain' | 'public' | 'weak';
}

export interface ProtoOption {
  /** `deprecated`, or `(own.option).part`. */
  readonly name: string;
  /** As it is written: a word, a number, a string in quotes, or a message in braces. */
  readonly value: string;
}

export interface ProtoMessage {
  readonly name: string;
  /** In the order in which they stand, those of choices among them. */
  readonly fields: readonly ProtoField[];
  readonly oneofs: readonly ProtoOneof[];
  readonly messages: readonly ProtoMessage[];
  /** Names of messages, and of the entries of maps, as they follow each other: serializers count them. */
  readonly nested: readonly string[];
  readonly enums: readonly ProtoEnum[];
  readonly extensions: readonly ProtoExtension[];
  readonly extensionRanges: readonly Range[];
  readonly reserved: Reserved;
  readonly options: readonly ProtoOption[];
  /** Written as the field that has it. */
  readonly isGroup: boolean;
}

export interface ProtoField {
  readonly label: 'optional' | 'required' | 'repeated' | undefined;
  /** A scalar, the name of a message or enum as it is written, or `map`. */
  readonly type: string;
  readonly map: { readonly key: string; readonly value: string } | undefined;
  readonly name: string;
  readonly number: number;
  readonly options: readonly ProtoOption[];
  /** The choice that it is one of. */
  readonly oneof: string | undefined;
  readonly isGroup: boolean;
}

export interface ProtoOneof {
  readonly name: string;
  readonly options: readonly ProtoOption[];
}

export interface ProtoEnum {
  readonly name: string;
  readonly values: readonly ProtoEnumValue[];
  readonly reserved: Reserved;
  readonly options: readonly ProtoOption[];
}

export interface ProtoEnumValue {
  readonly name: string;
  readonly number: number;
  readonly options: readonly ProtoOption[];
}

/** Both ends belong to it. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

export interface Reserved {
  readonly ranges: readonly Range[];
  readonly names: readonly string[];
}

export interface ProtoService {
  readonly name: string;
  readonly methods: readonly ProtoMethod[];
  readonly options: readonly ProtoOption[];
}

export interface ProtoMethod {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  readonly isInputStream: boolean;
  readonly isOutputStream: boolean;
  readonly options: readonly ProtoOption[];
}

export interface ProtoExtension {
  readonly of: string;
  readonly fields: readonly ProtoField[];
}

/** In the order of their numbers in descriptors, which start at 1; what is no scalar is undefined. */
export const FIELD_TYPES = [
  'double',
  'float',
  'int64',
  'uint64',
  'int32',
  'fixed64',
  'fixed32',
  'bool',
  'string',
  undefined,
  undefined,
  'bytes',
  'uint32',
  undefined,
  'sfixed32',
  'sfixed64',
  'sint32',
  'sint64',
] as const;

const SCALARS: ReadonlySet<string> = new Set(FIELD_TYPES.filter((type) => type !== undefined));
export const isScalar = (type: string): boolean => SCALARS.has(type);

export const MAX_FIELD_NUMBER = 536_870_911;
export const MAX_ENUM_NUMBER = 2 ** 31 - 1;

/** `some_field` is `someField` in JSON. */
export const jsonName = (name: string): string =>
  name.replace(/_+([A-Za-z0-9]?)/g, (_all, letter: string) => letter.toUpperCase());

/** The message of the entries of a map `some_field` is `SomeFieldEntry`. */
export function entryName(name: string): string {
  const camel = jsonName(name);
  return `${camel.slice(0, 1).toUpperCase()}${camel.slice(1)}Entry`;
}

/** Fields by the choice that they are one of. */
export function fieldsByOneof(fields: readonly ProtoField[]): ReadonlyMap<string, readonly ProtoField[]> {
  const found = new Map<string, ProtoField[]>();
  for (const field of fields) {
    if (field.oneof === undefined) continue;
    const known = found.get(field.oneof);
    if (known === undefined) found.set(field.oneof, [field]);
    else known.push(field);
  }
  return found;
}
