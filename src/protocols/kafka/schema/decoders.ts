/** From the definition of a field and a version: the function that reads it. Made once for each version that is asked for. */
import { WireError, within } from './fault.ts';
import { type Definition, defaultOf, type Fields, type ScalarKind } from './fields.ts';
import type { WireReader } from './reader.ts';
import { includes, versionRange } from './versions.ts';

export type Read = (from: WireReader) => unknown;

export const isPresent = ({ options }: Definition, version: number): boolean =>
  options.in === undefined || includes(versionRange(options.in), version);

export const isNullable = ({ options }: Definition, version: number): boolean =>
  options.nullable !== undefined && includes(versionRange(options.nullable), version);

const SCALAR_BYTES: Readonly<Partial<Record<ScalarKind, number>>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
};

/** No value of this field has fewer. */
function minBytes(definition: Definition, version: number, isFlexible: boolean): number {
  if (definition.kind === 'struct') {
    if (isNullable(definition, version)) return 1;
    const fields = Object.values(definition.fields)
      .map((field) => field.definition)
      .filter((field) => isPresent(field, version) && field.options.tag === undefined);
    return fields.reduce((sum, field) => sum + minBytes(field, version, isFlexible), isFlexible ? 1 : 0);
  }
  if (definition.kind === 'array') return isFlexible ? 1 : 4;
  return SCALAR_BYTES[definition.kind] ?? (isFlexible ? 1 : definition.kind === 'string' ? 2 : 4);
}

/** Of a string, of bytes or of an array; -1 = null. */
function lengthReader(kind: Definition['kind'], isFlexible: boolean, nullable: boolean) {
  const read = isFlexible
    ? (from: WireReader) => from.compactLength()
    : kind === 'string'
      ? (from: WireReader) => from.length16()
      : (from: WireReader) => from.length32();
  if (nullable) return read;
  return (from: WireReader): number => {
    const length = read(from);
    if (length < 0) throw new WireError('null');
    return length;
  };
}

function scalarReader(kind: ScalarKind, isFlexible: boolean, nullable: boolean): Read {
  switch (kind) {
    case 'string': {
      const length = lengthReader(kind, isFlexible, nullable);
      return (from) => {
        const size = length(from);
        return size < 0 ? null : from.text(size);
      };
    }
    case 'bytes':
    case 'records': {
      const length = lengthReader(kind, isFlexible, nullable);
      return (from) => {
        const size = length(from);
        return size < 0 ? null : from.bytes(size);
      };
    }
    case 'bool':
      return (from) => from.bool();
    case 'int8':
      return (from) => from.int8();
    case 'int16':
      return (from) => from.int16();
    case 'uint16':
      return (from) => from.uint16();
    case 'int32':
      return (from) => from.int32();
    case 'int64':
      return (from) => from.int64();
    case 'float64':
      return (from) => from.float64();
    case 'uuid':
      return (from) => from.uuid();
  }
}

function arrayReader(definition: Definition & { kind: 'array' }, version: number, isFlexible: boolean): Read {
  const { element } = definition;
  const length = lengthReader('array', isFlexible, isNullable(definition, version));
  const read = fieldReader(element, version, isFlexible);
  const least = Math.max(1, minBytes(element, version, isFlexible));
  return (from) => {
    const count = length(from);
    if (count < 0) return null;
    const elements: unknown[] = [];
    from.count(count, least);
    let index = 0;
    try {
      for (; index < count; index++) elements.push(read(from));
    } catch (error) {
      throw within(error, `[${index}]`);
    }
    return elements;
  };
}

interface Tagged {
  readonly name: string;
  readonly read: Read;
}

/** Sets those fields that the bytes have; skips those that this version does not know. */
function readTagged(from: WireReader, known: ReadonlyMap<number, Tagged>, into: Record<string, unknown>) {
  let name = 'tags';
  try {
    for (let left = from.uvarint(); left > 0; left--) {
      name = 'tags';
      const tag = from.uvarint();
      const size = from.uvarint();
      const field = known.get(tag);
      if (field === undefined) {
        from.skip(size);
      } else {
        name = field.name;
        into[name] = from.bounded(size, field.read);
      }
    }
  } catch (error) {
    throw within(error, name);
  }
}

export function structReader(fields: Fields, version: number, isFlexible: boolean): Read {
  // A copy of this has all names in one order, so that all objects of a struct have one shape.
  const blank: Record<string, unknown> = {};
  const names: string[] = [];
  const reads: Read[] = [];
  const tagged = new Map<number, Tagged>();
  for (const [name, { definition }] of Object.entries(fields)) {
    blank[name] = defaultOf(definition);
    if (!isPresent(definition, version)) continue;
    const read = fieldReader(definition, version, isFlexible);
    const { tag } = definition.options;
    if (tag !== undefined) {
      tagged.set(tag, { name, read });
    } else {
      names.push(name);
      reads.push(read);
    }
  }
  return (from) => {
    const value = { ...blank };
    let index = 0;
    try {
      for (; index < reads.length; index++) value[names[index] as string] = (reads[index] as Read)(from);
    } catch (error) {
      throw within(error, names[index] as string);
    }
    if (isFlexible) readTagged(from, tagged, value);
    return value;
  };
}

function fieldReader(definition: Definition, version: number, isFlexible: boolean): Read {
  if (definition.kind === 'array') return arrayReader(definition, version, isFlexible);
  const nullable = isNullable(definition, version);
  if (definition.kind !== 'struct') return scalarReader(definition.kind, isFlexible, nullable);
  const read = structReader(definition.fields, version, isFlexible);
  return nullable ? (from) => (from.int8() < 0 ? null : read(from)) : read;
}
