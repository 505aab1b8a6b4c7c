/** Who may take a node's state and definitions out of it, and put them in. */
import { describe, expect, it } from 'vitest';
import type { Caller } from '../../src/admin/caller.ts';
import type { NodeView } from '../../src/admin/node-view.ts';
import { OperationError } from '../../src/admin/operation.ts';
import { OPERATIONS } from '../../src/admin/operations.ts';
import { scopesOf } from '../../src/security/authorization/scopes.ts';

const signal = new AbortController().signal;
const caller = (via: Caller['via'], scopes: readonly string[] | 'all', tenant = ''): Caller => ({
  user: 'somebody',
  via,
  address: '',
  tenant,
  may: (scope) => scopes === 'all' || scopes.includes(scope),
});

/** Says what was asked of it. */
const node = {
  backups: { begin: async () => 'begun', renew: () => undefined, end: () => true },
  definitions: {
    export: (only: readonly string[]) => ({ only }),
    import: async ({ only }: { only: readonly string[] }) => ({ isApplied: true, steps: only }),
  },
} as unknown as NodeView;

async function refusal(work: () => unknown): Promise<number | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof OperationError) return error.status;
    throw error;
  }
}

describe('a backup', () => {
  it.each(['http', 'api-key'] as const)(
    'is refused from elsewhere (%s), whatever one may do',
    async (via) => {
      const call = { caller: caller(via, 'all'), signal, lastEventId: undefined };
      expect(await refusal(() => OPERATIONS.backupsBegin.run(node, {}, call))).toBe(403);
      expect(await refusal(() => OPERATIONS.backupsRenew.run(node, { id: 'x' }, call))).toBe(403);
      const end = { id: 'x', body: { isComplete: true } };
      expect(await refusal(() => OPERATIONS.backupsEnd.run(node, end, call))).toBe(403);
    },
  );

  it('is made over the control socket', async () => {
    const call = { caller: caller('socket', 'all'), signal, lastEventId: undefined };
    expect(await OPERATIONS.backupsBegin.run(node, {}, call)).toBe('begun');
  });

  it('is no business of operators and viewers', () => {
    for (const role of ['operator', 'viewer'] as const) {
      expect(scopesOf(role).filter((scope) => scope.startsWith('backup:'))).toEqual([]);
    }
  });
});

describe('definitions', () => {
  const document = { format: '', version: 1, users: [], kafkaTopics: [] };
  const importing = (who: Caller, body: object = {}) =>
    refusal(() =>
      OPERATIONS.definitionsImport.run(
        node,
        { body: { definitions: document, ...body } },
        { caller: who, signal, lastEventId: undefined },
      ),
    );
  const exporting = (who: Caller, only?: string) =>
    refusal(() =>
      OPERATIONS.definitionsExport.run(node, only === undefined ? {} : { only }, {
        caller: who,
        signal,
        lastEventId: undefined,
      }),
    );

  it('are nobody’s who may not see and make them one by one (item 47)', async () => {
    expect(await importing(caller('api-key', ['backup:write']))).toBe(403);
    expect(await importing(caller('api-key', ['backup:write', 'topics:write']))).toBe(403);
    expect(
      await importing(caller('api-key', ['backup:write', 'topics:write']), { only: 'kafkaTopics' }),
    ).toBe(undefined);
    expect(await importing(caller('api-key', ['backup:write', 'topics:write', 'users:write']))).toBe(
      undefined,
    );
    expect(await exporting(caller('api-key', ['backup:read', 'bans:read']))).toBe(403);
    expect(await exporting(caller('api-key', ['backup:read', 'bans:read']), 'bans')).toBe(undefined);
  });

  it('are not those of a tenant', async () => {
    expect(await exporting(caller('http', 'all', 'acme'))).toBe(403);
    expect(await importing(caller('http', 'all', 'acme'))).toBe(403);
  });

  it('have the sections that there are', async () => {
    expect(await exporting(caller('socket', 'all'), 'users,everything')).toBe(400);
  });
});
