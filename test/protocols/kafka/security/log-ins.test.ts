/** Which mechanisms a chain of authenticators offers, what each of them shows to it, and what counts as a failure. */
import { describe, expect, it } from 'vitest';
import {
  createChainLogIns,
  createOwnLogIns,
  denied,
  guardedLogIns,
  type LogIns,
  principalOf,
  type Visitor,
} from '../../../../src/protocols/kafka/security/log-ins.ts';
import { createLogInThrottle } from '../../../../src/security/guard/log-in-throttle.ts';
import type { Attempt, Refusal, Verdict } from '../../../../src/security/security.ts';
import { userBench } from '../../../security/support.ts';
import { createManualClock } from '../../../support/manual-clock.ts';

const visitor: Visitor = {
  listener: 'kafka',
  remoteAddress: '10.0.0.1',
  clientId: 'c',
  transport: 'tcp',
  certificate: undefined,
};
const password = Buffer.from('secret');

function chainOf(authenticators: readonly string[], tokenFrom: 'password' | 'username' = 'password') {
  const attempts: Attempt[] = [];
  const { users } = userBench();
  const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const;
  const own = createOwnLogIns({ users, verifyToken: undefined, wallMs: () => 0, mechanisms });
  const logIns = createChainLogIns({
    authentication: {
      authenticate: async (attempt): Promise<Verdict> => {
        attempts.push(attempt);
        const { userName } = attempt;
        if (userName === 'bad') return { isLetIn: false, refusal: 'bad-credentials' };
        return { isLetIn: true, principal: principalOf(visitor, { userName }) };
      },
      begin: () => undefined,
    },
    authenticators,
    tokenFrom,
    own,
    hasOwnKeys: false,
  });
  return { attempts, logIns };
}

describe('a chain', () => {
  it.each([
    [['database'], ['PLAIN']],
    [['certificate'], []],
    [['scram'], ['SCRAM-SHA-256', 'SCRAM-SHA-512']],
    [
      ['certificate', 'jwt'],
      ['PLAIN', 'OAUTHBEARER'],
    ],
    [
      ['http', 'scram'],
      ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    ],
  ])('of %j offers %j', (authenticators, mechanisms) => {
    expect(chainOf(authenticators).logIns.mechanisms).toEqual(mechanisms);
  });

  it('is shown the token in the field in which it looks for it', async () => {
    for (const from of ['password', 'username'] as const) {
      const { attempts, logIns } = chainOf(['jwt'], from);
      await logIns.token(visitor, 'a.b.c');
      const shown = attempts.map((each) => [each.userName, each.password && String(each.password)]);
      expect(shown).toEqual([from === 'username' ? ['a.b.c', undefined] : [undefined, 'a.b.c']]);
    }
  });

  it('lets in nobody without a name, nor by a mechanism that it does not have', async () => {
    const { logIns } = chainOf(['jwt']);
    expect(await logIns.token(visitor, 'a.b.c')).toMatchObject({ refusal: 'bad-credentials' });
    const step = await logIns.scram(visitor, 'SCRAM-SHA-256')(Buffer.from('n,,n=a,r=b'));
    expect(step).toMatchObject({ kind: 'failure', refusal: 'bad-credentials' });
  });
});

function guarded(check: () => Promise<Refusal | undefined>) {
  const clock = createManualClock();
  const logInThrottle = createLogInThrottle(
    { maxFailures: 3, maxFailuresPerAddress: 100, windowMs: 1000, lockMs: 5000, maxTracked: 100 },
    clock,
  );
  let asked = 0;
  const password = async () => {
    asked++;
    const refusal = await check();
    return refusal === undefined
      ? { principal: principalOf(visitor, { userName: 'a' }) }
      : denied('why', refusal);
  };
  const logIns: LogIns = { mechanisms: [], password, token: password, scram: () => async () => never() };
  const guard = {
    logIns: logInThrottle,
    mayLogIn: (name: string | undefined, address: string) =>
      logInThrottle.waitMs(name, address) > 0 ? ('throttled' as const) : undefined,
  };
  return { clock, all: guardedLogIns(logIns, guard), asked: () => asked };
}
const never = (): never => {
  throw new Error('not asked');
};

describe('log-ins that fail', () => {
  it('count when the credentials are wrong, and not when nobody could look at them', async () => {
    for (const refusal of ['busy', 'unavailable', 'not-authorized'] as const) {
      const { all, asked } = guarded(async () => refusal);
      for (let i = 0; i < 10; i++) await all.password(visitor, 'a', password);
      expect([refusal, asked()]).toEqual([refusal, 10]);
    }
    const { all, asked, clock } = guarded(async () => 'bad-credentials');
    for (let i = 0; i < 10; i++) await all.password(visitor, 'a', password);
    expect(asked()).toBe(3);
    expect(await all.password(visitor, 'a', password)).toMatchObject({ refusal: 'throttled' });
    await clock.advance(5001);
    await all.password(visitor, 'a', password);
    expect(asked()).toBe(4);
  });

  it('come to no more when they are tried at once: the right one among them is refused too', async () => {
    const waiting: ((refusal: Refusal | undefined) => void)[] = [];
    const { all } = guarded(() => new Promise((resolve) => waiting.push(resolve)));
    const tried = Array.from({ length: 10 }, () => all.password(visitor, 'a', password));
    waiting.forEach((answer, i) => {
      answer(i === 9 ? undefined : 'bad-credentials');
    });
    expect((await Promise.all(tried)).at(-1)).toMatchObject({ refusal: 'throttled' });
  });
});
