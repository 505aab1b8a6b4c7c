import { pbkdf2Sync, scryptSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChangeRefused } from '../../../src/kernel/state/errors.ts';
import { credentialOf } from '../../../src/security/scram/scram.ts';
import { Secret } from '../../../src/security/secret.ts';
import { decodeUser, encodeUser, type UserRecord } from '../../../src/security/users/record.ts';
import type { UserOutcome } from '../../../src/security/users/users.ts';
import { bytes, cheap, userBench } from '../support.ts';

const password = (text: string): Secret => new Secret(text);
const refusal = (outcome: UserOutcome): string => (outcome.isDone ? 'done' : outcome.refusal);
const salt = Buffer.from('0123456789');
const scram = (text: string) =>
  credentialOf('SCRAM-SHA-256', salt, 4096, pbkdf2Sync(text, salt, 4096, 32, 'sha256'));

async function withAlice(options = {}) {
  const bench = userBench(options);
  const events: string[] = [];
  bench.users.onChange((name, change) => events.push(`${name} ${change}`));
  await bench.users.create({ name: 'alice', password: password('wonderland'), roles: ['reader'] });
  return { ...bench, events };
}

describe('users', () => {
  it('are made, found, changed and removed, and each change is told', async () => {
    const { users, events } = await withAlice();
    expect(users.get('alice')).toMatchObject({
      tenant: '',
      roles: ['reader'],
      isSuperuser: false,
      isDisabled: false,
      isConfigured: false,
      hasPassword: true,
      scram: [{ mechanism: 'SCRAM-SHA-256' }, { mechanism: 'SCRAM-SHA-512' }],
    });
    expect(await users.update('alice', { roles: ['reader', 'writer'], tenant: 'acme' })).toEqual({
      isDone: true,
    });
    expect(await users.setPassword('alice', password('looking-glass'))).toEqual({ isDone: true });
    expect(await users.disable('alice')).toEqual({ isDone: true });
    expect(await users.disable('alice', false)).toEqual({ isDone: true });
    expect(await users.delete('alice')).toEqual({ isDone: true });
    expect(users.get('alice')).toBeUndefined();
    expect(events).toEqual([
      'alice created',
      'alice access',
      'alice credential',
      'alice disabled',
      'alice access',
      'alice access',
      'alice deleted',
    ]);
  });

  it('log in by their password, and not when it is another, they are disabled, or gone', async () => {
    const { users } = await withAlice();
    const check = (text: string) => users.checkPassword('alice', bytes(text));
    expect(await check('wonderland')).toBe('right');
    expect(await check('wonderlands')).toBe('wrong');
    expect(await users.checkPassword('eve', bytes('wonderland'))).toBe('wrong');
    await users.disable('alice');
    expect(await check('wonderland')).toBe('wrong');
    await users.disable('alice', false);
    await users.setPassword('alice', password('looking-glass'));
    expect(await check('wonderland')).toBe('wrong');
    expect(await check('looking-glass')).toBe('right');
    await users.delete('alice');
    expect(await check('looking-glass')).toBe('wrong');
  });

  it('are not let in by a check that was under way when they were disabled', async () => {
    const { users } = await withAlice();
    const checking = users.checkPassword('alice', bytes('wonderland'));
    await users.disable('alice');
    expect(await checking).toBe('wrong');
  });

  it('are there again after a restart, with what logs in', async () => {
    const before = await withAlice();
    const { users } = await before.restarted();
    expect(users.get('alice')).toEqual(before.users.get('alice'));
    expect(await users.checkPassword('alice', bytes('wonderland'))).toBe('right');
  });

  it('are refused in words when they cannot be made or changed', async () => {
    const { users, log } = await withAlice({ configured: [{ name: 'root', password: 'configured-one' }] });
    expect(refusal(await users.create({ name: 'alice' }))).toBe('exists');
    expect(refusal(await users.create({ name: 'root' }))).toBe('exists');
    expect(refusal(await users.create({ name: '' }))).toBe('invalid');
    expect(refusal(await users.create({ name: 'a\0b' }))).toBe('invalid');
    expect(refusal(await users.create({ name: 'x'.repeat(1025) }))).toBe('invalid');
    expect(refusal(await users.create({ name: 'bob', password: password('short') }))).toBe('invalid');
    expect(refusal(await users.create({ name: 'bob', roles: ['a', 'a'] }))).toBe('invalid');
    for (const tenant of ['Acme', 'a.b', 'a/b', '+', '-a', 'a'.repeat(64)]) {
      expect(refusal(await users.create({ name: 'bob', tenant })), tenant).toBe('invalid');
    }
    expect(refusal(await users.update('bob', {}))).toBe('unknown');
    expect(refusal(await users.setPassword('bob', password('long enough')))).toBe('unknown');
    expect(refusal(await users.delete('bob'))).toBe('unknown');
    for (const outcome of [
      await users.update('root', {}),
      await users.setPassword('root', password('long enough')),
      await users.disable('root'),
      await users.delete('root'),
    ]) {
      expect(refusal(outcome)).toBe('configured');
    }
    log.error = new ChangeRefused('full', 'the disk is full');
    expect(refusal(await users.delete('alice'))).toBe('failed');
    expect(users.get('alice')).toBeDefined();
  });

  it('are one when two make them at once', async () => {
    const { users } = userBench();
    const outcomes = await Promise.all([
      users.create({ name: 'bob', tenant: 'a' }),
      users.create({ name: 'bob', tenant: 'b' }),
    ]);
    expect(outcomes.map(refusal)).toEqual(['done', 'exists']);
    expect(users.get('bob')?.tenant).toBe('a');
  });

  it('of the configuration log in beside them, by a password and by SCRAM', async () => {
    const { users } = userBench({ configured: [{ name: 'root', password: 'configured-one' }] });
    expect(await users.checkPassword('root', bytes('configured-one'))).toBe('right');
    expect(await users.checkPassword('root', bytes('configured-two'))).toBe('wrong');
    expect(users.get('root')).toMatchObject({ isConfigured: true, hasPassword: true });
    const once = await users.scramCredential('SCRAM-SHA-256', 'root');
    expect(await users.scramCredential('SCRAM-SHA-256', 'root')).toEqual(once);
  });

  it('come in pages, in order, each once, also of one tenant', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3, unit: 'grapheme-ascii' }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 7 }),
        async (names, limit) => {
          const { users } = userBench();
          for (const name of names) await users.create({ name, tenant: name < 'a' ? 'low' : 'high' });
          for (const tenant of [undefined, 'low']) {
            const seen: string[] = [];
            let after: string | undefined;
            do {
              const page = users.list({
                limit,
                ...(after === undefined ? {} : { after }),
                ...(tenant === undefined ? {} : { tenant }),
              });
              expect(page.users.length).toBeLessThanOrEqual(limit);
              seen.push(...page.users.map(({ name }) => name));
              after = page.next;
            } while (after !== undefined);
            expect(seen).toEqual(names.filter((name) => tenant === undefined || name < 'a').toSorted());
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('have their hash renewed at log-in when parameters have grown, without that being a change of theirs', async () => {
    const before = await withAlice();
    const events: string[] = [];
    let calls = 0;
    const strong = userBench(
      {},
      {
        settings: { ...cheap, algorithm: 'argon2id' },
        argon2: (_algorithm, { message, nonce, tagLength }, done) => {
          calls++;
          done(null, scryptSync(message, nonce, tagLength, { N: 2 }));
        },
      },
    );
    for (const entry of before.log.entries) strong.settings.table.apply(entry, { position: 0, offset: 0 });
    strong.settings.table.recovered?.();
    const { users, log } = strong;
    users.onChange((name, change) => events.push(`${name} ${change}`));
    // Whose password is wrong gets no new hash.
    expect(await users.checkPassword('alice', bytes('wrong password'))).toBe('wrong');
    expect(log.entries).toHaveLength(0);
    expect(await users.checkPassword('alice', bytes('wonderland'))).toBe('right');
    await expect.poll(() => log.entries.length).toBe(1);
    expect(calls).toBe(1);
    expect(await users.checkPassword('alice', bytes('wonderland'))).toBe('right');
    expect(calls).toBe(2);
    expect(log.entries).toHaveLength(1);
    expect(events).toEqual([]);
  });
});

describe('SCRAM credentials of users', () => {
  const edit = (userName: string, credential: ReturnType<typeof scram> | undefined) => [
    { userName, mechanism: 'SCRAM-SHA-256' as const, credential },
  ];

  it('can be set by themselves, and are a user; a password is then checked against them', async () => {
    const { users } = userBench();
    await users.editScram(() => edit('carol', scram('carrot cake')));
    expect(users.get('carol')).toMatchObject({ hasPassword: false, scram: [{ iterations: 4096 }] });
    expect(await users.checkPassword('carol', bytes('carrot cake'))).toBe('right');
    expect(await users.checkPassword('carol', bytes('carrot'))).toBe('wrong');
    await users.editScram(() => edit('carol', undefined));
    expect(users.get('carol')).toBeUndefined();
  });

  it('put the password out of use that they take the place of', async () => {
    const { users, events } = await withAlice();
    await users.editScram(() => edit('alice', scram('another one')));
    expect(await users.checkPassword('alice', bytes('wonderland'))).toBe('wrong');
    expect(await users.checkPassword('alice', bytes('another one'))).toBe('right');
    expect(events).toContain('alice credential');
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      await users.editScram(() => [{ userName: 'alice', mechanism, credential: undefined }]);
    }
    // Somebody with roles stays, and has nothing to log in with.
    expect(users.get('alice')).toMatchObject({ roles: ['reader'], hasPassword: false, scram: [] });
    expect(await users.checkPassword('alice', bytes('another one'))).toBe('wrong');
  });

  it('ops 30: of somebody unknown or disabled are decoys, the same ones after a restart', async () => {
    const bench = await withAlice();
    await bench.users.prepare();
    const first = await bench.users.scramCredential('SCRAM-SHA-256', 'eve');
    if (first === 'busy') throw new Error('busy');
    const real = await bench.users.scramCredential('SCRAM-SHA-256', 'alice');
    if (real === 'busy') throw new Error('busy');
    expect([first.salt.length, first.iterations, first.storedKey.length]).toEqual([
      real.salt.length,
      real.iterations,
      real.storedKey.length,
    ]);
    expect(await bench.users.scramCredential('SCRAM-SHA-256', 'eve')).toEqual(first);
    expect(await bench.users.scramCredential('SCRAM-SHA-512', 'eve')).not.toEqual(first);
    expect(await bench.users.scramCredential('SCRAM-SHA-256', 'mallory')).not.toEqual(first);
    const again = await bench.restarted();
    await again.users.prepare();
    expect(await again.users.scramCredential('SCRAM-SHA-256', 'eve')).toEqual(first);
    await bench.users.disable('alice');
    expect(await bench.users.scramCredential('SCRAM-SHA-256', 'alice')).not.toEqual(real);
  });
});

describe('what is kept of a user', () => {
  it('is read as it was written', { timeout: 60_000 }, () => {
    const some = fc.uint8Array({ minLength: 8, maxLength: 64 });
    const credential = fc.record({
      salt: some,
      iterations: fc.integer({ min: 4096, max: 16_384 }),
      storedKey: some,
      serverKey: some,
    });
    const record: fc.Arbitrary<UserRecord> = fc.record({
      tenant: fc.string(),
      roles: fc.array(fc.string(), { maxLength: 5 }),
      isSuperuser: fc.boolean(),
      isDisabled: fc.boolean(),
      createdAtMs: fc.nat(),
      changedAtMs: fc.nat(),
      credentialVersion: fc.nat(),
      passwordHash: fc.option(
        fc.record({
          algorithm: fc.constant('scrypt' as const),
          parameters: fc.constant({ ln: 14, r: 8, p: 5 }),
          salt: some,
          hash: fc.uint8Array({ minLength: 16, maxLength: 64 }),
        }),
        { nil: undefined },
      ),
      scram: fc
        .uniqueArray(
          fc.tuple(fc.constantFrom('SCRAM-SHA-256' as const, 'SCRAM-SHA-512' as const), credential),
          {
            selector: ([mechanism]) => mechanism,
          },
        )
        .map((entries) => new Map(entries)),
    });
    fc.assert(
      fc.property(record, (user) => {
        const encoded = encodeUser(user);
        expect(decodeUser(encoded)).toEqual(user);
        expect(() => decodeUser(encoded.subarray(0, -1))).toThrow('cannot be read');
      }),
    );
  });

  it('is in no case the password', async () => {
    const { log, users } = await withAlice();
    const all = Buffer.concat(log.entries).toString('latin1');
    expect(all).toContain('alice');
    expect(all).not.toContain('wonderland');
    expect(JSON.stringify([users.get('alice'), users.list({ limit: 10 })])).not.toMatch(
      /wonderland|scrypt|salt/i,
    );
  });
});
