import { describe, expect, it } from 'vitest';
import { record, startRegistry, textOf } from './support.ts';

const a = { name: 'a', type: 'string' };
const b = { name: 'b', type: 'int' };
const withDefault = { ...b, default: 0 };

describe('levels of compatibility', () => {
  it('are set for all subjects and for each', async () => {
    const { call } = await startRegistry();
    expect((await call('GET', '/config')).body).toEqual({ compatibilityLevel: 'BACKWARD' });
    expect((await call('PUT', '/config', { compatibility: 'full' })).body).toEqual({ compatibility: 'FULL' });
    expect((await call('GET', '/config')).body).toEqual({ compatibilityLevel: 'FULL' });
    expect((await call('GET', '/config/s')).body.error_code).toBe(40408);
    expect((await call('GET', '/config/s?defaultToGlobal=true')).body).toEqual({
      compatibilityLevel: 'FULL',
    });
    expect((await call('PUT', '/config/s', { compatibility: 'NONE' })).body).toEqual({
      compatibility: 'NONE',
    });
    expect((await call('PUT', '/config/s', { normalize: true })).body).toEqual({ normalize: true });
    expect((await call('GET', '/config/s')).body).toEqual({ compatibilityLevel: 'NONE', normalize: true });
    expect((await call('DELETE', '/config/s')).body).toEqual({ compatibilityLevel: 'NONE', normalize: true });
    expect((await call('DELETE', '/config/s')).body.error_code).toBe(40408);
    expect((await call('DELETE', '/config')).body).toEqual({ compatibilityLevel: 'FULL' });
    expect((await call('GET', '/config')).body).toEqual({ compatibilityLevel: 'BACKWARD' });
  });

  it('are refused when they are none, and when more is wanted than there is', async () => {
    const { call } = await startRegistry();
    expect((await call('PUT', '/config', { compatibility: 'SOME' })).body.error_code).toBe(42203);
    expect((await call('PUT', '/config', {})).body.error_code).toBe(42203);
    expect((await call('PUT', '/config', { compatibility: 5 })).body.error_code).toBe(42203);
    expect((await call('PUT', '/config', { alias: 'x' })).status).toBe(422);
  });

  /** Whether the last of the schemas may follow the others. */
  async function accepts(level: string, ...schemas: object[]): Promise<boolean> {
    const { call, register, fits } = await startRegistry();
    await call('PUT', '/config', { compatibility: 'NONE' });
    for (const schema of schemas.slice(0, -1)) await register('s', schema);
    await call('PUT', '/config', { compatibility: level });
    const tested = await fits('s', schemas.at(-1));
    const { status } = await register('s', schemas.at(-1));
    expect(status).toBe(tested ? 200 : 409);
    return tested;
  }

  const one = record([a]);
  const both = record([a, b]);
  const bothByDefault = record([a, withDefault]);

  it('look backwards, forwards, or both ways', async () => {
    expect(await accepts('NONE', one, both)).toBe(true);
    expect(await accepts('BACKWARD', one, both)).toBe(false);
    expect(await accepts('BACKWARD', both, one)).toBe(true);
    expect(await accepts('FORWARD', one, both)).toBe(true);
    expect(await accepts('FORWARD', both, one)).toBe(false);
    expect(await accepts('FULL', both, one)).toBe(false);
    expect(await accepts('FULL', one, both)).toBe(false);
    expect(await accepts('FULL', one, bothByDefault)).toBe(true);
  });

  it('look at the latest version, or at all', async () => {
    const first = record([]);
    const middle = record([withDefault]);
    const last = record([b]);
    expect(await accepts('BACKWARD', first, middle, last)).toBe(true);
    expect(await accepts('BACKWARD_TRANSITIVE', first, middle, last)).toBe(false);
    expect(await accepts('FORWARD', last, middle, first)).toBe(true);
    expect(await accepts('FORWARD_TRANSITIVE', last, middle, first)).toBe(false);
    expect(await accepts('FULL', first, middle, last)).toBe(true);
    expect(await accepts('FULL_TRANSITIVE', first, middle, last)).toBe(false);
  });

  it('tell what is in the way, when they are asked to, against one version or all', async () => {
    const { call, register } = await startRegistry();
    const test = (path: string, schema: object) =>
      call('POST', `/compatibility/subjects/s/versions${path}`, { schema: textOf(schema) });
    expect((await test('/latest', one)).body).toEqual({ is_compatible: true });
    expect((await test('/1', one)).body.error_code).toBe(40401);
    await register('s', one);
    expect((await test('/latest', both)).body).toEqual({ is_compatible: false });
    const { body } = await test('/1?verbose=true', both);
    expect(body.is_compatible).toBe(false);
    expect(body.messages[0]).toContain('READER_FIELD_MISSING_DEFAULT_VALUE');
    expect(body.messages).toContain("{compatibility: 'BACKWARD'}");
    expect((await test('?verbose=true', one)).body).toEqual({ is_compatible: true, messages: [] });
    expect((await test('/2', one)).body.error_code).toBe(40402);
    expect((await test('/0', one)).body.error_code).toBe(42202);
    expect((await test('/latest', { type: 'nonsense' })).body.error_code).toBe(42201);
  });

  it('let no schema of another type follow', async () => {
    const { register } = await startRegistry();
    await register('s', one);
    expect((await register('s', '{"type":"object"}', { schemaType: 'JSON' })).status).toBe(409);
  });
});

describe('modes', () => {
  it('are set, shown and removed', async () => {
    const { call } = await startRegistry();
    expect((await call('GET', '/mode')).body).toEqual({ mode: 'READWRITE' });
    expect((await call('GET', '/mode/s')).body.error_code).toBe(40409);
    expect((await call('PUT', '/mode/s', { mode: 'READONLY' })).body).toEqual({ mode: 'READONLY' });
    expect((await call('GET', '/mode/s')).body).toEqual({ mode: 'READONLY' });
    expect((await call('DELETE', '/mode/s')).body).toEqual({ mode: 'READONLY' });
    expect((await call('GET', '/mode/s?defaultToGlobal=true')).body).toEqual({ mode: 'READWRITE' });
    expect((await call('PUT', '/mode', { mode: 'NOT' })).body.error_code).toBe(42204);
    expect((await call('PUT', '/mode/s', { mode: 'READONLY_OVERRIDE' })).body.error_code).toBe(42205);
  });

  it('keep schemas as they are', async () => {
    const { call, register } = await startRegistry();
    await register('s', record([a]));
    await call('PUT', '/mode/s', { mode: 'READONLY' });
    expect((await register('s', record([a, withDefault]))).body.error_code).toBe(42205);
    expect((await register('s', record([a]))).status).toBe(200);
    expect((await call('DELETE', '/subjects/s')).body.error_code).toBe(42205);
    expect((await call('PUT', '/config/s', { compatibility: 'NONE' })).body.error_code).toBe(42205);
    expect((await register('t', record([a]))).status).toBe(200);
    await call('PUT', '/mode/t', { mode: 'READWRITE' });
    await call('PUT', '/mode', { mode: 'READONLY' });
    expect((await register('t', record([a, withDefault]))).status).toBe(200);
    await call('PUT', '/mode', { mode: 'READONLY_OVERRIDE' });
    expect((await register('t', '"int"')).body.error_code).toBe(42205);
  });

  it('let schemas be brought in with their identifiers', async () => {
    const { call, register } = await startRegistry();
    expect((await register('s', record([a]), { id: 5 })).body.error_code).toBe(42205);
    await call('PUT', '/mode/s', { mode: 'IMPORT' });
    expect((await register('s', record([a]))).body.error_code).toBe(42205);
    expect((await register('s', record([a]), { id: 100, version: 3 })).body).toMatchObject({
      id: 100,
      version: 3,
    });
    // Nothing is compared.
    expect((await register('s', record([a, b]), { id: 101, version: 7 })).status).toBe(200);
    expect((await register('s', '"long"', { id: 100, version: 8 })).body.error_code).toBe(42205);
    expect((await call('GET', '/subjects/s/versions')).body).toEqual([3, 7]);
    await call('PUT', '/mode/s', { mode: 'READWRITE' });
    expect((await register('t', '"int"')).body.id).toBe(102);
    expect((await call('PUT', '/mode/s', { mode: 'IMPORT' })).body.error_code).toBe(42205);
    expect((await call('PUT', '/mode/s?force=true', { mode: 'IMPORT' })).status).toBe(200);
  });
});
