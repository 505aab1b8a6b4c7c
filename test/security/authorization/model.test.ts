import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Action, Principal, Rule } from '../../../src/security/security.ts';
import { naiveMatch } from '../../kernel/topic-model.ts';
import { principal } from '../principals.ts';
import { authorizationOf, placeholder } from './fixture.ts';

const ACTIONS: readonly Action[] = ['publish', 'subscribe', 'manage'];
const LEVELS = ['a', 'b', '', '$x', 'ann'];
const PLACEHOLDERS = ['username', 'clientid', 'certname', 'tenant'];

const level = fc.constantFrom(...LEVELS);
const topicArb = fc
  .array(level, { minLength: 1, maxLength: 3 })
  .map((levels) => levels.join('/'))
  .filter((topic) => topic !== '');
const filterArb = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 3 }), fc.boolean())
  .map(([levels, hasRest]) => [...levels, ...(hasRest ? ['#'] : [])].join('/'))
  .filter((filter) => filter !== '');
const ruleFilterArb = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 3, arbitrary: level },
        fc.constant('+'),
        fc.constantFrom(...PLACEHOLDERS.map(placeholder)),
      ),
      {
        maxLength: 3,
      },
    ),
    fc.boolean(),
  )
  .map(([levels, hasRest]) => [...levels, ...(hasRest ? ['#'] : [])].join('/'))
  .filter((filter) => filter !== '');
/** Rarely there: a rule with many conditions fits nobody. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const some = <T>(...values: T[]): fc.Arbitrary<T[] | undefined> =>
  seldom(fc.subarray(values, { minLength: 1 }));

const ruleArb: fc.Arbitrary<Rule> = fc
  .record({
    effect: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
    actions: fc.subarray([...ACTIONS], { minLength: 1 }),
    filters: fc.array(ruleFilterArb, { minLength: 1, maxLength: 2 }),
    users: some('ann', 'bob', '$x'),
    clientIds: some('a', 'b'),
    roles: some('red', 'blue'),
    tenants: some('', 'acme'),
    isAnonymous: seldom(fc.boolean()),
    protocols: some('mqtt' as const, 'kafka' as const),
    networks: some('10.0.0.0/8', '192.0.2.1'),
  })
  .map(
    (all) =>
      Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as Rule,
  );

const principalArb: fc.Arbitrary<Principal> = fc
  .record({
    userName: fc.constantFrom(undefined, 'ann', 'bob', '$x', 'a/b', '+', ''),
    clientId: fc.constantFrom('a', 'b', '#', '$x'),
    certificateName: fc.constantFrom(undefined, 'a', 'x+y'),
    tenant: fc.constantFrom('', 'acme'),
    roles: fc.subarray(['red', 'blue']),
    protocol: fc.constantFrom('mqtt' as const, 'kafka' as const),
    remoteAddress: fc.constantFrom('10.1.2.3', '192.0.2.1', '::ffff:10.1.2.3'),
    rules: fc.array(ruleArb, { maxLength: 2 }),
  })
  .map(principal);

/** Somebody, and others who are like that but for one thing. */
const peopleArb = fc
  .tuple(
    principalArb,
    fc.array(
      fc.tuple(
        principalArb,
        fc.constantFrom(
          'userName',
          'clientId',
          'certificateName',
          'tenant',
          'roles',
          'protocol',
          'remoteAddress',
          'rules',
        ),
      ),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([first, others]) => [
    first,
    ...others.map(([other, key]) => ({ ...first, [key]: other[key as keyof Principal] })),
  ]);

const UNIVERSE = LEVELS.flatMap((a) => [
  a,
  ...LEVELS.flatMap((b) => [`${a}/${b}`, ...LEVELS.map((c) => `${a}/${b}/${c}`)]),
]).filter((topic) => topic !== '');

const isIn = <T>(list: readonly T[] | undefined, value: T | undefined): boolean =>
  list === undefined || (value !== undefined && list.includes(value));

function isAbout(rule: Rule, who: Principal, action: Action): boolean {
  const isTen = /^(?:::ffff:)?10\./.test(who.remoteAddress);
  return (
    rule.actions.includes(action) &&
    isIn(rule.users, who.userName) &&
    isIn(rule.clientIds, who.clientId) &&
    isIn(rule.tenants, who.tenant) &&
    isIn(rule.protocols, who.protocol) &&
    (rule.roles === undefined || rule.roles.some((role) => who.roles.includes(role))) &&
    (rule.isAnonymous === undefined || rule.isAnonymous === (who.userName === undefined)) &&
    (rule.networks === undefined || rule.networks.includes(isTen ? '10.0.0.0/8' : who.remoteAddress))
  );
}

/** The filter with what the principal is called in it; undefined where that makes no filter. */
function meant(filter: string, who: Principal, effect: Rule['effect']): string | undefined {
  const values = [who.userName, who.clientId, who.certificateName, who.tenant];
  const levels = filter.split('/').map((each, index) => {
    const at = PLACEHOLDERS.map(placeholder).indexOf(each);
    if (at < 0) return each;
    const value = values[at];
    if (value === undefined || value === '' || /[/+#]/.test(value)) return undefined;
    return effect === 'allow' && index === 0 && value.startsWith('$') ? undefined : value;
  });
  return levels.includes(undefined) ? undefined : levels.join('/');
}

type NoMatch = 'deny' | 'allow';
const noMatchArb = fc.constantFrom<NoMatch>('deny', 'deny', 'allow');

function naive(
  rules: readonly Rule[],
  who: Principal,
  action: Action,
  topic: string,
  noMatch: NoMatch = 'deny',
): boolean {
  const fitting = (effect: Rule['effect']): boolean =>
    [...who.rules, ...rules].some(
      (rule) =>
        rule.effect === effect &&
        isAbout(rule, who, action) &&
        rule.filters.some((filter) => {
          const real = meant(filter, who, effect);
          return real !== undefined && naiveMatch(real, topic);
        }),
    );
  const isOpen = noMatch === 'allow' && !(action === 'publish' && topic.startsWith('$'));
  return (fitting('allow') || isOpen) && !fitting('deny');
}

const runs = { numRuns: Number(process.env.AUTHORIZATION_RUNS ?? 150) };

describe('authorization, against rules read one by one', () => {
  it('decides about topics as they do, also when it is asked again; what is denied is never allowed', () => {
    fc.assert(
      fc.property(
        fc.array(ruleArb, { maxLength: 8 }),
        peopleArb,
        fc.array(fc.tuple(fc.constantFrom(...ACTIONS), topicArb), { minLength: 1, maxLength: 12 }),
        noMatchArb,
        (rules, people, questions, noMatch) => {
          const authorization = authorizationOf(rules, { noMatch });
          const wrong = people.flatMap((who) =>
            [...questions, ...questions].filter(([action, topic]) => {
              const expected = naive(rules, who, action, topic, noMatch);
              const answers = [authorization.decide(who, action, topic).isAllowed];
              if (action === 'publish') answers.push(authorization.mayPublish(who, Buffer.from(topic)));
              if (action === 'subscribe') answers.push(authorization.mayReceive(who, topic));
              return answers.includes(!expected);
            }),
          );
          expect(wrong).toEqual([]);
        },
      ),
      runs,
    );
  });

  it('grants of filters what may be received: all, some of it, or nothing', () => {
    fc.assert(
      fc.property(
        fc.array(ruleArb, { maxLength: 8 }),
        principalArb,
        filterArb,
        fc.constantFrom('refuse' as const, 'narrow' as const),
        noMatchArb,
        (rules, who, filter, wideSubscriptions, noMatch) => {
          const authorization = authorizationOf(rules, { wideSubscriptions, noMatch });
          const receivable = UNIVERSE.filter((topic) => naiveMatch(filter, topic)).map((topic) =>
            naive(rules, who, 'subscribe', topic, noMatch),
          );
          const granted = authorization.maySubscribe(who, filter);
          const { reason } = authorization.decide(who, 'subscribe', filter, true);
          if (granted === true) expect(receivable).not.toContain(false);
          if (granted === false && reason !== 'too-wide') expect(receivable).not.toContain(true);
          if (wideSubscriptions === 'narrow') expect(reason === 'too-wide' && granted === false).toBe(false);
          expect(authorization.hasDenialsWithin(who, filter)).toBe(granted !== true);
        },
      ),
      runs,
    );
  });

  it('gives one class to publishers for whom all is the same, and only to them', () => {
    fc.assert(
      fc.property(fc.array(ruleArb, { maxLength: 6 }), peopleArb, (rules, people) => {
        const authorization = authorizationOf(rules);
        const decisions = people.map((who) =>
          UNIVERSE.map((topic) => Number(authorization.mayPublish(who, topic))).join(''),
        );
        const classes = people.map((who) => authorization.publisherClass(who));
        classes.forEach((own, i) => {
          classes.forEach((other, j) => {
            if (own === other) expect(decisions[i]).toBe(decisions[j]);
          });
        });
      }),
      { numRuns: Math.ceil(runs.numRuns / 4) },
    );
  });

  it('explains each rule as it is alone', () => {
    fc.assert(
      fc.property(
        fc.array(ruleArb, { maxLength: 8 }),
        principalArb,
        fc.constantFrom(...ACTIONS),
        topicArb,
        (rules, who, action, topic) => {
          const { decision, considered } = authorizationOf(rules).explain(who, action, topic);
          expect(considered.length).toBeGreaterThanOrEqual(rules.length + who.rules.length);
          const fitting = considered.filter(({ isFitting }) => isFitting).map(({ rule }) => rule.effect);
          expect(decision.isAllowed).toBe(fitting.includes('allow') && !fitting.includes('deny'));
          if (decision.rule !== undefined) {
            const first = considered.find(
              ({ rule, isFitting }) => isFitting && rule.effect === decision.rule?.effect,
            );
            expect(first?.rule).toEqual(decision.rule);
          }
        },
      ),
      runs,
    );
  });
});
