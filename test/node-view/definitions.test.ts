/** Definitions out of one node and into another, as one document (item 47). */
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Answer, startViewed, type ViewedNode } from './support.ts';

const nodes: ViewedNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
});

async function start(
  settings: Readonly<Record<string, string | number | boolean>> = {},
): Promise<ViewedNode> {
  const node = await startViewed({
    'storage.engine': 'memory',
    'listeners.kafka.enabled': true,
    'listeners.kafka.port': 0,
    'kafka.security.authorization': 'acl',
    ...settings,
  });
  nodes.push(node);
  return node;
}

type Document = Record<string, unknown>;
type Lists = Record<string, Record<string, unknown>[]>;
const PASSWORD = 'a rather good one';
const ACL = {
  principal: 'User:anna',
  host: '*',
  resourceType: 'Topic',
  resourceName: 'orders',
  patternType: 'Prefixed',
  operation: 'Read',
  permission: 'Allow',
  tenant: '',
};
const QUOTA = { entity: { user: 'anna', clientId: null }, tenant: '', values: { producer_byte_rate: 1000 } };

async function done(answer: Promise<Answer>): Promise<Record<string, unknown>> {
  const { status, body } = await answer;
  expect([status, body]).toMatchObject([status < 300 ? status : 'below 300', {}]);
  return body;
}

async function filled(): Promise<ViewedNode> {
  const node = await start();
  await done(
    node.post('/roles', {
      name: 'pickers',
      rules: [{ effect: 'allow', actions: ['publish'], filters: ['a/#'] }],
    }),
  );
  for (const name of ['berta', 'anna']) {
    await done(node.post('/users', { name, password: PASSWORD, roles: ['pickers', 'viewer'] }));
  }
  await done(node.post('/keys', { owner: 'anna', description: 'for scripts', scopes: ['status:read'] }));
  await done(node.post('/bans', { kind: 'network', value: '10.1.2.3/16', reason: 'noise' }));
  await done(node.post('/topics', { name: 'orders', partitions: 3, configs: ['retention.ms=60000'] }));
  const document = { ...(await exported(node)), kafkaAcls: [ACL], kafkaQuotas: [QUOTA] };
  await done(taken(node, document));
  return node;
}

const exported = async (node: ViewedNode, query = ''): Promise<Document> =>
  done(node.get(`/definitions${query}`));
const taken = (node: ViewedNode, definitions: unknown, how: object = {}): Promise<Answer> =>
  node.post('/definitions:import', { definitions, ...how });
const listsOf = (document: Document): Lists =>
  Object.fromEntries(Object.entries(document).filter(([, each]) => Array.isArray(each))) as Lists;
const actions = ({ body }: Answer): string[] =>
  (body.steps as { section: string; name: string; action: string }[]).map(
    ({ section, name, action }) => `${action} ${section} ${name}`,
  );

/** Shared by those that change nothing. */
let full: Document | undefined;
let empty: ViewedNode | undefined;
afterAll(() => empty?.stop());

describe('definitions (item 47)', () => {
  it('go from one node to another, and come out of it as the same bytes', async () => {
    const old = await filled();
    const document = await exported(old);
    const lists = listsOf(document);
    expect(Object.fromEntries(Object.entries(lists).map(([name, items]) => [name, items.length]))).toEqual({
      users: 2,
      roles: 1,
      apiKeys: 1,
      bans: 1,
      kafkaAcls: 1,
      kafkaQuotas: 1,
      kafkaTopics: 1,
    });
    expect(lists.users?.map(({ name }) => name)).toEqual(['anna', 'berta']);
    expect(JSON.stringify(document)).not.toContain(PASSWORD);
    const other = await start();
    const report = await taken(other, document);
    expect(report).toMatchObject({ status: 200, body: { isApplied: true } });
    expect(new Set(actions(report).map((each) => each.split(' ')[0]))).toEqual(new Set(['create']));
    expect(JSON.stringify(await exported(other))).toBe(JSON.stringify(document));
    const anna = await other.node.security.users.checkPassword('anna', Buffer.from(PASSWORD));
    expect(anna).toBe('right');
    expect((await other.get('/topics/orders')).body).toMatchObject({ partitions: 3 });
    expect(other.node.kafka?.context.security.quotas.isEnabled).toBe(true);
    expect(other.node.kafka?.context.security.acls?.count).toBe(1);
    expect(new Set(actions(await taken(other, document)).map((each) => each.split(' ')[0]))).toEqual(
      new Set(['same']),
    );
  });

  it('are the sections that were asked for', async () => {
    const node = await filled();
    expect(Object.keys(await exported(node, '?only=roles,users'))).toEqual([
      'format',
      'version',
      'users',
      'roles',
    ]);
    expect(await node.get('/definitions?only=rolls')).toMatchObject({ status: 400 });
    const other = await start();
    const report = await taken(other, await exported(node), { only: 'roles' });
    expect(actions(report)).toEqual(['create roles pickers']);
    expect((await other.get('/users')).body.items).toEqual([]);
  });

  it('that differ are refused, left or replaced, as was said; a dry run says it and does nothing', async () => {
    const node = await filled();
    const document = await exported(node);
    const { roles, users } = listsOf(document);
    const changed = {
      ...document,
      roles: [{ ...roles?.[0], description: 'changed' }],
      users: [...(users ?? []), { ...users?.[0], name: 'clara' }],
      kafkaTopics: [{ name: 'orders', partitions: 5, configs: { 'retention.ms': '1' } }],
    };
    const refused = await taken(node, changed);
    expect(refused).toMatchObject({
      status: 409,
      body: { detail: expect.stringMatching(/roles "pickers": it is there/) },
    });
    expect(await exported(node)).toEqual(document);
    const dry = await taken(node, changed, { dryRun: true });
    expect(dry).toMatchObject({ status: 200, body: { isApplied: false } });
    expect(actions(dry).filter((each) => !each.startsWith('same'))).toEqual([
      'create users clara',
      'conflict roles pickers',
      'conflict kafkaTopics orders',
    ]);
    expect(await exported(node)).toEqual(document);
    expect(
      actions(await taken(node, changed, { onConflict: 'skip' })).filter((each) => !each.startsWith('same')),
    ).toEqual(['create users clara', 'skip roles pickers', 'skip kafkaTopics orders']);
    expect((await taken(node, changed, { onConflict: 'replace' })).status).toBe(200);
    const now = listsOf(await exported(node));
    expect(now.roles?.[0]?.description).toBe('changed');
    expect(now.kafkaTopics).toEqual([{ name: 'orders', partitions: 5, configs: { 'retention.ms': '1' } }]);
  });

  it.each<[string, (document: Document) => unknown, RegExp]>([
    ['no object', () => [], /must be an object/],
    ['another format', (d) => ({ ...d, format: 'rabbit' }), /definitions\.format must be/],
    ['another version', (d) => ({ ...d, version: 2 }), /version is 2, and this node knows 1/],
    ['an unknown section', (d) => ({ ...d, queues: [] }), /no field "queues"; there are users/],
    [
      'a prototype',
      (d) => JSON.parse(`{"__proto__":{"polluted":1},${JSON.stringify(d).slice(1)}`),
      /no field "__proto__"/,
    ],
    [
      'an unknown field',
      (d) => ({ ...d, roles: [{ name: 'r', description: '', scopes: [], rules: [], admin: true }] }),
      /definitions\.roles\[0\] has no field "admin"/,
    ],
    [
      'a rule that is none',
      (d) => ({ ...d, roles: [{ name: 'r', description: '', scopes: [], rules: [{ effect: 'perhaps' }] }] }),
      /definitions\.roles\[0\]\.rules: rule 0/,
    ],
    ['no list', (d) => ({ ...d, bans: { length: 1 } }), /definitions\.bans must be a list/],
    [
      'one thing twice',
      (d) => ({ ...d, users: [listsOf(d).users?.[0], listsOf(d).users?.[0]] }),
      /users\[1\] is there already, as definitions\.users\[0\]/,
    ],
    [
      'a password',
      (d) => ({ ...d, users: [{ ...listsOf(d).users?.[0], passwordHash: 'open sesame' }] }),
      /no PHC string/,
    ],
    [
      'a key of nobody',
      (d) => ({ ...d, users: [], apiKeys: [{ ...listsOf(d).apiKeys?.[0], owner: 'nobody' }] }),
      /its owner "nobody" is no user/,
    ],
    [
      'a built-in role',
      (d) => ({ ...d, roles: [{ name: 'admin', description: '', scopes: [], rules: [] }] }),
      /built in/,
    ],
    [
      'a scope that is none',
      (d) => ({ ...d, roles: [{ name: 'r', description: '', scopes: ['all'], rules: [] }] }),
      /is not a scope/,
    ],
    [
      'a topic with a wrong name',
      (d) => ({ ...d, kafkaTopics: [{ name: 'a/b', partitions: 1, configs: {} }] }),
      /characters other than/,
    ],
    [
      'a configuration that is none',
      (d) => ({ ...d, kafkaTopics: [{ name: 'a', partitions: 1, configs: { color: 'red' } }] }),
      /no configuration color/,
    ],
    [
      'too many partitions',
      (d) => ({ ...d, kafkaTopics: [{ name: 'a', partitions: 1e9, configs: {} }] }),
      /partitions must be a whole number/,
    ],
    [
      'a quota of nobody',
      (d) => ({ ...d, kafkaQuotas: [{ entity: {}, tenant: '', values: { producer_byte_rate: 1 } }] }),
      /entity is empty/,
    ],
  ])('with %s are refused as a whole, and it is said where', async (_what, change, reason) => {
    if (empty === undefined) {
      empty = await start();
      nodes.splice(nodes.indexOf(empty), 1);
    }
    const node = empty;
    full ??= await exported(await filled());
    const document = full;
    const before = await exported(node);
    const answer = await taken(node, change(document), { onConflict: 'replace' });
    expect(String(answer.body.detail)).toMatch(reason);
    expect([400, 409]).toContain(answer.status);
    expect(await exported(node)).toEqual(before);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('of Kafka are refused where it is not served, and topics do not stay when the rest is refused', async () => {
    const document = await exported(await filled());
    const plain = await start({ 'listeners.kafka.enabled': false });
    expect((await taken(plain, document)).body.detail).toMatch(/kafkaAcls: this node does not serve Kafka/);
    const { kafkaAcls: _, kafkaQuotas: __, kafkaTopics: ___, ...others } = document;
    expect((await taken(plain, others)).status).toBe(200);
    const other = await start();
    const { settings } = other.node.security;
    const fits = settings.fits;
    Object.assign(settings, { fits: () => false });
    expect((await taken(other, document)).body).toMatchObject({
      detail: expect.stringMatching(/no room/),
    });
    Object.assign(settings, { fits });
    expect((await other.get('/topics/orders')).status).toBe(404);
  });

  it('leave no hash in the audit log, and bodies have a bound', async () => {
    const node = await startViewed({ 'listeners.kafka.enabled': false });
    nodes.push(node);
    await done(node.post('/users', { name: 'anna', password: PASSWORD }));
    const document = await exported(node);
    const { passwordHash } = listsOf(document).users?.[0] ?? {};
    await taken(node, document);
    const audit = JSON.stringify((await node.get('/audit')).body);
    expect(audit).toContain('definitions.import');
    expect(audit).toContain('definitions.export');
    expect(audit).not.toContain(String(passwordHash));
    const bans = Array.from({ length: 3000 }, (_, i) => ({
      kind: 'client',
      value: `client ${i}`,
      tenant: null,
      reason: 'x'.repeat(400),
      by: '',
      createdAtMs: 0,
      expiresAtMs: null,
    }));
    expect((await taken(node, { ...document, bans })).status).toBe(200);
    expect(listsOf(await exported(node)).bans?.length).toBe(3000);
    const tooLarge = { ...document, roles: [{ description: 'x'.repeat(17 * 1024 * 1024) }] };
    // Whoever goes on writing so much is not heard out.
    const answer = await taken(node, tooLarge).catch(() => undefined);
    expect(answer?.status ?? 413).toBe(413);
  });
});
