import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Acl,
  type AclFilter,
  type Acls,
  createAcls,
  passes,
} from '../../../../src/protocols/kafka/security/acls.ts';
import type { Subject } from '../../../../src/protocols/kafka/security/authorizer.ts';
import {
  allowedIn,
  bits,
  deniedIn,
  meaningfulOperations,
  Operation,
  PatternType,
  Permission,
  ResourceType,
} from '../../../../src/protocols/kafka/security/vocabulary.ts';
import { subject } from './support.ts';

const { Topic, Group } = ResourceType;
const names = ['a', 'ab', 'abc', 'b', '*'];
const principals = ['User:x', 'User:y', 'User:*'];
const hosts = ['1.1.1.1', '2.2.2.2', '*'];
const operations = Object.values(Operation).filter((operation) => operation > Operation.All);

const aclArb: fc.Arbitrary<Acl> = fc.record({
  resourceType: fc.constantFrom(Topic, Group),
  resourceName: fc.constantFrom(...names),
  patternType: fc.constantFrom(PatternType.Literal, PatternType.Prefixed),
  principal: fc.constantFrom(...principals),
  host: fc.constantFrom(...hosts),
  operation: fc.constantFrom(Operation.All, ...operations),
  permissionType: fc.constantFrom(Permission.Allow, Permission.Deny),
  tenant: fc.constantFrom('', 'acme'),
});

/** Rule by rule, operation by operation, as the documentation of Kafka says it in words. */
function modelAllows(
  acls: readonly Acl[],
  who: Subject,
  operation: number,
  type: number,
  name: string,
): boolean {
  const about = acls.filter(
    (acl) =>
      acl.tenant === (who.identity?.tenant ?? '') &&
      acl.resourceType === type &&
      (acl.patternType === PatternType.Prefixed
        ? name.startsWith(acl.resourceName)
        : acl.resourceName === '*' || acl.resourceName === name) &&
      (acl.principal === 'User:*' || acl.principal === who.principal) &&
      (acl.host === '*' || acl.host === who.remoteAddress),
  );
  const says = (acl: Acl, wanted: number): boolean =>
    acl.operation === Operation.All || acl.operation === wanted;
  if (about.some((acl) => acl.permissionType === Permission.Deny && says(acl, operation))) return false;
  const enough: number[] = [operation];
  if (operation === Operation.Describe) {
    enough.push(Operation.Read, Operation.Write, Operation.Delete, Operation.Alter);
  }
  if (operation === Operation.DescribeConfigs) enough.push(Operation.AlterConfigs);
  return about.some(
    (acl) => acl.permissionType === Permission.Allow && enough.some((wanted) => says(acl, wanted)),
  );
}

/** Where nothing but lists is asked. */
function allows(acls: Acls, subject: Subject, operation: Operation, type: ResourceType, name: string) {
  const said = acls.said(subject, type, name);
  return (allowedIn(said) & ~deniedIn(said) & bits(operation)) !== 0;
}

const changesArb = fc.array(fc.record({ acl: aclArb, isRemoval: fc.boolean() }), { maxLength: 30 });

describe('access control lists', () => {
  it('decide as the rules read one by one, whatever is remembered between changes', () => {
    fc.assert(
      fc.property(changesArb, (changes) => {
        const acls = createAcls({ superUsers: [] });
        const rules = new Map<string, Acl>();
        const subjects: Subject[] = ['User:x', 'User:z'].flatMap((principal) =>
          ['1.1.1.1', '3.3.3.3'].flatMap((remoteAddress) => [
            { principal, remoteAddress },
            subject(principal, remoteAddress, { tenant: 'acme' }),
          ]),
        );
        const compare = (): void => {
          for (const subject of subjects) {
            for (const operation of operations) {
              for (const name of ['a', 'abcd', 'b', 'c']) {
                const expected = modelAllows([...rules.values()], subject, operation, Topic, name);
                expect(allows(acls, subject, operation, Topic, name)).toBe(expected);
              }
            }
          }
        };
        for (const { acl, isRemoval } of changes) {
          const key = JSON.stringify(acl);
          if (isRemoval) {
            rules.delete(key);
            acls.delete(key);
          } else {
            rules.set(key, acl);
            acls.set(key, acl);
          }
          compare();
        }
        expect(acls.count).toBe(rules.size);
      }),
      { numRuns: 30 },
    );
  });

  it('know whether there is any name that somebody may do something with', () => {
    fc.assert(
      fc.property(fc.array(aclArb, { maxLength: 12 }), (list) => {
        const acls = createAcls({ superUsers: [] });
        for (const acl of list) acls.set(JSON.stringify(acl), acl);
        const who = { principal: 'User:x', remoteAddress: '1.1.1.1' };
        // Names that a rule allows, and one that only rules about everything reach.
        const candidates = [...names.slice(0, -1), 'abcX', 'abX', 'aX', 'bX', '*', '*X', 'zzz'];
        const expected = candidates.some((name) => modelAllows(list, who, Operation.Write, Topic, name));
        if (expected) expect(acls.allowsAny(who, Operation.Write, Topic)).toBe(true);
        const nothing = !list.some(
          (acl) => acl.permissionType === Permission.Allow && acl.resourceType === Topic,
        );
        if (nothing) expect(acls.allowsAny(who, Operation.Write, Topic)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('allow nothing without a rule, and everything to super users in spite of any', () => {
    const acls = createAcls({ superUsers: ['User:root'] });
    const root = { principal: 'User:root', remoteAddress: '1.1.1.1' };
    const x = { principal: 'User:x', remoteAddress: '1.1.1.1' };
    expect(allows(acls, x, Operation.Read, Topic, 'a')).toBe(false);
    expect(acls.allowsAny(x, Operation.Read, Topic)).toBe(false);
    acls.set('deny', {
      resourceType: Topic,
      resourceName: '*',
      patternType: PatternType.Literal,
      principal: 'User:*',
      host: '*',
      operation: Operation.All,
      permissionType: Permission.Deny,
      tenant: '',
    });
    expect(allows(acls, root, Operation.Read, Topic, 'a')).toBe(true);
    expect(acls.allowsAny(root, Operation.Read, Topic)).toBe(true);
    expect(meaningfulOperations(Topic) & allowedIn(acls.said(root, Topic, 'a'))).toBe(0b1101_1111_1000);
  });

  it('follow a connection whose principal becomes another', () => {
    const acls = createAcls({ superUsers: [] });
    acls.set('x', {
      resourceType: Topic,
      resourceName: 'a',
      patternType: PatternType.Literal,
      principal: 'User:x',
      host: '*',
      operation: Operation.Read,
      permissionType: Permission.Allow,
      tenant: '',
    });
    const connection = { principal: 'User:ANONYMOUS', remoteAddress: '1.1.1.1' };
    expect(allows(acls, connection, Operation.Read, Topic, 'a')).toBe(false);
    connection.principal = 'User:x';
    expect(allows(acls, connection, Operation.Read, Topic, 'a')).toBe(true);
  });

  it('stay right when more is remembered than there is room for', () => {
    const acls = createAcls({ superUsers: [] });
    acls.set('x', {
      resourceType: Topic,
      resourceName: 't1',
      patternType: PatternType.Prefixed,
      principal: 'User:*',
      host: '*',
      operation: Operation.Read,
      permissionType: Permission.Allow,
      tenant: '',
    });
    for (let i = 0; i < 70_000; i++) {
      const who = { principal: `User:${i % 5000}`, remoteAddress: '1.1.1.1' };
      const isAllowed = allows(acls, who, Operation.Read, Topic, `t${i}`);
      if (isAllowed !== `${i}`.startsWith('1')) throw new Error(`t${i}`);
    }
  });

  it('are found by filters: by what they are, by name, or by what concerns a name', () => {
    const any: AclFilter = {
      resourceType: 1,
      resourceName: null,
      patternType: 1,
      principal: null,
      host: null,
      operation: 1,
      permissionType: 1,
      tenant: '',
    };
    const acl = (resourceName: string, patternType: number): Acl => ({
      resourceType: Topic,
      resourceName,
      patternType,
      principal: 'User:x',
      host: '*',
      operation: Operation.Read,
      permissionType: Permission.Allow,
      tenant: '',
    });
    const all = [acl('ab', 3), acl('a', 4), acl('*', 3), acl('b', 4), acl('abc', 3)];
    const found = (filter: Partial<AclFilter>): number[] =>
      all.flatMap((each, i) => (passes({ ...any, ...filter }, each) ? [i] : []));
    expect(found({})).toEqual([0, 1, 2, 3, 4]);
    expect(found({ resourceName: 'ab', patternType: PatternType.Match })).toEqual([0, 1, 2]);
    expect(found({ resourceName: 'ab', patternType: PatternType.Literal })).toEqual([0]);
    expect(found({ resourceName: 'a', patternType: PatternType.Any })).toEqual([1]);
    expect(found({ resourceName: 'ab', patternType: PatternType.Prefixed })).toEqual([]);
    expect(found({ patternType: PatternType.Prefixed })).toEqual([1, 3]);
    expect(found({ principal: 'User:y' })).toEqual([]);
    expect(found({ host: '*', operation: Operation.Read, permissionType: Permission.Allow })).toHaveLength(5);
    expect(found({ operation: Operation.Write })).toEqual([]);
    expect(found({ resourceType: Group })).toEqual([]);
  });
});
