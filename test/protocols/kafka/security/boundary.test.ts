/** Nothing that names something crosses between tenants, in any field of any message; a field that is new has to be decided about. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type Api, Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import { ConfigResource } from '../../../../src/protocols/kafka/messages/configs.ts';
import type { Definition } from '../../../../src/protocols/kafka/schema/fields.ts';
import type { Message } from '../../../../src/protocols/kafka/schema/message.ts';
import { bounded, createBoundary } from '../../../../src/protocols/kafka/security/boundary.ts';
import type { Topic, TopicChange } from '../../../../src/protocols/kafka/topics/topics.ts';
import { tenantOf } from '../../../../src/security/tenants/tenants.ts';
import { valuesOf } from '../support/arbitrary.ts';

/** Why a text, an identifier or bytes are not mapped. */
const NO_NAMES: readonly (readonly [why: string, paths: RegExp])[] = [
  ['within a group', /(^|\.)(memberId|groupInstanceId|instanceId|leader|clientId|clientHost)$/],
  ['where brokers are', /^(host|\w+\.host|\w+\.rack|(groups\.members\.)?rackId|clusterId|results\.logDir)$/],
  ['a directory', /^topics\.partitions\.replicaDirectoryId$/],
  ['what clients say to each other', /(^|\.)(committedMetadata|metadata|memberMetadata|reason)$/],
  ['what members get', /(^|\.)(memberAssignment|assignment)$/],
  [
    'one of a few words',
    /(^|\.)(protocolType|protocolName|protocolData|groupState|groupType|transactionState)$/,
  ],
  [
    'one of a few words',
    /^(statesFilter|typesFilter|stateFilters|unknownStateFilters|groups\.assignorName)$/,
  ],
  ['one of a few words', /^(serverAssignor|protocols\.name|mechanisms?|clientSoftware(Name|Version))$/],
  [
    'a feature',
    /^(supportedFeatures\.name|finalizedFeatures\.name|featureUpdates\.feature|results\.feature)$/,
  ],
  [
    'a setting; topics in values are of the same tenant',
    /^(topics|results|resources)\.configs\.(synonyms\.)?(name|value)$/,
  ],
  ['a setting', /^(resources\.configurationKeys|results\.configs\.documentation)$/],
  ['a secret', /^(authBytes|upsertions\.salt|upsertions\.saltedPassword)$/],
  ['rules are kept by tenant, with names as written', /^(resources|creations)\.resourceName$/],
  [
    'rules are kept by tenant',
    /^(filters\.)?(resourceNameFilter|principalFilter|hostFilter)$|^filterResults\.matchingAcls\./,
  ],
  ['rules are kept by tenant', /^(resources\.acls|creations)\.(principal|host)$/],
  ['users are looked at by their tenant', /^(users\.name|results\.user|(deletions|upsertions)\.name)$/],
  [
    'quotas are kept by tenant',
    /^(components|entries)(\.(entity|values|ops))?\.(\w*[mM]atch|entity\w+|key)$/,
  ],
  ['a pattern of names as written', /^(groups\.members\.)?subscribedTopicRegex$|^transactionalIdPattern$/],
  ["metrics of clients, which are the node's", /^(clientInstanceId|requestedMetrics|metrics)$/],
];

const messages: readonly Message[] = Object.values(Apis).flatMap((api: Api) => [
  api.request as Message,
  api.response as Message,
]);

function* named(definition: Definition, path: string): Iterable<[string, Definition]> {
  if (definition.kind === 'array') yield* named(definition.element, path);
  else if (definition.kind === 'struct') {
    for (const [name, field] of Object.entries(definition.fields)) {
      yield* named(field.definition, path === '' ? name : `${path}.${name}`);
    }
  } else yield [path, definition];
}

const TEXTS: ReadonlySet<string> = new Set(['string', 'uuid', 'bytes']);

describe('fields of messages', () => {
  it('say what they name, or stand in the list of those that name nothing', () => {
    const undecided: string[] = [];
    const used = new Set<RegExp>();
    for (const { name, fields } of messages) {
      for (const [path, { kind, options }] of named({ kind: 'struct', fields, options: {} }, '')) {
        if (!TEXTS.has(kind) || options.entity !== undefined) continue;
        // `resourceName` of a configuration is mapped; that of a list is kept by tenant.
        const known = NO_NAMES.find(([, paths]) => paths.test(path));
        if (known === undefined) undecided.push(`${name} ${path}`);
        else used.add(known[1]);
      }
    }
    expect(undecided).toEqual([]);
    expect(NO_NAMES.filter(([, paths]) => !used.has(paths))).toEqual([]);
  });

  it.each(['resources.resourceName', 'results.resourceName', 'responses.resourceName'])(
    'are mapped where %s is of a configuration',
    (path) => {
      const configs = messages.filter(({ name }) => name.includes('Configs'));
      const found = configs.flatMap(({ fields }) =>
        [...named({ kind: 'struct', fields, options: {} }, '')].filter(([each]) => each === path),
      );
      expect(found.length).toBeGreaterThan(0);
      expect(found.every(([, { options }]) => options.entity === 'configResource')).toBe(true);
    },
  );
});

function topicsOf(...names: string[]) {
  const topics = names.map(
    (name, i) => ({ name, id: Buffer.alloc(16, i + 1).toString('base64url') }) as Topic,
  );
  let tell = (_topic: Topic, _change: TopicChange): void => {};
  return {
    topics,
    tell: (topic: Topic, change: TopicChange) => tell(topic, change),
    boundary: createBoundary({
      list: () => topics,
      onChange(callback) {
        tell = callback;
        return () => {};
      },
    }),
  };
}

/** All texts of fields that name something, as they stand in a value. */
function textsIn(definition: Definition, value: unknown, found: string[] = []): string[] {
  if (value === null || value === undefined) return found;
  if (definition.kind === 'array') {
    for (const each of value as readonly unknown[]) textsIn(definition.element, each, found);
  } else if (definition.kind === 'struct') {
    const struct = value as Readonly<Record<string, unknown>>;
    for (const [name, field] of Object.entries(definition.fields))
      textsIn(field.definition, struct[name], found);
  } else if (definition.options.entity !== undefined && definition.options.entity !== 'message') {
    found.push(String(value));
  }
  return found;
}

const anyMessage = fc
  .constantFrom(...messages)
  .chain((message) =>
    fc
      .integer({ min: message.versions.first, max: message.versions.last })
      .chain((version) =>
        valuesOf(message, version).map((value) => ({ message, version, value: value as object })),
      ),
  );

test('a topic name that begins like what nobody has comes back as it was written', () => {
  const { boundary } = topicsOf('a');
  for (const tenant of ['', 'acme']) {
    const { inward, outward } = boundary.of(tenant);
    for (const name of ['\0', '\0a', '\0\0$tenant.acme.a']) {
      expect(outward.topicName(inward.topicName(name) ?? '')).toBe(name);
    }
  }
});

test("what goes in comes out as it was, of every message in every version, and is nobody else's meanwhile", () => {
  const { boundary } = topicsOf('a', '$tenant.acme.a', '$tenant.beta.a');
  fc.assert(
    fc.property(anyMessage, fc.constantFrom('', 'acme'), ({ message, version, value }, tenant) => {
      const map = message.mapNames(version);
      if (map === undefined) return;
      const before = structuredClone(value);
      const inside = map(value, boundary.of(tenant).inward);
      expect(value).toEqual(before);
      expect(inside).toBeDefined();
      const outside = map(inside, boundary.of(tenant).outward);
      const definition: Definition = { kind: 'struct', fields: message.fields, options: {} };
      expect(textsIn(definition, outside)).toEqual(textsIn(definition, value));
      if (tenant === '') return;
      const [own, foreign] = [tenantOf(tenant), 'beta'];
      const all = textsIn(definition, inside);
      for (const text of all) expect(tenantOf(foreign).fromName(text)).toBeUndefined();
      expect(own.name).toBe(tenant);
    }),
    { numRuns: 600 },
  );
});

describe('a client', () => {
  const { boundary, topics, tell } = topicsOf('a', '$tenant.acme.a', '$tenant.beta.a');
  const [free, acme, beta] = topics as [Topic, Topic, Topic];
  const NAMES = ['topicName', 'groupId', 'transactionalId'] as const;

  it("of a tenant names what is the tenant's, whatever it writes", () => {
    const { inward, outward } = boundary.of('acme');
    expect(inward.topicName('a')).toBe('$tenant.acme.a');
    expect(inward.groupId('g')).toBe('acme\0g');
    expect(inward.topicName('$tenant.beta.a')).toBe('$tenant.acme.$tenant.beta.a');
    expect(inward.groupId('beta\0g')).toBe('acme\0beta\0g');
    expect(inward.groupId('')).toBe('');
    expect(outward.topicName('$tenant.beta.a')).toBeUndefined();
    expect(outward.topicName('a')).toBeUndefined();
    expect(outward.groupId('g')).toBeUndefined();
    expect(outward.message('there is a topic $tenant.acme.a already, in acme\0g')).toBe(
      'there is a topic a already, in g',
    );
    expect(inward.configResource('a', ConfigResource.Topic)).toBe('$tenant.acme.a');
    expect(inward.configResource('g', ConfigResource.Group)).toBe('acme\0g');
    expect(inward.configResource('1', ConfigResource.Broker)).toBe('1');
  });

  it("without a tenant cannot name what is a tenant's", () => {
    const { inward, outward } = boundary.of('');
    for (const kind of NAMES) expect(inward[kind]('a')).toBe('a');
    for (const [kind, name] of [
      ['topicName', '$tenant.acme.a'],
      ['groupId', 'acme\0g'],
      ['transactionalId', 'acme\0g'],
    ] as const) {
      const made = inward[kind](name) ?? '';
      expect(made).not.toBe(name);
      expect(outward[kind](made)).toBe(name);
      expect(outward[kind](name)).toBeUndefined();
    }
  });

  it('finds no topic of others by its id, and gets the id back as it sent it', () => {
    const isFound = (tenant: string, { id }: Topic): boolean => {
      const { inward, outward } = boundary.of(tenant);
      const made = inward.topicId(id) ?? '';
      expect(outward.topicId(made)).toBe(id);
      return made === id;
    };
    expect([free, acme, beta].map((each) => isFound('acme', each))).toEqual([false, true, false]);
    expect([free, acme, beta].map((each) => isFound('', each))).toEqual([true, false, false]);
    expect(boundary.of('acme').outward.topicId(beta.id)).toBeUndefined();
    expect(boundary.of('').outward.topicId(acme.id)).toBeUndefined();
  });

  it('finds a topic that was made since, and not one that has gone', () => {
    const made = { name: '$tenant.acme.new', id: Buffer.alloc(16, 77).toString('base64url') } as Topic;
    const { inward } = boundary.of('acme');
    expect(inward.topicId(made.id)).not.toBe(made.id);
    tell(made, 'created');
    expect(inward.topicId(made.id)).toBe(made.id);
    tell(made, 'deleted');
    expect(inward.topicId(made.id)).not.toBe(made.id);
  });
});

test("an answer that is itself about another's is not given", () => {
  const { boundary } = topicsOf();
  const answer = { throttleTimeMs: 0, topics: [], nextCursor: { topicName: 'foreign', partitionIndex: 0 } };
  const handler = bounded(Apis.describeTopicPartitions as never, () => answer as never);
  const call = { version: 0, request: { topics: [] }, connection: { identity: { tenant: 'acme' } } };
  expect(() => handler({ boundary } as never, call as never)).toThrow("another's");
});
