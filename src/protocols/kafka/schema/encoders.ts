/** From the definition of a field and a version: the function that writes it. Made once for each version that is asked for. */
import { isNullable, isPresent } from './decoders.ts';
import { WireError, within } from './fault.ts';
import { type Definition, defaultOf, type Fields, type ScalarKind } from './fields.ts';
import type { WireWriter } from './writer.ts';

export type Write = (to: WireWriter, value: unknown) => void;

/** Of bytes or of an array. */
function lengthWriter(isFlexible: boolean): (to: WireWriter, length: number) => void {
  return isFlexible ? (to, length) => to.uvarint(length + 1) : (to, length) => to.int32(length);
}

/** Values come from typed callers: kinds are not checked again here. */
function scalarWriter(kind: ScalarKind, isFlexible: boolean): Write {
  switch (kind) {
    case 'string':
      return isFlexible
        ? (to, value) => to.compactString(value as string)
        : (to, value) => to.string(value as string);
    case 'bytes': {
      const writeLength = lengthWriter(isFlexible);
      return (to, value) => {
        const bytes = value as Uint8Array;
        writeLength(to, bytes.byteLength);
        to.raw(bytes);
      };
    }
    case 'records':
      return recordsWriter(isFlexible);
    case 'bool':
      return (to, value) => to.bool(value as boolean);
    case 'int8':
      return (to, value) => to.int8(value as number);
    case 'int16':
    case 'uint16':
      return (to, value) => to.int16(value as number);
    case 'int32':
      return (to, value) => to.int32(value as number);
    case 'int64':
      return (to, value) => to.int64(value as number);
    case 'float64':
      return (to, value) => to.float64(value as number);
    case 'uuid':
      return (to, value) => to.uuid(value as string);
  }
}

function recordsWriter(isFlexible: boolean): Write {
  const writeLength = lengthWriter(isFlexible);
  return (to, value) => {
    const records = value as Uint8Array | readonly Uint8Array[];
    if (records instanceof Uint8Array) {
      writeLength(to, records.byteLength);
      to.piece(records);
      return;
    }
    let length = 0;
    for (const piece of records) length += piece.byteLength;
    writeLength(to, length);
    for (const piece of records) to.piece(piece);
  };
}

function arrayWriter(element: Definition, version: number, isFlexible: boolean): Write {
  const write = fieldWriter(element, version, isFlexible);
  const writeLength = lengthWriter(isFlexible);
  return (to, value) => {
    const elements = value as readonly unknown[];
    writeLength(to, elements.length);
    let index = 0;
    try {
      for (; index < elements.length; index++) write(to, elements[index]);
    } catch (error) {
      throw within(error, `[${index}]`);
    }
  };
}

/** Whether a tagged field may be left out. */
function defaultTest(definition: Definition): (value: unknown) => boolean {
  const usual = defaultOf(definition);
  if (definition.kind === 'array' || definition.kind === 'bytes' || definition.kind === 'records') {
    if (usual === null) return (value) => value === null;
    return (value) => value !== null && (value as ArrayLike<unknown>).length === 0;
  }
  if (definition.kind !== 'struct' || usual === null) return (value) => value === usual;
  const tests = Object.entries(definition.fields).map(
    ([name, field]) => [name, defaultTest(field.definition)] as const,
  );
  return (value) =>
    value === usual ||
    (value !== null &&
      tests.every(([name, test]) => {
        const field = (value as Readonly<Record<string, unknown>>)[name];
        return field === undefined || test(field);
      }));
}

interface Tagged {
  readonly name: string;
  readonly tag: number;
  readonly isDefault: (value: unknown) => boolean;
  readonly write: Write;
}

function writeTagged(to: WireWriter, known: readonly Tagged[], struct: Readonly<Record<string, unknown>>) {
  let count = 0;
  for (const { name, isDefault } of known) {
    const value = struct[name];
    if (value !== undefined && !isDefault(value)) count++;
  }
  to.uvarint(count);
  if (count === 0) return;
  for (const { name, tag, isDefault, write } of known) {
    const value = struct[name];
    if (value === undefined || isDefault(value)) continue;
    to.uvarint(tag);
    try {
      to.sized(() => write(to, value));
    } catch (error) {
      throw within(error, name);
    }
  }
}

export function structWriter(fields: Fields, version: number, isFlexible: boolean): Write {
  const names: string[] = [];
  const writes: Write[] = [];
  const defaults: unknown[] = [];
  const tagged: Tagged[] = [];
  for (const [name, { definition }] of Object.entries(fields)) {
    if (!isPresent(definition, version)) continue;
    const write = fieldWriter(definition, version, isFlexible);
    const { tag } = definition.options;
    if (tag !== undefined) {
      tagged.push({ name, tag, isDefault: defaultTest(definition), write });
    } else {
      names.push(name);
      writes.push(write);
      defaults.push(defaultOf(definition));
    }
  }
  tagged.sort((a, b) => a.tag - b.tag);
  return (to, value) => {
    const struct = value as Readonly<Record<string, unknown>>;
    let index = 0;
    try {
      for (; index < writes.length; index++) {
        const field = struct[names[index] as string];
        (writes[index] as Write)(to, field === undefined ? defaults[index] : field);
      }
    } catch (error) {
      throw within(error, names[index] as string);
    }
    if (isFlexible) writeTagged(to, tagged, struct);
  };
}

/** Writes null in the field's own way where the version has it, and refuses it otherwise. */
function nullWriter(definition: Definition, version: number, isFlexible: boolean): (to: WireWriter) => void {
  if (!isNullable(definition, version)) {
    return () => {
      throw new WireError('null');
    };
  }
  if (definition.kind === 'struct') return (to) => to.int8(-1);
  if (isFlexible) return (to) => to.uvarint(0);
  return definition.kind === 'string' ? (to) => to.int16(-1) : (to) => to.int32(-1);
}

function valueWriter(definition: Definition, version: number, isFlexible: boolean): Write {
  if (definition.kind === 'array') return arrayWriter(definition.element, version, isFlexible);
  if (definition.kind !== 'struct') return scalarWriter(definition.kind, isFlexible);
  const write = structWriter(definition.fields, version, isFlexible);
  if (!isNullable(definition, version)) return write;
  return (to, value) => {
    to.int8(1);
    write(to, value);
  };
}

function fieldWriter(definition: Definition, version: number, isFlexible: boolean): Write {
  const write = valueWriter(definition, version, isFlexible);
  const writeNull = nullWriter(definition, version, isFlexible);
  return (to, value) => (value === null ? writeNull(to) : write(to, value));
}
