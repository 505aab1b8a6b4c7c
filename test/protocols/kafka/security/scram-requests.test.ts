import { pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { scramHandlers } from '../../../../src/protocols/kafka/security/scram-requests.ts';
import { Secret } from '../../../../src/security/secret.ts';
import { bench, nobody } from './support.ts';

const salt = Buffer.from('0123456789');
const upsertion = (name: string, mechanism = 1, iterations = 4096) => ({
  name,
  mechanism,
  iterations,
  salt,
  saltedPassword: pbkdf2Sync(
    'secret',
    salt,
    iterations,
    mechanism === 1 ? 32 : 64,
    mechanism === 1 ? 'sha256' : 'sha512',
  ),
});
const change = (...upsertions: ReturnType<typeof upsertion>[]) => ({ deletions: [], upsertions });

describe('requests about SCRAM credentials', () => {
  it('set them, show what is not secret, and remove them', async () => {
    const { ask, kafka } = bench(scramHandlers);
    const { results } = await ask(
      'alterUserScramCredentials',
      change(upsertion('a'), upsertion('a', 2, 5000), upsertion('b')),
    );
    expect(results.map(({ user, errorCode }) => [user, errorCode])).toEqual([
      ['a', 0],
      ['b', 0],
    ]);
    expect(await kafka.security.users.checkPassword('a', Buffer.from('secret'))).toBe('right');
    expect(await kafka.security.users.checkPassword('a', Buffer.from('secrets'))).toBe('wrong');
    const all = await ask('describeUserScramCredentials', { users: null });
    expect(all.results).toMatchObject([
      {
        user: 'a',
        credentialInfos: [
          { mechanism: 1, iterations: 4096 },
          { mechanism: 2, iterations: 5000 },
        ],
      },
      { user: 'b', credentialInfos: [{ mechanism: 1, iterations: 4096 }] },
    ]);
    await ask('alterUserScramCredentials', { deletions: [{ name: 'a', mechanism: 1 }], upsertions: [] });
    const some = await ask('describeUserScramCredentials', {
      users: ['a', 'c', 'b', 'b'].map((name) => ({ name })),
    });
    expect(some.results).toMatchObject([
      { user: 'a', errorCode: 0, credentialInfos: [{ mechanism: 2 }] },
      { user: 'c', errorCode: ErrorCode.RESOURCE_NOT_FOUND, credentialInfos: [] },
      { user: 'b', errorCode: ErrorCode.DUPLICATE_RESOURCE, credentialInfos: [] },
    ]);
  });

  it.each([
    ['too few iterations', { ...upsertion('x'), iterations: 4095 }, ErrorCode.UNACCEPTABLE_CREDENTIAL],
    ['too many iterations', { ...upsertion('x'), iterations: 16_385 }, ErrorCode.UNACCEPTABLE_CREDENTIAL],
    ['a salt too short', { ...upsertion('x'), salt: Buffer.from('1') }, ErrorCode.UNACCEPTABLE_CREDENTIAL],
    [
      'a password of another mechanism',
      { ...upsertion('x'), mechanism: 2 },
      ErrorCode.UNACCEPTABLE_CREDENTIAL,
    ],
    ['no name', upsertion(''), ErrorCode.UNACCEPTABLE_CREDENTIAL],
    ['a name too long', upsertion('x'.repeat(2000)), ErrorCode.UNACCEPTABLE_CREDENTIAL],
    ['a mechanism that is none', { ...upsertion('x'), mechanism: 3 }, ErrorCode.UNSUPPORTED_SASL_MECHANISM],
    ['the unknown mechanism', { ...upsertion('x'), mechanism: 0 }, ErrorCode.UNSUPPORTED_SASL_MECHANISM],
  ])('refuse %s, and take those of other users', async (_what, wrong, errorCode) => {
    const { ask } = bench(scramHandlers);
    const { results } = await ask('alterUserScramCredentials', change(wrong, upsertion('good')));
    expect(results.map((each) => each.errorCode)).toEqual([errorCode, 0]);
    expect((await ask('describeUserScramCredentials', { users: [] })).results).toMatchObject([
      { user: 'good' },
    ]);
  });

  it('refuse to change a credential twice, and to remove what is not there', async () => {
    const { ask } = bench(scramHandlers);
    const twice = await ask('alterUserScramCredentials', {
      deletions: [{ name: 'a', mechanism: 1 }],
      upsertions: [upsertion('a')],
    });
    expect(twice.results).toMatchObject([{ user: 'a', errorCode: ErrorCode.DUPLICATE_RESOURCE }]);
    const missing = await ask('alterUserScramCredentials', {
      deletions: [
        { name: 'a', mechanism: 1 },
        { name: 'b', mechanism: 7 },
      ],
      upsertions: [],
    });
    expect(missing.results.map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.RESOURCE_NOT_FOUND,
      ErrorCode.UNSUPPORTED_SASL_MECHANISM,
    ]);
  });

  it('are refused to who may not change or see the cluster', async () => {
    const { ask } = bench(scramHandlers);
    const { CLUSTER_AUTHORIZATION_FAILED } = ErrorCode;
    const altered = await ask('alterUserScramCredentials', change(upsertion('a')), nobody);
    expect(altered.results).toMatchObject([{ user: 'a', errorCode: CLUSTER_AUTHORIZATION_FAILED }]);
    const seen = await ask('describeUserScramCredentials', { users: null }, nobody);
    expect(seen).toMatchObject({ errorCode: CLUSTER_AUTHORIZATION_FAILED, results: [] });
  });

  it('are refused to who has shown nothing, also where everybody may do everything', async () => {
    const { ask } = bench(scramHandlers, { authorization: 'none' });
    const anonymous = { principal: 'User:ANONYMOUS', remoteAddress: '127.0.0.1' };
    const { CLUSTER_AUTHORIZATION_FAILED } = ErrorCode;
    const altered = await ask('alterUserScramCredentials', change(upsertion('a')), anonymous);
    expect(altered.results).toMatchObject([{ user: 'a', errorCode: CLUSTER_AUTHORIZATION_FAILED }]);
    const seen = await ask('describeUserScramCredentials', { users: null }, anonymous);
    expect(seen).toMatchObject({ errorCode: CLUSTER_AUTHORIZATION_FAILED });
  });

  it.each(['none', 'acl'] as const)(
    'give nobody the password of an administrator, with authorization %s',
    async (authorization) => {
      const users = [{ name: 'configured', password: 'of the configuration' }];
      const { ask, kafka } = bench(scramHandlers, { authorization, users });
      const known = kafka.security.users;
      const password = new Secret('of the database');
      await known.create({ name: 'root', password, isSuperuser: true });
      await known.create({ name: 'operator', password, roles: ['operator'] });
      const wanted = ['root', 'configured', 'operator', 'plain'];
      const { results } = await ask(
        'alterUserScramCredentials',
        change(...wanted.map((name) => upsertion(name))),
      );
      const { UNACCEPTABLE_CREDENTIAL: unacceptable } = ErrorCode;
      const operator = authorization === 'acl' ? 0 : unacceptable;
      expect(results.map(({ errorCode }) => errorCode)).toEqual([unacceptable, unacceptable, operator, 0]);
      expect(await known.checkPassword('root', Buffer.from('of the database'))).toBe('right');
      const removed = await ask('alterUserScramCredentials', {
        deletions: [{ name: 'root', mechanism: 1 }],
        upsertions: [],
      });
      expect(removed.results).toMatchObject([{ errorCode: unacceptable }]);
      const all = await ask('describeUserScramCredentials', { users: null });
      expect(all.results.map(({ user }) => user)).toEqual(
        authorization === 'acl' ? ['operator', 'plain'] : ['plain'],
      );
      expect(
        (await ask('describeUserScramCredentials', { users: [{ name: 'root' }] })).results,
      ).toMatchObject([{ errorCode: ErrorCode.RESOURCE_NOT_FOUND }]);
    },
  );
});
