import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { quotaHandlers } from '../../../../src/protocols/kafka/security/quota-requests.ts';
import {
  createQuotas,
  type QuotaEntity,
  type QuotaValues,
} from '../../../../src/protocols/kafka/security/quotas.ts';
import { createManualClock } from '../../../support/manual-clock.ts';
import { bench, nobody } from './support.ts';

function quotasWith(...all: readonly [QuotaEntity, QuotaValues][]) {
  const clock = createManualClock();
  const quotas = createQuotas(clock);
  for (const [entity, values] of all) quotas.set(JSON.stringify(entity), { entity, values });
  return { clock, quotas };
}

describe('quotas', () => {
  it('limit nobody while there are none', () => {
    const { quotas } = quotasWith();
    expect(quotas.isEnabled).toBe(false);
    expect(quotas.charge('producer_byte_rate', 'u', 'c', 1e12)).toBe(0);
    expect(quotas.connected('1.1.1.1')).toBe(0);
  });

  it('hold clients to their rate over any time, in whatever pieces they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 5, maxLength: 40 }),
        async (pieces) => {
          const { clock, quotas } = quotasWith([{ user: 'u' }, { producer_byte_rate: 1000 }]);
          let sent = 0;
          for (const piece of pieces) {
            sent += piece;
            const waitMs = quotas.charge('producer_byte_rate', 'u', 'c', piece);
            expect(waitMs).toBeLessThanOrEqual(30_000);
            await clock.advance(waitMs);
            // What the bucket holds at first may be gone at once; beyond that it is the rate.
            expect(sent).toBeLessThanOrEqual(1000 + clock.monotonicMs() + 1);
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  it('count the most specific of what was set, key by key', () => {
    const order: readonly QuotaEntity[] = [
      { user: 'u', clientId: 'c' },
      { user: 'u', clientId: null },
      { user: 'u' },
      { user: null, clientId: 'c' },
      { user: null, clientId: null },
      { user: null },
      { clientId: 'c' },
      { clientId: null },
    ];
    for (let from = 0; from < order.length; from++) {
      // Each is set at a rate of its own, in an order that must not matter.
      const all = order
        .slice(from)
        .map((entity, i): [QuotaEntity, QuotaValues] => [
          entity,
          { consumer_byte_rate: 100 * (from + i + 1) },
        ]);
      const { quotas } = quotasWith(...all.reverse());
      const rate = 100 * (from + 1);
      expect(quotas.charge('consumer_byte_rate', 'u', 'c', rate)).toBe(0);
      expect(quotas.charge('consumer_byte_rate', 'u', 'c', rate)).toBe(1000);
      expect(quotas.charge('producer_byte_rate', 'u', 'c', 1e9)).toBe(0);
    }
    const { quotas } = quotasWith(
      [{ user: 'u' }, { producer_byte_rate: 1 }],
      [{ clientId: 'c' }, { consumer_byte_rate: 1 }],
    );
    expect(quotas.charge('consumer_byte_rate', 'u', 'c', 2)).toBe(1000);
    expect(quotas.charge('producer_byte_rate', 'u', 'c', 2)).toBe(1000);
  });

  it('are shared by all clients of a user, or all users of a client, as they are set', () => {
    const user = quotasWith([{ user: 'u' }, { producer_byte_rate: 10 }]).quotas;
    expect(user.charge('producer_byte_rate', 'u', 'a', 10)).toBe(0);
    expect(user.charge('producer_byte_rate', 'u', 'b', 10)).toBe(1000);
    expect(user.charge('producer_byte_rate', 'v', 'b', 10)).toBe(0);
    const client = quotasWith([{ clientId: null }, { producer_byte_rate: 10 }]).quotas;
    expect(client.charge('producer_byte_rate', 'u', 'a', 10)).toBe(0);
    expect(client.charge('producer_byte_rate', 'v', 'a', 10)).toBe(1000);
    expect(client.charge('producer_byte_rate', 'v', 'b', 10)).toBe(0);
    const both = quotasWith([{ user: null, clientId: null }, { producer_byte_rate: 10 }]).quotas;
    expect(both.charge('producer_byte_rate', 'u', 'a', 10)).toBe(0);
    expect(both.charge('producer_byte_rate', 'v', 'a', 10)).toBe(0);
    expect(both.charge('producer_byte_rate', 'v', 'a', 10)).toBe(1000);
  });

  it('limit connections by address, and work by its share of a thread', () => {
    const { quotas } = quotasWith(
      [{ ip: '1.1.1.1' }, { connection_creation_rate: 2 }],
      [{ ip: null }, { connection_creation_rate: 1 }],
      [{ user: 'u' }, { request_percentage: 50 }],
    );
    expect([1, 2, 3].map(() => quotas.connected('1.1.1.1'))).toEqual([0, 0, 500]);
    expect([1, 2].map(() => quotas.connected('2.2.2.2'))).toEqual([0, 1000]);
    expect(quotas.charge('request_percentage', 'u', '', 500)).toBe(0);
    expect(quotas.charge('request_percentage', 'u', '', 100)).toBe(200);
  });

  it('forgive what nobody would wait for, and remember a bounded number', () => {
    const { quotas } = quotasWith([{ user: null }, { producer_byte_rate: 1 }]);
    expect(quotas.charge('producer_byte_rate', 'u', 'c', 1e15)).toBe(30_000);
    for (let i = 0; i < 50_000; i++) quotas.charge('producer_byte_rate', `u${i}`, 'c', 1);
    expect(quotas.charge('producer_byte_rate', 'u49999', 'c', 1)).toBe(1000);
  });
});

const entry = (
  entity: readonly (readonly [string, string | null])[],
  ...ops: readonly (readonly [string, number | null])[]
) => ({
  entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
  ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
});

describe('requests about quotas', () => {
  it('set, change and remove them, and find them by their parts', async () => {
    const { ask, kafka } = bench(quotaHandlers);
    const set = await ask('alterClientQuotas', {
      entries: [
        entry([['user', 'u']], ['producer_byte_rate', 100], ['consumer_byte_rate', 5.5]),
        entry(
          [
            ['user', 'u'],
            ['client-id', null],
          ],
          ['request_percentage', 10],
        ),
        entry([['client-id', 'c']], ['controller_mutation_rate', 1]),
        entry([['ip', '1.1.1.1']], ['connection_creation_rate', 3]),
      ],
      validateOnly: false,
    });
    expect(set.entries.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0, 0]);
    expect(kafka.security.quotas.isEnabled).toBe(true);
    const find = async (
      strict: boolean,
      ...components: readonly (readonly [string, number, string | null])[]
    ) => {
      const { entries } = await ask('describeClientQuotas', {
        components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
        strict,
      });
      return entries?.map(({ values }) =>
        values
          .map(({ key }) => key)
          .sort()
          .join(),
      );
    };
    expect(await find(false)).toHaveLength(4);
    expect(await find(false, ['user', 0, 'u'])).toEqual([
      'consumer_byte_rate,producer_byte_rate',
      'request_percentage',
    ]);
    expect(await find(true, ['user', 0, 'u'])).toEqual(['consumer_byte_rate,producer_byte_rate']);
    expect(await find(true, ['user', 2, null], ['client-id', 1, null])).toEqual(['request_percentage']);
    expect(await find(false, ['client-id', 2, null])).toHaveLength(2);
    expect(await find(false, ['ip', 0, '1.1.1.1'])).toEqual(['connection_creation_rate']);
    expect(await find(false, ['user', 1, null])).toEqual([]);
    await ask('alterClientQuotas', {
      entries: [
        entry([['user', 'u']], ['consumer_byte_rate', null], ['producer_byte_rate', 7]),
        entry([['client-id', 'c']], ['controller_mutation_rate', null]),
      ],
      validateOnly: false,
    });
    expect(await find(true, ['user', 0, 'u'])).toEqual(['producer_byte_rate']);
    expect(await find(true, ['client-id', 2, null])).toEqual([]);
    expect(kafka.security.quotas.charge('producer_byte_rate', 'u', 'x', 14)).toBe(1000);
  });

  it.each([
    ['no entity', entry([], ['producer_byte_rate', 1])],
    ['a type that is none', entry([['group', 'g']], ['producer_byte_rate', 1])],
    [
      'a type twice',
      entry(
        [
          ['user', 'u'],
          ['user', 'v'],
        ],
        ['producer_byte_rate', 1],
      ),
    ],
    ['an empty name', entry([['user', '']], ['producer_byte_rate', 1])],
    ['an address that is none', entry([['ip', 'localhost']], ['connection_creation_rate', 1])],
    [
      'an address and a user',
      entry(
        [
          ['ip', '1.1.1.1'],
          ['user', 'u'],
        ],
        ['connection_creation_rate', 1],
      ),
    ],
    ['a key that is none', entry([['user', 'u']], ['speed', 1])],
    ['a key of addresses', entry([['user', 'u']], ['connection_creation_rate', 1])],
    ['a key of clients', entry([['ip', '1.1.1.1']], ['producer_byte_rate', 1])],
    ['nothing allowed', entry([['user', 'u']], ['producer_byte_rate', 0])],
    ['less than nothing', entry([['user', 'u']], ['producer_byte_rate', -1])],
    ['no number', entry([['user', 'u']], ['producer_byte_rate', Number.NaN])],
    ['a key twice', entry([['user', 'u']], ['producer_byte_rate', 1], ['producer_byte_rate', 2])],
  ])('refuse %s, and take the others', async (_what, wrong) => {
    const { ask, kafka } = bench(quotaHandlers);
    const { entries } = await ask('alterClientQuotas', {
      entries: [wrong, entry([['user', 'good']], ['producer_byte_rate', 1])],
      validateOnly: false,
    });
    expect(entries.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.INVALID_REQUEST, 0]);
    expect([...kafka.security.quotas.list()]).toHaveLength(1);
  });

  it('change nothing when they only ask whether they might, or come from who may not', async () => {
    const { ask, kafka } = bench(quotaHandlers);
    const wanted = { entries: [entry([['user', 'u']], ['producer_byte_rate', 1])], validateOnly: false };
    expect((await ask('alterClientQuotas', { ...wanted, validateOnly: true })).entries[0]?.errorCode).toBe(0);
    const refused = await ask('alterClientQuotas', wanted, nobody);
    expect(refused.entries[0]?.errorCode).toBe(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    expect(kafka.security.quotas.isEnabled).toBe(false);
    const unseen = await ask('describeClientQuotas', { components: [], strict: false }, nobody);
    expect(unseen).toMatchObject({ errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED, entries: null });
  });

  it.each([
    ['a type that is none', [['group', 0, 'g']], ErrorCode.UNSUPPORTED_VERSION],
    [
      'a type twice',
      [
        ['user', 0, 'u'],
        ['user', 1, null],
      ],
      ErrorCode.INVALID_REQUEST,
    ],
    [
      'an address and a user',
      [
        ['ip', 2, null],
        ['user', 2, null],
      ],
      ErrorCode.INVALID_REQUEST,
    ],
    ['a match that is none', [['user', 3, null]], ErrorCode.INVALID_REQUEST],
    ['a name that is missing', [['user', 0, null]], ErrorCode.INVALID_REQUEST],
  ] as const)('do not look for %s', async (_what, components, errorCode) => {
    const { ask } = bench(quotaHandlers);
    const answer = await ask('describeClientQuotas', {
      components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
      strict: false,
    });
    expect(answer).toMatchObject({ errorCode, entries: null });
  });
});
