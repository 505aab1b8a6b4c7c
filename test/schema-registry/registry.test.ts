import { describe, expect, it } from 'vitest';
import { LogRefused } from '../../src/schema-registry/registry.ts';
import { compacted, createMemoryLog, record, startRegistry, textOf } from './support.ts';

const V1 = 'application/vnd.schemaregistry.v1+json';
const name = { name: 'name', type: 'string' };
const age = { name: 'age', type: 'int', default: 0 };
const v1 = record([name]);
const v2 = record([name, age]);
const breaking = record([name, { name: 'mail', type: 'string' }]);

describe('registering', () => {
  it('gives identifiers that rise, the same one to the same schema, and versions to each subject', async () => {
    const { register, call } = await startRegistry();
    expect((await register('a-value', v1)).body).toMatchObject({ id: 1, version: 1 });
    expect((await register('a-value', v2)).body).toMatchObject({ id: 2, version: 2 });
    expect((await register('b-value', v1)).body).toMatchObject({ id: 1, version: 1 });
    expect((await register('a-value', v1)).body).toMatchObject({ id: 1, version: 1 });
    expect((await register('c', '"string"')).body.id).toBe(3);
    expect((await call('GET', '/subjects')).body).toEqual(['a-value', 'b-value', 'c']);
    expect((await call('GET', '/subjects/a-value/versions')).body).toEqual([1, 2]);
    expect((await call('GET', '/schemas/ids/1/subjects')).body).toEqual(['a-value', 'b-value']);
    expect((await call('GET', '/schemas/ids/1/versions')).body).toEqual([
      { subject: 'a-value', version: 1 },
      { subject: 'b-value', version: 1 },
    ]);
  });

  it('answers a version with all that is known of it, AVRO left out', async () => {
    const { register, call } = await startRegistry();
    await register('a', '{"type": "string"}');
    const { body, type } = await call('GET', '/subjects/a/versions/latest');
    expect(body).toEqual({ subject: 'a', version: 1, id: 1, guid: expect.any(String), schema: '"string"' });
    expect(type).toBe(V1);
    expect((await call('GET', '/subjects/a/versions/-1')).body.version).toBe(1);
    expect((await call('GET', '/subjects/a/versions/1/schema')).body).toBe('string');
    expect((await call('GET', '/schemas/ids/1')).body).toEqual({ schema: '"string"', guid: body.guid });
    expect((await call('GET', '/schemas/ids/1?fetchMaxId=true')).body.maxId).toBe(1);
    expect((await call('GET', '/schemas/ids/1/schema')).body).toBe('string');
    expect((await call('GET', `/schemas/guids/${body.guid}`)).body.schema).toBe('"string"');
    expect((await call('GET', `/schemas/guids/${body.guid}/ids`)).body).toEqual([{ context: '.', id: 1 }]);
    expect((await call('GET', '/schemas')).body).toEqual([body]);
  });

  it('refuses what may not follow, and says why', async () => {
    const { register } = await startRegistry();
    await register('a', v1);
    const { status, body } = await register('a', breaking);
    expect(status).toBe(409);
    expect(body.error_code).toBe(40901);
    expect(body.message).toContain("errorType:'READER_FIELD_MISSING_DEFAULT_VALUE'");
    expect(body.message).toContain('{oldSchemaVersion: 1}');
  });

  it('refuses what is no schema', async () => {
    const { call, register } = await startRegistry();
    const path = '/subjects/a/versions';
    expect((await register('a', 'nonsense')).body.error_code).toBe(42201);
    expect((await register('a', '')).body.error_code).toBe(42201);
    expect((await register('a', '{"type":"record"}')).body.error_code).toBe(42201);
    expect((await register('a', '"string"', { schemaType: 'XML' })).body.error_code).toBe(42201);
    expect((await call('POST', path, {})).body.error_code).toBe(42201);
    expect((await call('POST', path, { schema: 5 })).body.error_code).toBe(42201);
    expect((await call('POST', path, '[]')).body.error_code).toBe(42201);
    expect(await call('POST', path, '{"schema":')).toMatchObject({ status: 400, body: { error_code: 400 } });
  });

  it('finds a schema under a subject', async () => {
    const { call, register } = await startRegistry();
    const look = (subject: string, schema: unknown) =>
      call('POST', `/subjects/${subject}`, { schema: textOf(schema) });
    await register('a', v1);
    expect((await look('a', v1)).body).toMatchObject({ subject: 'a', version: 1, id: 1 });
    expect((await look('a', v2)).body).toEqual({ error_code: 40403, message: 'Schema not found' });
    expect((await look('b', v1)).body).toEqual({ error_code: 40401, message: "Subject 'b' not found." });
  });

  it('tells schemas apart by metadata and rules, and takes those that differ in nothing that matters for one', async () => {
    const { register } = await startRegistry();
    const rules = {
      domainRules: [{ name: 'r', kind: 'CONDITION', type: 'CEL', mode: 'WRITE', expr: 'true' }],
    };
    expect((await register('a', v1)).body.id).toBe(1);
    expect((await register('a', v1, { ruleSet: rules })).body.id).toBe(2);
    expect((await register('a', v1, { metadata: { properties: { owner: 'x' } } })).body.id).toBe(3);
    expect(
      (await register('b', '{"fields":[{"type":"string","name":"name"}],  "name":"Sample","type":"record"}'))
        .body.id,
    ).toBe(1);
    expect((await register('c', { type: 'int', b: 1, a: 2 })).body.id).toBe(4);
    expect((await register('d', { type: 'int', a: 2, b: 1 })).body.id).toBe(5);
  });

  it('normalizes when it is asked to, by the request or by the configuration', async () => {
    const { register, call } = await startRegistry();
    const one = { type: 'int', b: 1, a: 2 };
    const other = { type: 'int', a: 2, b: 1 };
    const path = '/subjects/a/versions?normalize=true';
    expect((await call('POST', path, { schema: textOf(one) })).body.id).toBe(1);
    expect((await call('POST', path, { schema: textOf(other) })).body.id).toBe(1);
    await call('PUT', '/config/b', { normalize: true });
    expect((await register('b', one)).body.id).toBe(1);
    expect((await call('GET', '/schemas/ids/1')).body.schema).toBe('{"type":"int","a":2,"b":1}');
  });

  it('takes schemas that refer to others, and keeps those that are referred to', async () => {
    const { register, call } = await startRegistry();
    await register('inner', { type: 'record', name: 'ns.Inner', fields: [name] });
    const references = [{ name: 'ns.Inner', subject: 'inner', version: 1 }];
    const outer = record([{ name: 'inner', type: 'ns.Inner' }]);
    expect((await register('outer', outer)).body.error_code).toBe(42201);
    expect(
      (await register('outer', outer, { references: [{ ...references[0], version: 2 }] })).body.error_code,
    ).toBe(42201);
    expect((await register('outer', outer, { references })).body.id).toBe(2);
    const { body } = await call('GET', '/subjects/outer/versions/1');
    expect(body.references).toEqual(references);
    expect(body.schema).toBe(
      '{"type":"record","name":"Sample","fields":[{"name":"inner","type":"ns.Inner"}]}',
    );
    expect((await call('GET', '/subjects/inner/versions/1/referencedby')).body).toEqual([2]);
    expect((await call('DELETE', '/subjects/inner/versions/1')).body.error_code).toBe(42206);
    expect((await call('DELETE', '/subjects/inner')).body.error_code).toBe(42206);
    await call('DELETE', '/subjects/outer');
    expect((await call('DELETE', '/subjects/inner')).status).toBe(200);
    expect((await call('DELETE', '/subjects/inner?permanent=true')).body.error_code).toBe(42206);
    await call('DELETE', '/subjects/outer?permanent=true');
    expect((await call('DELETE', '/subjects/inner?permanent=true')).body).toEqual([1]);
  });

  it('compares only within a group where the configuration names one', async () => {
    const { register, call } = await startRegistry();
    await call('PUT', '/config/a', { compatibility: 'BACKWARD', compatibilityGroup: 'major' });
    const major = (value: string) => ({ metadata: { properties: { major: value } } });
    await register('a', v1, major('1'));
    expect((await register('a', breaking, major('1'))).status).toBe(409);
    expect((await register('a', breaking, major('2'))).status).toBe(200);
  });
});

describe('deleting', () => {
  it('goes in two steps, and keeps identifiers in between', async () => {
    const { register, call } = await startRegistry();
    await register('a', v1);
    await register('a', v2);
    expect((await call('DELETE', '/subjects/a/versions/1?permanent=true')).body.error_code).toBe(40407);
    expect(await call('DELETE', '/subjects/a/versions/1')).toMatchObject({ status: 200, body: 1 });
    expect((await call('DELETE', '/subjects/a/versions/1')).body.error_code).toBe(40406);
    expect((await call('GET', '/subjects/a/versions')).body).toEqual([2]);
    expect((await call('GET', '/subjects/a/versions?deleted=true')).body).toEqual([1, 2]);
    expect((await call('GET', '/subjects/a/versions?deletedOnly=true')).body).toEqual([1]);
    expect((await call('GET', '/subjects/a/versions/1')).body.error_code).toBe(40402);
    expect((await call('GET', '/subjects/a/versions/1?deleted=true')).body).toMatchObject({
      id: 1,
      deleted: true,
    });
    expect((await call('GET', '/schemas/ids/1')).status).toBe(200);
    expect((await call('GET', '/schemas/ids/1/versions')).body).toEqual([]);
    expect((await call('DELETE', '/subjects/a/versions/1?permanent=true')).body).toBe(1);
    expect((await call('GET', '/schemas/ids/1')).body.error_code).toBe(40403);
    expect((await call('DELETE', '/subjects/a?permanent=true')).body.error_code).toBe(40405);
    expect((await call('DELETE', '/subjects/a')).body).toEqual([2]);
    expect((await call('DELETE', '/subjects/a')).body.error_code).toBe(40404);
    expect((await call('GET', '/subjects')).body).toEqual([]);
    expect((await call('GET', '/subjects?deleted=true')).body).toEqual(['a']);
    expect((await call('GET', '/subjects?deletedOnly=true')).body).toEqual(['a']);
    expect((await call('DELETE', '/subjects/a?permanent=true')).body).toEqual([2]);
    expect((await call('DELETE', '/subjects/a')).body.error_code).toBe(40401);
  });

  it('gives a schema that comes back its identifier and a new version', async () => {
    const { register, call } = await startRegistry();
    await register('a', v1);
    await call('DELETE', '/subjects/a');
    expect((await register('a', v1)).body).toMatchObject({ id: 1, version: 2 });
    await call('DELETE', '/subjects/a');
    // What is deleted is nothing to be compatible with.
    expect((await register('a', breaking)).status).toBe(200);
  });
});

describe('what a start finds', () => {
  it('is what there was, whatever compaction has left of the log', async () => {
    const first = await startRegistry();
    await first.register('a', v1);
    await first.register('a', v2);
    await first.register('b', '"int"');
    await first.register('gone', '"long"');
    await first.call('DELETE', '/subjects/gone');
    await first.call('DELETE', '/subjects/gone?permanent=true');
    await first.call('DELETE', '/subjects/b');
    await first.call('DELETE', '/subjects/a/versions/1');
    await first.call('PUT', '/config/a', { compatibility: 'FULL' });
    await first.call('PUT', '/mode/b', { mode: 'READONLY' });
    for (const entries of [first.log.entries, compacted(first.log.entries)]) {
      const second = await startRegistry(createMemoryLog([...entries]));
      for (const path of [
        '/subjects',
        '/schemas?deleted=true',
        '/config/a',
        '/mode/b',
        '/subjects/a/versions',
      ]) {
        expect((await second.call('GET', path)).body).toEqual((await first.call('GET', path)).body);
      }
      // Identifier 4 was given to a schema that is gone.
      expect((await second.register('c', '"double"')).body.id).toBe(5);
      expect((await second.register('d', v1)).body.id).toBe(1);
    }
  });

  it('leaves out what is no entry', async () => {
    const log = createMemoryLog([
      { key: 'nonsense', value: '{}' },
      { key: '{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}', value: '{"id":1}' },
      { key: '{"keytype":"NOOP","magic":0}', value: null },
      {
        key: '{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}',
        value: '{"subject":"a","version":1,"id":7,"schema":"\\"int\\"","deleted":false}',
      },
    ]);
    const { call, register } = await startRegistry(log);
    expect((await call('GET', '/subjects/a/versions/1')).body).toMatchObject({ id: 7, schema: '"int"' });
    expect((await register('b', '"int"')).body.id).toBe(7);
    expect((await register('b', '"long"')).body.id).toBe(8);
  });

  it('promises nothing that the log does not take', async () => {
    const { log, register, call } = await startRegistry();
    log.failure = new LogRefused('full');
    expect(await register('a', v1)).toMatchObject({ status: 500, body: { error_code: 50001 } });
    log.failure = undefined;
    expect((await call('GET', '/subjects')).body).toEqual([]);
    expect((await register('a', v1)).body.id).toBe(1);
  });
});
