import { describe, expect, it } from 'vitest';
import { openApi } from '../../src/admin/openapi.ts';
import { ALL_OPERATIONS, SUBJECTS } from '../../src/admin/operations.ts';
import { isScope, scopesOf } from '../../src/security/authorization/scopes.ts';

describe('the table of operations', () => {
  it('has for every row a scope, an audit class where it changes something, and an identifier of its own (item 41)', () => {
    for (const row of ALL_OPERATIONS) {
      expect([row.id, isScope(row.scope)]).toEqual([row.id, true]);
      if (row.method !== 'GET') expect([row.id, row.audit]).toEqual([row.id, 'change']);
      if (row.method !== 'GET')
        expect([row.id, scopesOf('viewer').includes(row.scope)]).toEqual([row.id, false]);
      if (row.scope === 'messages:read') expect([row.id, row.audit]).toEqual([row.id, 'data']);
    }
    expect(new Set(ALL_OPERATIONS.map(({ id }) => id)).size).toBe(ALL_OPERATIONS.length);
    expect(new Set(ALL_OPERATIONS.map(({ method, path }) => `${method} ${path}`)).size).toBe(
      ALL_OPERATIONS.length,
    );
  });

  it('names in each path exactly the parameters that the row has', () => {
    for (const { id, path, pathParameters } of ALL_OPERATIONS) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect([id, inPath.sort()]).toEqual([id, Object.keys(pathParameters).sort()]);
    }
  });

  it('is the command line, too: every row has a verb of its own, but for those that a verb is made of', () => {
    const without = ALL_OPERATIONS.filter(({ verb }) => verb === undefined).map(({ id }) => id);
    expect(without).toEqual([
      'health',
      'config.read',
      'config.reload',
      'node.stop',
      'checks.run',
      'events.list',
      'events.follow',
      'messages.tail',
      'messages.trace',
      'streams.partitions',
      'streams.read',
      'audit.verify',
      'backups.begin',
      'backups.renew',
      'backups.end',
      'definitions.export',
      'definitions.import',
      'records.read',
      'records.append',
    ]);
    const words = ALL_OPERATIONS.flatMap(({ verb }) => (verb === undefined ? [] : [verb.words]));
    expect(new Set(words).size).toBe(words.length);
    for (const word of words) {
      expect([word, word === 'status' || (word.split(' ')[0] ?? '') in SUBJECTS]).toEqual([word, true]);
    }
  });

  it('is described as OpenAPI 3.1, every row once', () => {
    const { openapi, paths } = openApi('1.2.3') as {
      openapi: string;
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    expect(openapi).toBe('3.1.0');
    const ids = Object.values(paths).flatMap((methods) =>
      Object.values(methods).map((each) => each.operationId),
    );
    expect(ids.sort()).toEqual(ALL_OPERATIONS.map(({ id }) => id).sort());
    expect(Object.keys(paths).every((path) => path.startsWith('/api/v1/'))).toBe(true);
  });
});
