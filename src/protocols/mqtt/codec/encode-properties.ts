/** Writes a property set (MQTT 5.0 section 2.2.2) by the table in properties.ts, in the order of identifiers. */

import type { PacketType } from './packets.ts';
import {
  fieldName,
  PROPERTIES,
  type PropertyContext,
  type PropertyDefinition,
  type WILL,
} from './properties.ts';
import { PacketWriter } from './writer.ts';

/** The definitions that `context` allows, with the field each is in; made once. */
const FIELDS = new Map<PropertyContext, readonly (readonly [string, PropertyDefinition])[]>();

function fieldsOf(context: PropertyContext): readonly (readonly [string, PropertyDefinition])[] {
  let fields = FIELDS.get(context);
  if (fields === undefined) {
    fields = PROPERTIES.filter((definition) => definition.contexts.includes(context)).map(
      (definition) => [fieldName(definition, context), definition] as const,
    );
    FIELDS.set(context, fields);
  }
  return fields;
}

/** Without the property length; fields that do not belong in `context` are not written. */
export function encodeProperties(properties: object, context: PropertyContext): Uint8Array {
  const writer = new PacketWriter();
  const values = properties as Readonly<Record<string, unknown>>;
  for (const [field, definition] of fieldsOf(context)) {
    const value = values[field];
    if (value === undefined) continue;
    if (Array.isArray(value)) {
      for (const item of value) writeProperty(writer, definition, item);
    } else {
      writeProperty(writer, definition, value);
    }
  }
  return writer.body();
}

/** Writes length and properties. */
export function writeProperties(
  writer: PacketWriter,
  properties: object,
  context: PacketType | typeof WILL,
): void {
  const encoded = encodeProperties(properties, context);
  writer.varint(encoded.length);
  writer.raw(encoded);
}

/** `value` has the type that packets.ts gives the field: the table and those types are the same statement twice. */
function writeProperty(writer: PacketWriter, definition: PropertyDefinition, value: unknown): void {
  writer.byte(definition.id);
  switch (definition.kind) {
    case 'boolean':
      writer.byte(value === true ? 1 : 0);
      break;
    case 'flag':
      writer.byte(value as number);
      break;
    case 'uint16':
      writer.uint16(value as number);
      break;
    case 'uint32':
      writer.uint32(value as number);
      break;
    case 'varint':
      writer.varint(value as number);
      break;
    case 'string':
      writer.string(value as string);
      break;
    case 'topic':
    case 'binary':
      writer.binary(value as Uint8Array);
      break;
    case 'pair': {
      const [name, text] = value as readonly [string, string];
      writer.string(name);
      writer.string(text);
      break;
    }
  }
}
