import { describe, expect, it } from 'vitest';
import { ChangeRefused } from '../../../../src/kernel/state/errors.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { aclHandlers } from '../../../../src/protocols/kafka/security/acl-requests.ts';
import type { Subject } from '../../../../src/protocols/kafka/security/authorizer.ts';
import { CLUSTER, Operation, ResourceType } from '../../../../src/protocols/kafka/security/vocabulary.ts';
import { admin, bench, nobody, subject } from './support.ts';

const creation = {
  resourceType: ResourceType.Topic as number,
  resourceName: 'sales',
  resourcePatternType: 3,
  principal: 'User:x',
  host: '*',
  operation: Operation.Read as number,
  permissionType: 3,
};
const anything = {
  resourceTypeFilter: 1,
  resourceNameFilter: null,
  patternTypeFilter: 1,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1,
};
const x = subject('User:x', '10.0.0.9');

describe('requests about access control lists', () => {
  it('make rules that are in force, list them, and remove what filters find', async () => {
    const { kafka, ask } = bench(aclHandlers);
    const may = () => kafka.authorizer.allows(x, Operation.Read, ResourceType.Topic, 'sales');
    expect(may()).toBe(false);
    const made = await ask('createAcls', {
      creations: [creation, { ...creation, operation: Operation.Write }],
    });
    expect(made.results.map(({ errorCode }) => errorCode)).toEqual([0, 0]);
    expect(may()).toBe(true);
    await ask('createAcls', { creations: [creation] });
    const described = await ask('describeAcls', anything);
    expect(described.resources).toHaveLength(1);
    expect(described.resources[0]?.acls.map(({ operation }) => operation)).toEqual([
      Operation.Read,
      Operation.Write,
    ]);
    const removed = await ask('deleteAcls', {
      filters: [{ ...anything, operation: Operation.Read }, anything],
    });
    expect(removed.filterResults.map(({ matchingAcls }) => matchingAcls.length)).toEqual([1, 2]);
    expect(may()).toBe(false);
    expect((await ask('describeAcls', anything)).resources).toEqual([]);
  });

  it('are refused to who may not see or change the cluster', async () => {
    const { ask } = bench(aclHandlers);
    const { CLUSTER_AUTHORIZATION_FAILED: refused } = ErrorCode;
    expect((await ask('describeAcls', anything, nobody)).errorCode).toBe(refused);
    expect((await ask('createAcls', { creations: [creation] }, nobody)).results[0]?.errorCode).toBe(refused);
    expect((await ask('deleteAcls', { filters: [anything] }, nobody)).filterResults[0]?.errorCode).toBe(
      refused,
    );
    await ask('createAcls', {
      creations: [
        {
          ...creation,
          resourceType: ResourceType.Cluster,
          resourceName: CLUSTER,
          principal: nobody.principal,
          operation: Operation.Alter,
        },
      ],
    });
    expect((await ask('describeAcls', anything, nobody)).errorCode).toBe(0);
    expect((await ask('createAcls', { creations: [creation] }, nobody)).results[0]?.errorCode).toBe(0);
  });

  it('say that there are none where authorization is off', async () => {
    const { ask, kafka } = bench(aclHandlers, { authorization: 'none' });
    const { SECURITY_DISABLED } = ErrorCode;
    expect(kafka.authorizer.isEnabled).toBe(false);
    expect((await ask('describeAcls', anything)).errorCode).toBe(SECURITY_DISABLED);
    expect((await ask('createAcls', { creations: [creation] })).results[0]?.errorCode).toBe(
      SECURITY_DISABLED,
    );
    expect((await ask('deleteAcls', { filters: [anything] })).filterResults[0]?.errorCode).toBe(
      SECURITY_DISABLED,
    );
  });

  it.each([
    ['a type of resource that is none', { resourceType: 99 }],
    ['any resource', { resourceType: 1 }],
    ['a pattern that only filters have', { resourcePatternType: 2 }],
    ['an empty name', { resourceName: '' }],
    ['a name that is too long', { resourceName: 'n'.repeat(5000) }],
    ['a cluster of another name', { resourceType: ResourceType.Cluster, resourceName: 'mine' }],
    ['any operation', { operation: 1 }],
    ['an operation that is none', { operation: 100 }],
    ['any permission', { permissionType: 1 }],
    ['a principal without a type', { principal: 'x' }],
    ['a principal without a name', { principal: 'User:' }],
    ['an empty host', { host: '' }],
  ])('refuse a rule with %s, and take the others', async (_what, wrong) => {
    const { ask, kafka } = bench(aclHandlers);
    const { results } = await ask('createAcls', { creations: [{ ...creation, ...wrong }, creation] });
    expect(results.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.INVALID_REQUEST, 0]);
    expect(kafka.security.acls?.count).toBe(1);
  });

  it('refuse filters with elements that are unknown', async () => {
    const { ask } = bench(aclHandlers);
    for (const wrong of [
      { resourceTypeFilter: 0 },
      { patternTypeFilter: 9 },
      { operation: -1 },
      { permissionType: 0 },
    ]) {
      const filter = { ...anything, ...wrong };
      expect((await ask('describeAcls', filter)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
      const { filterResults } = await ask('deleteAcls', { filters: [filter] });
      expect(filterResults[0]).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST, matchingAcls: [] });
    }
  });

  it('say so when the journal does not take a rule', async () => {
    const { ask, log, kafka } = bench(aclHandlers);
    log.error = new ChangeRefused('full', 'no room');
    const { results } = await ask('createAcls', { creations: [creation] });
    expect(results[0]?.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(kafka.security.acls?.count).toBe(0);
  });
});

describe('access control lists of tenants', () => {
  const ofTenant = (name: string, tenant: string, isSuperuser = false) =>
    subject(`User:${name}`, '10.0.0.3', { tenant, isSuperuser });
  const ann = ofTenant('ann', 'acme', true);
  const bea = ofTenant('bea', 'beta', true);
  const every = { ...creation, resourceName: '*', principal: 'User:*' };

  it('are made by a superuser of the tenant, are about its names and users, and are seen by nobody else', async () => {
    const { ask, kafka } = bench(aclHandlers);
    expect((await ask('createAcls', { creations: [every] }, ann)).results[0]?.errorCode).toBe(0);
    const may = (who: Subject, name: string): boolean =>
      kafka.authorizer.allows(who, Operation.Read, ResourceType.Topic, name);
    const tim = ofTenant('tim', 'acme');
    expect(may(tim, '$tenant.acme.a')).toBe(true);
    expect(may(tim, '$tenant.beta.a')).toBe(false);
    expect(may(tim, 'a')).toBe(false);
    expect(may(ofTenant('tim', 'beta'), '$tenant.beta.a')).toBe(false);
    expect(may(nobody, 'a')).toBe(false);
    expect(may(nobody, '$tenant.acme.a')).toBe(false);
    const seen = async (who: Subject | undefined): Promise<number> =>
      (await ask('describeAcls', anything, who)).resources.length;
    expect([await seen(ann), await seen(bea), await seen(undefined)]).toEqual([1, 0, 0]);
    const deleted = async (who: Subject): Promise<number | undefined> =>
      (await ask('deleteAcls', { filters: [anything] }, who)).filterResults[0]?.matchingAcls.length;
    expect([await deleted(bea), await deleted(ann)]).toEqual([0, 1]);
    expect(may(tim, '$tenant.acme.a')).toBe(false);
  });

  it('do not reach a tenant from without, nor make somebody a superuser whose name the node knows', async () => {
    const { ask, kafka } = bench(aclHandlers);
    expect((await ask('createAcls', { creations: [every] })).results[0]?.errorCode).toBe(0);
    const reads = (who: Subject, type: ResourceType, name: string): boolean =>
      kafka.authorizer.allows(who, Operation.Read, type, name);
    expect(reads(nobody, ResourceType.Topic, 'a')).toBe(true);
    for (const name of ['admin', 'tim']) {
      const who = ofTenant(name, 'acme');
      expect(reads(who, ResourceType.Topic, '$tenant.acme.a')).toBe(false);
      expect(reads(who, ResourceType.Group, 'acme\0g')).toBe(false);
      expect((await ask('createAcls', { creations: [every] }, who)).results[0]?.errorCode).toBe(
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
      );
    }
    expect(reads(nobody, ResourceType.Topic, '$tenant.acme.a')).toBe(false);
    expect(reads(admin, ResourceType.Group, 'acme\0g')).toBe(false);
  });
});
