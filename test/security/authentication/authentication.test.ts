import { describe, expect, it } from 'vitest';
import {
  type Authentication,
  createAuthentication,
  type ListenerAuthentication,
} from '../../../src/security/authentication/authentication.ts';
import {
  type Answer,
  type Authenticator,
  letIn,
  notMine,
  refuse,
} from '../../../src/security/authentication/authenticator.ts';
import { createDatabaseAuthenticator } from '../../../src/security/authentication/database.ts';
import { Secret } from '../../../src/security/secret.ts';
import { scramClient } from '../scram/client.ts';
import { attempt, bytes, userBench, withPassword } from '../support.ts';

type Says = Answer | Promise<Answer> | (() => Answer | Promise<Answer>);
const named = (name: string, says: Says): Authenticator & { asked: number } => ({
  name,
  asked: 0,
  authenticate() {
    this.asked++;
    return typeof says === 'function' ? says() : says;
  },
});

function setUp(
  authenticators: readonly Authenticator[],
  options: Partial<ListenerAuthentication> = {},
  bench = userBench(),
) {
  const logged: object[] = [];
  const note = (fields: object): void => void logged.push(fields);
  const authentication: Authentication = createAuthentication({
    listeners: new Map([
      ['mqtt', { authenticators, isAnonymousAllowed: false, hasScram: false, ...options }],
    ]),
    users: bench.users,
    timeoutMs: 5000,
    maxPending: 3,
    clock: bench.clock,
    log: { info: note, warn: note },
  });
  return { ...bench, authentication, logged };
}
const refused = (refusal: string) => ({ isLetIn: false, refusal });
const alice = withPassword('alice', 'wonderland');

describe('a chain of authenticators', () => {
  it('asks one after the other until one knows the client', async () => {
    const first = named('first', notMine);
    const second = named('second', letIn({ userName: 'alice', tenant: 'acme', roles: ['r'] }));
    const third = named('third', letIn({ userName: 'bob' }));
    const { authentication } = setUp([first, second, third]);
    expect(await authentication.authenticate(alice)).toEqual({
      isLetIn: true,
      principal: {
        tenant: 'acme',
        userName: 'alice',
        clientId: 'client',
        certificateName: undefined,
        roles: ['r'],
        rules: [],
        isSuperuser: false,
        protocol: 'mqtt',
        listener: 'mqtt',
        remoteAddress: '10.0.0.1',
        expiresAtMs: undefined,
      },
    });
    expect([first.asked, second.asked, third.asked]).toEqual([1, 1, 0]);
    expect(authentication.statistics).toMatchObject({ letIn: 1, pending: 0 });
  });

  it('ends with a refusal of any of them, and with one behind the last', async () => {
    const last = named('last', letIn({ userName: 'alice' }));
    const { authentication } = setUp([named('first', refuse('bad-credentials', 'no')), last]);
    expect(await authentication.authenticate(alice)).toEqual(refused('bad-credentials'));
    expect(last.asked).toBe(0);
    const nobody = setUp([named('only', notMine)]).authentication;
    expect(await nobody.authenticate(alice)).toEqual(refused('bad-credentials'));
    expect(await nobody.authenticate(attempt())).toEqual(refused('not-authorized'));
  });

  it.each<[string, Says]>([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
    ['rejects with nothing', () => Promise.reject(undefined)],
  ])('ops 34: refuses when one of them %s, and asks nobody else', async (_what, says) => {
    const next = named('next', letIn({ userName: 'alice' }));
    const { authentication, logged } = setUp([named('broken', says), next], { isAnonymousAllowed: true });
    expect(await authentication.authenticate(alice)).toEqual(refused('unavailable'));
    expect(await authentication.authenticate(attempt())).toEqual(refused('unavailable'));
    expect(next.asked).toBe(0);
    expect(logged).toHaveLength(2);
    expect(authentication.statistics.refused.unavailable).toBe(2);
  });

  it('ops 34: refuses after five seconds when one of them does not answer, and tells it to stop', async () => {
    let signal: AbortSignal | undefined;
    const slow: Authenticator = {
      name: 'slow',
      authenticate: (_attempt, given) => {
        signal = given;
        return new Promise(() => {});
      },
    };
    const next = named('next', letIn({ userName: 'alice' }));
    const { authentication, clock } = setUp([slow, next]);
    const verdict = authentication.authenticate(alice);
    await clock.advance(4999);
    expect(signal?.aborted).toBe(false);
    await clock.advance(1);
    expect(await verdict).toEqual(refused('unavailable'));
    expect(signal?.aborted).toBe(true);
    expect(next.asked).toBe(0);
  });

  it('ops 34: decides about a bounded number at once, and the next is told that it is busy', async () => {
    let release = (): void => {};
    const answer = new Promise<Answer>((resolve) => {
      release = () => resolve(letIn({ userName: 'alice' }));
    });
    const { authentication } = setUp([named('slow', answer)]);
    const waiting = [1, 2, 3].map(() => authentication.authenticate(alice));
    expect(await authentication.authenticate(alice)).toEqual(refused('busy'));
    expect(authentication.statistics.pending).toBe(3);
    release();
    for (const verdict of await Promise.all(waiting)) expect(verdict.isLetIn).toBe(true);
    expect((await authentication.authenticate(alice)).isLetIn).toBe(true);
  });

  it('lets in nobody whose credential has ended, or whose user is disabled', async () => {
    const bench = userBench();
    await bench.users.create({ name: 'alice', isDisabled: true });
    await bench.users.create({ name: 'bob', tenant: 'acme', isDisabled: true });
    const by = (fields: Parameters<typeof letIn>[0]) =>
      setUp([named('token', letIn(fields))], {}, bench).authentication.authenticate(alice);
    const nowMs = bench.clock.wallMs();
    expect(await by({ userName: 'eve', expiresAtMs: nowMs })).toEqual(refused('bad-credentials'));
    expect(await by({ userName: 'eve', expiresAtMs: nowMs + 1 })).toMatchObject({
      principal: { expiresAtMs: nowMs + 1 },
    });
    expect(await by({ userName: 'alice' })).toEqual(refused('bad-credentials'));
    expect(await by({ userName: 'bob', tenant: 'acme' })).toEqual(refused('bad-credentials'));
    // Another tenant's bob is somebody else.
    expect((await by({ userName: 'bob', tenant: 'other' })).isLetIn).toBe(true);
  });
});

describe('ops 33: clients that show nothing', () => {
  const known = named('known', notMine);

  it('are let in as nobody where the listener says so, and nowhere else', async () => {
    const { authentication } = setUp([known], { isAnonymousAllowed: true });
    expect(await authentication.authenticate(attempt())).toMatchObject({
      principal: { userName: undefined, roles: [], isSuperuser: false },
    });
    expect(await authentication.authenticate(attempt({ userName: '', password: bytes('') }))).toMatchObject({
      isLetIn: true,
    });
    expect(await setUp([known]).authentication.authenticate(attempt())).toEqual(refused('not-authorized'));
  });

  it('are not those that show something that nobody knows', async () => {
    const { authentication } = setUp([known], { isAnonymousAllowed: true });
    for (const some of [alice, attempt({ userName: 'alice' }), attempt({ password: bytes('x') })]) {
      expect(await authentication.authenticate(some)).toEqual(refused('bad-credentials'));
    }
  });

  it('are all that come to a listener that asks nobody, whatever name they give: it is not theirs', async () => {
    const { authentication } = setUp([], { isAnonymousAllowed: true });
    expect(await authentication.authenticate(alice)).toMatchObject({
      isLetIn: true,
      principal: { userName: undefined },
    });
    expect(await setUp([]).authentication.authenticate(alice)).toEqual(refused('bad-credentials'));
  });

  it('are refused at a listener that is not known', async () => {
    const { authentication } = setUp([], { isAnonymousAllowed: true });
    expect(await authentication.authenticate(attempt({ listener: 'http' }))).toEqual(
      refused('not-authorized'),
    );
    expect(await authentication.authenticate(attempt({ listener: '__proto__' }))).toEqual(
      refused('not-authorized'),
    );
  });
});

describe('ops 29: the user database in the chain', () => {
  async function database() {
    const bench = userBench();
    await bench.users.create({ name: 'alice', password: new Secret('wonderland'), roles: ['r'] });
    return setUp([createDatabaseAuthenticator(bench.users)], {}, bench);
  }

  it('lets in by name and password', async () => {
    const { authentication } = await database();
    expect(await authentication.authenticate(alice)).toMatchObject({
      isLetIn: true,
      principal: { userName: 'alice', roles: ['r'] },
    });
  });

  it.each([
    ['a wrong password', withPassword('alice', 'wonderlands')],
    ['a user that there is not', withPassword('eve', 'wonderland')],
    ['an empty password', withPassword('alice', '')],
    ['no password', attempt({ userName: 'alice' })],
    ['no name', attempt({ password: bytes('wonderland') })],
    ['a NUL in the name', withPassword('alice\0', 'wonderland')],
    ['64 KiB of password', withPassword('alice', 'x'.repeat(65_536))],
    ['another spelling of the name', withPassword('Alice', 'wonderland')],
    ['a space behind the password', withPassword('alice', 'wonderland ')],
    ['a password that is no text', attempt({ userName: 'alice', password: Uint8Array.of(0xff, 0xfe) })],
    ['a name of every object', withPassword('__proto__', 'wonderland')],
  ])('refuses %s in the same way', async (_what, wrong) => {
    const { authentication } = await database();
    expect(await authentication.authenticate(wrong)).toEqual(refused('bad-credentials'));
  });

  it('tells letters that look the same apart', async () => {
    const bench = userBench();
    await bench.users.create({ name: 'zoë', password: new Secret('caf\u00e9 cr\u00e8me') });
    const { authentication } = setUp([createDatabaseAuthenticator(bench.users)], {}, bench);
    const composed = withPassword('zo\u00eb', 'caf\u00e9 cr\u00e8me');
    const decomposed = withPassword('zo\u00eb', 'cafe\u0301 cre\u0300me');
    expect((await authentication.authenticate(composed)).isLetIn).toBe(true);
    expect(await authentication.authenticate(decomposed)).toEqual(refused('bad-credentials'));
  });

  it('hashes nothing of what is too long, also for somebody who is there', async () => {
    const { authentication, passwords } = await database();
    let checks = 0;
    const { check } = passwords;
    Object.assign(passwords, { check: (...all: Parameters<typeof check>) => ++checks && check(...all) });
    await authentication.authenticate(withPassword('alice', 'x'.repeat(513)));
    await authentication.authenticate(withPassword('eve', 'x'.repeat(513)));
    expect(checks).toBe(0);
    await authentication.authenticate(withPassword('alice', 'x'.repeat(512)));
    await authentication.authenticate(withPassword('eve', 'x'.repeat(512)));
    expect(checks).toBe(2);
  });

  it('logs no password and no name, and not more lines than can be read', async () => {
    const { authentication, logged, clock } = await database();
    for (let i = 0; i < 50; i++)
      await authentication.authenticate(withPassword('alice-secret-name', 'hunter2'));
    expect(logged).toHaveLength(10);
    await clock.advance(1000);
    await authentication.authenticate(withPassword('alice-secret-name', 'hunter2'));
    expect(logged.at(-1)).toMatchObject({ by: 'chain', notLogged: 40 });
    expect(JSON.stringify(logged)).not.toMatch(/hunter2|secret-name/);
  });
});

describe('SCRAM by steps', () => {
  async function withScram() {
    const bench = userBench();
    await bench.users.create({
      name: 'alice',
      password: new Secret('wonderland'),
      roles: ['r'],
      tenant: 'acme',
    });
    return setUp([], { hasScram: true }, bench);
  }
  type Begin = Parameters<Authentication['begin']>;
  async function logIn(
    { authentication }: { authentication: Authentication },
    [mechanism, from, current]: Begin,
    password = 'wonderland',
    user = 'alice',
  ) {
    const exchange = authentication.begin(mechanism, from, current);
    if (exchange === undefined) throw new Error('not offered');
    const client = scramClient(user, password, mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512');
    const step = await exchange(bytes(client.first));
    if (step.kind !== 'challenge') return step;
    return exchange(bytes(client.final(Buffer.from(step.data).toString())));
  }

  it('is offered where the listener has it', async () => {
    const bench = await withScram();
    expect(bench.authentication.mechanisms('mqtt')).toEqual(['SCRAM-SHA-256', 'SCRAM-SHA-512']);
    expect(bench.authentication.mechanisms('ws')).toEqual([]);
    expect(bench.authentication.begin('SCRAM-SHA-1', attempt())).toBeUndefined();
    expect(bench.authentication.begin('SCRAM-SHA-256', attempt({ listener: 'ws' }))).toBeUndefined();
  });

  it.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'])('lets in by %s, as the user is now', async (mechanism) => {
    const bench = await withScram();
    const step = await logIn(bench, [mechanism, attempt()]);
    expect(step).toMatchObject({
      kind: 'done',
      verdict: { isLetIn: true, principal: { userName: 'alice', roles: ['r'], tenant: 'acme' } },
    });
    expect((await logIn(bench, [mechanism, attempt()], 'wrong')).kind).toBe('done');
    expect(await logIn(bench, [mechanism, attempt()], 'wrong')).toMatchObject({
      data: undefined,
      verdict: refused('bad-credentials'),
    });
  });

  it('ops 33: refuses another name in CONNECT, and another user who logs in again', async () => {
    const bench = await withScram();
    await bench.users.create({ name: 'bob', password: new Secret('wonderland') });
    const verdict = async (...all: Begin) => {
      const step = await logIn(bench, all);
      return step.kind === 'done' ? step.verdict : undefined;
    };
    expect(await verdict('SCRAM-SHA-256', attempt({ userName: 'bob' }))).toEqual(refused('bad-credentials'));
    const first = await verdict('SCRAM-SHA-256', attempt({ userName: 'alice' }));
    if (first?.isLetIn !== true) throw new Error('refused');
    expect(await verdict('SCRAM-SHA-256', attempt(), first.principal)).toMatchObject({ isLetIn: true });
    const asBob = await logIn(bench, ['SCRAM-SHA-256', attempt(), first.principal], 'wonderland', 'bob');
    expect(asBob).toMatchObject({ verdict: refused('bad-credentials') });
  });

  it('refuses a user who was disabled between the steps', async () => {
    const bench = await withScram();
    const exchange = bench.authentication.begin('SCRAM-SHA-256', attempt());
    const client = scramClient('alice', 'wonderland', 'sha256');
    const step = await exchange?.(bytes(client.first));
    if (step?.kind !== 'challenge') throw new Error('no challenge');
    await bench.users.disable('alice');
    expect(await exchange?.(bytes(client.final(Buffer.from(step.data).toString())))).toMatchObject({
      verdict: refused('bad-credentials'),
    });
  });
});
