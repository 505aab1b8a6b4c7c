import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createMemoryLog, record, startRegistry, textOf } from './support.ts';

const V1 = 'application/vnd.schemaregistry.v1+json';
const v1 = record([{ name: 'name', type: 'string' }]);

describe('addresses', () => {
  it('are answered, refused for their method, or not there', async () => {
    const { call } = await startRegistry();
    expect((await call('GET', '/')).body).toEqual({});
    expect((await call('GET', '/schemas/types')).body).toEqual(['JSON', 'PROTOBUF', 'AVRO']);
    expect((await call('GET', '/contexts')).body).toEqual(['.']);
    expect((await call('GET', '/nothing')).body).toEqual({ error_code: 404, message: 'HTTP 404 Not Found' });
    expect((await call('PUT', '/subjects')).body.error_code).toBe(405);
    expect((await call('GET', '/subjects/%FF/versions')).status).toBe(400);
    expect((await call('GET', '/subjects/')).body).toEqual([]);
    expect((await call('GET', `/subjects/${'x'.repeat(9000)}/versions`)).status).toBe(414);
  });

  it('may hold any name of a subject', async () => {
    const { call, register } = await startRegistry();
    for (const subject of ['a/b', 'a b', 'ä+1', '__proto__', 'constructor', 'versions', '%41']) {
      expect((await register(subject, v1)).status).toBe(200);
      const { body } = await call('GET', `/subjects/${encodeURIComponent(subject)}/versions/1`);
      expect(body.subject).toBe(subject);
    }
    expect((await call('GET', '/subjects/toString/versions')).body.error_code).toBe(40401);
    expect((await register('__GLOBAL', v1)).body.error_code).toBe(42208);
    expect((await register('a\u0001', v1)).body.error_code).toBe(42208);
  });

  it('take versions and identifiers that are some', async () => {
    const { call, register } = await startRegistry();
    await register('a', v1);
    for (const version of ['0', '-2', 'x', '2147483648', '1.0', 'LATEST']) {
      expect((await call('GET', `/subjects/a/versions/${version}`)).body.error_code).toBe(42202);
    }
    expect((await call('GET', '/subjects/a/versions/2')).body.error_code).toBe(40402);
    expect((await call('GET', '/subjects/b/versions/1')).body.error_code).toBe(40401);
    expect((await call('GET', '/schemas/ids/9')).body.error_code).toBe(40403);
    expect((await call('GET', '/schemas/ids/x')).body.error_code).toBe(404);
    expect((await call('GET', '/schemas/guids/x')).body.error_code).toBe(40403);
  });

  it('list in parts, and by the start of names', async () => {
    const { call, register } = await startRegistry();
    for (const subject of ['a1', 'a2', 'b1']) await register(subject, v1);
    expect((await call('GET', '/subjects?subjectPrefix=a')).body).toEqual(['a1', 'a2']);
    expect((await call('GET', '/subjects?offset=1&limit=1')).body).toEqual(['a2']);
    expect((await call('GET', '/subjects?limit=0')).body).toEqual([]);
    expect((await call('GET', '/subjects?limit=x')).status).toBe(400);
    expect((await call('GET', '/schemas?subjectPrefix=b&latestOnly=true')).body).toHaveLength(1);
  });
});

describe('bodies and their types', () => {
  it('are asked for and answered in the types of registries and in plain JSON', async () => {
    const { call, register } = await startRegistry();
    await register('a', v1);
    const path = '/subjects/a/versions';
    const answered = async (accept: string) => (await call('GET', path, undefined, { accept })).type;
    expect(await answered('application/json')).toBe('application/json');
    expect(await answered('text/html, application/json;q=0.5')).toBe('application/json');
    expect(await answered('*/*')).toBe(V1);
    expect(await answered(`${V1}, application/vnd.schemaregistry+json;q=0.9, application/json;q=0.8`)).toBe(
      V1,
    );
    expect((await call('GET', path, undefined, { accept: 'text/html' })).body.error_code).toBe(406);
    const sent = async (type: string) =>
      (await call('POST', path, { schema: textOf(v1) }, { 'content-type': type })).status;
    expect(await sent('application/json; charset=utf-8')).toBe(200);
    expect(await sent('application/vnd.schemaregistry+json')).toBe(200);
    expect(await sent('text/plain')).toBe(415);
  });

  it('are refused beyond their size, and schemas beyond theirs', async () => {
    const { call, register } = await startRegistry(createMemoryLog(), {
      maxBodyBytes: 10_000,
      maxSchemaBytes: 500,
    });
    expect((await call('POST', '/subjects/a/versions', { schema: 'x'.repeat(20_000) })).status).toBe(413);
    const large = record([{ name: 'a', type: 'string', doc: 'x'.repeat(1000) }]);
    expect((await register('a', large)).body.error_code).toBe(42209);
  });

  it('are refused where they are no UTF-8 or nested without end', async () => {
    const { call } = await startRegistry();
    const path = '/subjects/a/versions';
    expect((await call('POST', path, '['.repeat(100_000))).status).toBe(400);
    expect((await call('POST', path, `{"a":${'['.repeat(5000)}`)).status).toBe(400);
    const schema = `${'{"type":"array","items":'.repeat(5000)}"int"${'}'.repeat(5000)}`;
    expect((await call('POST', path, { schema })).body.error_code).toBe(42201);
    expect((await call('POST', path, { schema, schemaType: 'JSON' })).body.error_code).toBe(42201);
  });

  it('may hold names that mean something to the language', async () => {
    const { call, defects } = await startRegistry();
    const body =
      '{"__proto__":{"schema":"x"},"constructor":1,"schema":"{\\"type\\":\\"int\\",\\"__proto__\\":{\\"a\\":1}}"}';
    expect((await call('POST', '/subjects/a/versions', body)).status).toBe(200);
    expect((await call('GET', '/schemas/ids/1')).body.schema).toBe('{"type":"int","__proto__":{"a":1}}');
    expect(({} as Record<string, unknown>).a).toBeUndefined();
    expect(defects).toEqual([]);
  });

  it('may break off', async () => {
    const { url, call, defects } = await startRegistry();
    const sending = request(`${url}/subjects/a/versions`, {
      method: 'POST',
      headers: { 'content-length': 1000 },
    });
    sending.on('error', () => {});
    sending.write('{"schema":');
    await new Promise((resolve) => setImmediate(resolve));
    sending.destroy();
    expect((await call('GET', '/subjects')).body).toEqual([]);
    expect(defects).toEqual([]);
  });
});

describe('what a registry holds', () => {
  it('is bounded', async () => {
    const few = await startRegistry(createMemoryLog(), { maxSchemas: 1 });
    await few.register('a', v1);
    expect((await few.register('b', '"int"')).body.error_code).toBe(42205);
    expect((await few.register('b', v1)).status).toBe(200);
    const versions = await startRegistry(createMemoryLog(), { maxVersions: 1 });
    await versions.register('a', v1);
    expect((await versions.register('b', v1)).body.error_code).toBe(42205);
    const bytes = await startRegistry(createMemoryLog(), { maxBytes: 100 });
    expect((await bytes.register('a', v1)).body.error_code).toBe(42205);
    const settings = await startRegistry(createMemoryLog(), { maxSettings: 1 });
    await settings.call('PUT', '/config/a', { compatibility: 'NONE' });
    expect((await settings.call('PUT', '/config/a', { compatibility: 'FULL' })).status).toBe(200);
    expect((await settings.call('PUT', '/mode/a', { mode: 'READONLY' })).body.error_code).toBe(42205);
  });

  it('is given only what it may know to somebody who asks', async () => {
    const registry = await startRegistry();
    const { call, register } = registry;
    await register('mine', v1);
    await register('theirs', '"int"');
    registry.permit = (action, subject) => subject === 'mine' && action === 'read';
    expect((await call('GET', '/subjects')).body).toEqual(['mine']);
    expect((await call('GET', '/schemas')).body).toHaveLength(1);
    expect((await call('GET', '/schemas/ids/1')).status).toBe(200);
    expect((await call('GET', '/schemas/ids/2')).body.error_code).toBe(40301);
    expect((await call('GET', '/subjects/theirs/versions')).status).toBe(403);
    expect((await register('mine', v1)).status).toBe(403);
    expect((await call('DELETE', '/subjects/mine')).status).toBe(403);
    expect((await call('PUT', '/config', { compatibility: 'NONE' })).status).toBe(403);
    registry.permit = (_action, subject) => subject === 'mine';
    const references = [{ name: 'x', subject: 'theirs', version: 1 }];
    expect((await register('mine', '"long"', { references })).body.error_code).toBe(40301);
  });
});

describe('contexts', () => {
  it('have identifiers and settings of their own', async () => {
    const { call, register } = await startRegistry();
    await register('a', v1);
    expect((await register(':.other:a', '"int"')).body.id).toBe(1);
    expect((await call('GET', '/contexts')).body).toEqual(['.', '.other']);
    expect((await call('GET', '/subjects')).body).toEqual([':.other:a', 'a']);
    expect((await call('GET', '/subjects?subjectPrefix=:.other:')).body).toEqual([':.other:a']);
    expect((await call('GET', '/subjects?subjectPrefix=:*:a')).body).toEqual([':.other:a', 'a']);
    expect((await call('GET', '/schemas/ids/1?subject=:.other:')).body.schema).toBe('"int"');
    expect((await register(':.:a', v1)).body).toMatchObject({ id: 1, version: 1 });
    await call('PUT', '/config/:.other:', { compatibility: 'NONE' });
    expect((await call('GET', '/config/:.other:a?defaultToGlobal=true')).body).toEqual({
      compatibilityLevel: 'NONE',
    });
    expect((await call('GET', '/config/a?defaultToGlobal=true')).body).toEqual({
      compatibilityLevel: 'BACKWARD',
    });
  });
});
