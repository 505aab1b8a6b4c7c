/** Reads a property set (MQTT 5.0 section 2.2.2) by the table in properties.ts. */
import { topicNameFault } from '../topic.ts';
import type { UserProperty } from './packets.ts';
import { fieldName, type PropertyContext, type PropertyDefinition, propertyById } from './properties.ts';
import type { Citation, PacketReader } from './reader.ts';
import { ReasonCode } from './reason-codes.ts';

const SECTION: Citation = { v5: 'MQTT 5.0 section 2.2.2.2' };
const NONE = new Uint8Array(0);

export interface DecodedProperties<T> {
  readonly properties: T;
  /** Those that pass through to subscribers, in wire form and order. */
  readonly messageProperties: Uint8Array;
}

/**
 * Reads the property length and the properties. The fields that can come out are those the table allows in `context`,
 * which is what makes the result a `T`, the type of that context's properties.
 */
export function decodeProperties<T extends object>(
  reader: PacketReader,
  context: PropertyContext,
): DecodedProperties<T> {
  const found: Record<string, unknown> = {};
  const length = reader.varint();
  const outer = reader.enter(length);
  let kept = NONE;
  let keptBytes = 0;
  while (reader.remaining > 0) {
    const start = reader.position;
    const definition = propertyById(reader.varint());
    if (definition === undefined || !definition.contexts.includes(context)) {
      reader.malformed(
        `Property 0x${(reader.bytes[start] ?? 0).toString(16)} does not belong in this packet`,
        SECTION,
      );
      break;
    }
    store(reader, found, definition, context);
    if (definition.passesThrough && reader.fault === undefined) {
      if (kept === NONE) kept = new Uint8Array(length);
      kept.set(reader.bytes.subarray(start, reader.position), keptBytes);
      keptBytes += reader.position - start;
    }
  }
  reader.leave(outer);
  const messageProperties = keptBytes === kept.length ? kept : kept.slice(0, keptBytes);
  return { properties: found as T, messageProperties };
}

function store(
  reader: PacketReader,
  found: Record<string, unknown>,
  definition: PropertyDefinition,
  context: PropertyContext,
): void {
  const value = readValue(reader, definition);
  if (value === 0 && definition.zeroReason !== undefined) {
    reader.fail(definition.zeroReason, `${definition.name} is 0`, zeroCitation(definition));
  }
  const field = fieldName(definition, context);
  const previous = found[field];
  if (definition.repeatable.includes(context)) {
    if (Array.isArray(previous)) previous.push(value);
    else found[field] = [value];
  } else if (previous === undefined) {
    found[field] = value;
  } else {
    reader.protocolError(`${definition.name} more than once`, SECTION);
  }
}

function zeroCitation(definition: PropertyDefinition): Citation {
  return definition.name === 'topicAlias' ? { v5: 'MQTT-3.3.2-8' } : SECTION;
}

function readValue(reader: PacketReader, definition: PropertyDefinition): unknown {
  switch (definition.kind) {
    case 'boolean':
      return readFlag(reader, definition) === 1;
    case 'flag':
      return readFlag(reader, definition);
    case 'uint16':
      return reader.uint16();
    case 'uint32':
      return reader.uint32();
    case 'varint':
      return reader.varint();
    case 'string':
      return reader.string(definition.name, stringCitation(definition));
    case 'topic':
      return readResponseTopic(reader);
    case 'binary':
      return reader.binary();
    case 'pair':
      return readUserProperty(reader);
  }
}

function readFlag(reader: PacketReader, definition: PropertyDefinition): number {
  const value = reader.byte();
  if (value > 1) reader.protocolError(`${definition.name} is neither 0 nor 1`, SECTION);
  return value;
}

function stringCitation(definition: PropertyDefinition): Citation {
  return { v5: definition.name === 'contentType' ? 'MQTT-3.3.2-19' : 'MQTT-1.5.4-1' };
}

function readResponseTopic(reader: PacketReader): Uint8Array {
  const topic = reader.utf8('Response Topic', { v5: 'MQTT-3.3.2-13' });
  const fault = reader.fault === undefined ? topicNameFault(topic, reader.limits) : undefined;
  if (fault !== undefined) {
    const citation = fault.v5 === 'MQTT-3.3.2-2' ? 'MQTT-3.3.2-14' : fault.v5;
    reader.protocolError(`Response Topic: ${fault.message}`, { v5: citation });
  }
  return topic;
}

function readUserProperty(reader: PacketReader): UserProperty {
  reader.userProperties += 1;
  if (reader.userProperties > reader.limits.maxUserProperties) {
    reader.fail(ReasonCode.QuotaExceeded, 'Too many user properties', { v5: 'MQTT 5.0 section 4.13.2' });
  }
  const name = reader.string('User property name', { v5: 'MQTT-1.5.7-1' });
  return [name, reader.string('User property value', { v5: 'MQTT-1.5.7-1' })];
}
