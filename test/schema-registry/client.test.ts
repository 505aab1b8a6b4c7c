/** A client that people use, from the registry of packages: it registers, encodes and decodes. */
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { describe, expect, it } from 'vitest';
import { record, startRegistry, textOf } from './support.ts';

describe('the schema registry client of KafkaJS', () => {
  it('writes and reads in all three formats', async () => {
    const { url } = await startRegistry();
    const client = new SchemaRegistry({ host: url });
    const avro = textOf(record([{ name: 'name', type: 'string' }], { namespace: 'test' }));
    const json = textOf({ type: 'object', properties: { name: { type: 'string' } }, required: ['name'] });
    const protobuf = 'syntax = "proto3"; package test; message Sample { string name = 1; }';
    const schemas = [
      { type: SchemaType.AVRO, schema: avro, subject: 'avro-value' },
      { type: SchemaType.JSON, schema: json, subject: 'json-value' },
      { type: SchemaType.PROTOBUF, schema: protobuf, subject: 'protobuf-value' },
    ] as const;
    for (const { type, schema, subject } of schemas) {
      const { id } = await client.register({ type, schema }, { subject });
      const encoded = await client.encode(id, { name: 'Ada' });
      expect(encoded.readUInt8(0)).toBe(0);
      expect(encoded.readInt32BE(1)).toBe(id);
      // One that has never heard of the schema.
      const reader = new SchemaRegistry({ host: url });
      expect({ ...(await reader.decode(encoded)) }).toEqual({ name: 'Ada' });
      expect(await reader.getLatestSchemaId(subject)).toBe(id);
      expect(await reader.getRegistryId(subject, 1)).toBe(id);
    }
  });

  it('is told that a schema may not follow', async () => {
    const { url } = await startRegistry();
    const client = new SchemaRegistry({ host: url });
    const register = (fields: object[]) =>
      client.register(
        { type: SchemaType.AVRO, schema: textOf(record(fields, { namespace: 'test' })) },
        { subject: 'a', compatibility: 'BACKWARD' as never },
      );
    await register([]);
    await expect(register([{ name: 'name', type: 'string' }])).rejects.toThrow(
      /incompatible with an earlier schema/,
    );
  });
});
