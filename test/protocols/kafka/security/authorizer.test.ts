/** Lists and rules together, against what the documentation says of them, asked of each by itself. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAcls } from '../../../../src/protocols/kafka/security/acls.ts';
import { createAuthorizer } from '../../../../src/protocols/kafka/security/authorizer.ts';
import { createCommonRules } from '../../../../src/protocols/kafka/security/common-rules.ts';
import {
  Operation,
  PatternType,
  Permission,
  ResourceType,
} from '../../../../src/protocols/kafka/security/vocabulary.ts';
import type { Authorization } from '../../../../src/security/authorization/authorization.ts';
import { createAuthorization } from '../../../../src/security/authorization/authorization.ts';
import type { Action, Principal, Rule } from '../../../../src/security/security.ts';
import { userBench } from '../../../security/support.ts';
import { subject } from './support.ts';

const { Topic, Cluster, Group } = ResourceType;
const ACTION_OF = new Map<Operation, Action>([
  [Operation.Write, 'publish'],
  [Operation.Read, 'subscribe'],
  [Operation.Create, 'manage'],
  [Operation.Delete, 'manage'],
  [Operation.Alter, 'manage'],
  [Operation.AlterConfigs, 'manage'],
]);
const names = ['a', 'a.b', 'a.c', 'b'];

const ruleArb: fc.Arbitrary<Rule> = fc.record({
  effect: fc.constantFrom('allow', 'deny'),
  actions: fc.subarray<Action>(['publish', 'subscribe', 'manage'], { minLength: 1 }),
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
  filters: fc.subarray(['a', 'a/b', 'a/#', '+', '#', '${username}'], { minLength: 1, maxLength: 2 }),
});
const aclArb = fc.record({
  resourceType: fc.constant(Topic),
  resourceName: fc.constantFrom(...names, '*'),
  patternType: fc.constantFrom(PatternType.Literal, PatternType.Prefixed),
  principal: fc.constantFrom('User:a', 'User:*', 'User:x'),
  host: fc.constant('*'),
  operation: fc.constantFrom(Operation.All, ...ACTION_OF.keys()),
  permissionType: fc.constantFrom(Permission.Allow, Permission.Deny),
  tenant: fc.constant(''),
});
type Acl = typeof aclArb extends fc.Arbitrary<infer T> ? T : never;

/** undefined: none of them is about it. */
function listed(acls: readonly Acl[], principal: string, operation: Operation, name: string) {
  const mine = acls.filter(
    (acl) =>
      (acl.principal === principal || acl.principal === 'User:*') &&
      (acl.operation === Operation.All || acl.operation === operation) &&
      (acl.patternType === PatternType.Prefixed
        ? name.startsWith(acl.resourceName)
        : acl.resourceName === '*' || acl.resourceName === name),
  );
  if (mine.some(({ permissionType }) => permissionType === Permission.Deny)) return false;
  return mine.length > 0 ? true : undefined;
}

function ruled(authorization: Authorization, who: Principal, action: Action, name: string) {
  const { isAllowed, reason } = authorization.decide(who, action, name.replaceAll('.', '/'));
  return reason === 'no-match' ? undefined : isAllowed;
}

test('what either denies is refused, what either allows is allowed, and the rest is as the listener is', () => {
  const scenario = fc.record({
    rules: fc.array(ruleArb, { maxLength: 5 }),
    changed: fc.array(ruleArb, { maxLength: 5 }),
    lists: fc.option(fc.array(aclArb, { maxLength: 5 }), { nil: undefined }),
    isOpen: fc.boolean(),
  });
  fc.assert(
    fc.property(scenario, ({ rules, changed, lists, isOpen }) => {
      const configOf = (some: readonly Rule[]) =>
        ({ noMatch: 'deny', wideSubscriptions: 'refuse', rules: some }) as const;
      const { settings } = userBench();
      const authorization = createAuthorization({
        config: configOf(rules),
        settings,
        isOpenListener: () => false,
      });
      const acls = lists === undefined ? undefined : createAcls({ superUsers: [] });
      lists?.forEach((acl, i) => void acls?.set(String(i), acl));
      let forget = (): void => {};
      const common = createCommonRules({
        authorization: {
          ...authorization,
          onChange(listener) {
            forget = listener;
            return () => {};
          },
        },
        isOpen: () => isOpen,
      });
      const authorizer = createAuthorizer(acls, common);
      const who = subject('User:a', '10.0.0.1');
      const compare = (): void => {
        for (const name of names) {
          for (const [operation, action] of ACTION_OF) {
            const answers = [
              lists === undefined ? undefined : listed(lists, 'User:a', operation, name),
              who.identity && ruled(authorization, who.identity, action, name),
            ];
            const expected = answers.includes(false)
              ? false
              : answers.includes(true) || (lists === undefined && isOpen);
            expect([name, operation, authorizer.allows(who, operation, Topic, name)]).toEqual([
              name,
              operation,
              expected,
            ]);
          }
        }
      };
      compare();
      authorization.reload(configOf(changed));
      forget();
      compare();
    }),
    { numRuns: Number(process.env.ROBUSTMQ_RUNS ?? 200) },
  );
});

test('who is nobody yet may do nothing, and a superuser of the node everything that is not denied', () => {
  const { settings } = userBench();
  const authorization = createAuthorization({
    config: { noMatch: 'auto', wideSubscriptions: 'refuse', rules: [] },
    settings,
    isOpenListener: () => true,
  });
  const authorizer = createAuthorizer(undefined, createCommonRules({ authorization, isOpen: () => true }));
  const stranger = { principal: 'User:ANONYMOUS', remoteAddress: '10.0.0.1' };
  expect(authorizer.allows(stranger, Operation.Read, Topic, 'a')).toBe(false);
  expect(authorizer.allowsAny(stranger, Operation.Write, Topic)).toBe(false);
  expect(authorizer.denies(stranger, Operation.Read, Topic, 'a')).toBe(true);
  const strict = createAuthorizer(
    createAcls({ superUsers: [] }),
    createCommonRules({ authorization, isOpen: () => true }),
  );
  const root = subject('User:root', '10.0.0.1', { isSuperuser: true });
  const plain = subject('User:plain', '10.0.0.1');
  for (const [operation, type, name] of [
    [Operation.Write, Topic, 'a'],
    [Operation.Alter, Cluster, 'kafka-cluster'],
    [Operation.Read, Group, 'g'],
  ] as const) {
    expect(strict.allows(root, operation, type, name)).toBe(true);
    expect(strict.allows(plain, operation, type, name)).toBe(false);
  }
  expect(strict.allowsAny(root, Operation.Write, Topic)).toBe(true);
  expect(strict.allowsAny(plain, Operation.Write, Topic)).toBe(false);
});
