import { describe, expect, it } from 'vitest';
import { decodeProperties } from '../../../../src/protocols/mqtt/codec/decode-properties.ts';
import { encodeProperties } from '../../../../src/protocols/mqtt/codec/encode-properties.ts';
import { PacketType } from '../../../../src/protocols/mqtt/codec/packets.ts';
import {
  fieldName,
  PROPERTIES,
  type PropertyContext,
  type PropertyDefinition,
  WILL,
} from '../../../../src/protocols/mqtt/codec/properties.ts';
import { PacketReader } from '../../../../src/protocols/mqtt/codec/reader.ts';
import { LIMITS } from './arbitraries.ts';
import { bytesOf, type Part } from './frames.ts';

const CONTEXTS: readonly PropertyContext[] = [WILL, ...Object.values(PacketType)];

const WIRE: Readonly<Record<PropertyDefinition['kind'], readonly Part[]>> = {
  flag: [1],
  boolean: [1],
  uint16: [1, 2],
  uint32: [1, 2, 3, 4],
  varint: [0x81, 0x02],
  string: ['text'],
  topic: ['a/b'],
  binary: [0, 2, 0xff, 0x00],
  pair: ['name', 'value'],
};

function read(context: PropertyContext, ...parts: readonly Part[]) {
  const body = bytesOf(parts);
  const reader = new PacketReader(Uint8Array.from([body.length, ...body]), 0, 5, LIMITS);
  const { properties } = decodeProperties<Record<string, unknown>>(reader, context);
  return { properties, fault: reader.fault };
}

it('knows the 27 properties of the specification by unique identifiers', () => {
  expect(new Set(PROPERTIES.map(({ id }) => id)).size).toBe(27);
});

describe.each(PROPERTIES)('$name', (definition) => {
  const wire = [definition.id, ...WIRE[definition.kind]];

  it('is read and written where it belongs, and malformed everywhere else', () => {
    for (const context of CONTEXTS) {
      const { properties, fault } = read(context, ...wire);
      if (definition.contexts.includes(context)) {
        expect(fault).toBeUndefined();
        expect(Object.keys(properties)).toEqual([fieldName(definition, context)]);
        expect(encodeProperties(properties, context)).toEqual(Uint8Array.from(bytesOf(wire)));
      } else {
        expect(fault?.reasonCode).toBe(0x81);
      }
    }
  });

  it('repeats where it may and is a protocol error elsewhere', () => {
    for (const context of definition.contexts) {
      const { fault } = read(context, ...wire, ...wire);
      expect(fault?.reasonCode).toBe(definition.repeatable.includes(context) ? undefined : 0x82);
    }
  });

  it('is malformed when cut short', () => {
    const bytes = bytesOf(wire);
    for (const context of definition.contexts) {
      for (let length = 1; length < bytes.length; length++) {
        expect(read(context, ...bytes.slice(0, length)).fault?.reasonCode).toBe(0x81);
      }
    }
  });
});

it('refuses zero where the specification does', () => {
  const zero = (context: PropertyContext, ...parts: number[]) => read(context, ...parts).fault?.reasonCode;
  expect(zero(PacketType.Connect, 0x21, 0, 0)).toBe(0x82);
  expect(zero(PacketType.Connect, 0x27, 0, 0, 0, 0)).toBe(0x82);
  expect(zero(PacketType.Subscribe, 0x0b, 0)).toBe(0x82);
  expect(zero(PacketType.Publish, 0x23, 0, 0)).toBe(0x94);
  expect(zero(PacketType.Connect, 0x11, 0, 0, 0, 0)).toBeUndefined();
  expect(zero(PacketType.Connect, 0x22, 0, 0)).toBeUndefined();
});

it('refuses booleans that are neither 0 nor 1', () => {
  for (const definition of PROPERTIES) {
    if (definition.kind !== 'boolean' && definition.kind !== 'flag') continue;
    for (const context of definition.contexts) {
      expect(read(context, definition.id, 2).fault?.reasonCode).toBe(0x82);
    }
  }
});

it('refuses identifiers that do not exist', () => {
  for (const id of [0x00, 0x04, 0x2b, 0x7f]) {
    expect(read(PacketType.Publish, id, 0).fault?.reasonCode).toBe(0x81);
  }
  expect(read(PacketType.Publish, 0x80, 0x02, 0).fault?.reasonCode).toBe(0x81);
});

it('refuses a property length that reaches behind the packet', () => {
  const reader = new PacketReader(Uint8Array.of(3, 0x01, 1), 0, 5, LIMITS);
  decodeProperties(reader, PacketType.Publish);
  expect(reader.fault?.reasonCode).toBe(0x81);
});
