import { describe, expect, it } from 'vitest';
import { adminHandlers } from '../../../../src/protocols/kafka/admin/admin.ts';
import { createClientMetrics } from '../../../../src/protocols/kafka/admin/client-metrics.ts';
import { createGroupConfigs, groupConfigs } from '../../../../src/protocols/kafka/admin/group-configs.ts';
import { broughtToLife } from '../../../../src/protocols/kafka/admin/live-config.ts';
import { handlers } from '../../../../src/protocols/kafka/dispatch.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { DEFAULT_PRODUCER_LIMITS } from '../../../../src/protocols/kafka/producers/producers.ts';
import { bench, nobody } from '../security/support.ts';

const BROKER = 4;
const LOGGER = 8;
const GROUP = 32;

function adminBench(security = {}) {
  const topic = {
    name: 't',
    partitions: [
      { number: 0, bytes: 10 },
      { number: 1, bytes: 20 },
    ],
  };
  const logger = { level: 'info' };
  const made = bench({ ...handlers, ...adminHandlers }, security, {
    broker: { nodeId: 7, clusterId: 'c', leaderEpoch: 1 },
    logger: logger as never,
    topics: {
      list: () => [topic],
      get: (name: string) => (name === 't' ? topic : undefined),
      partition: (name: string, number: number) => (name === 't' ? topic.partitions[number] : undefined),
    } as never,
  });
  const { kafka, settings } = made;
  const live = broughtToLife(kafka.config, settings);
  const clientMetrics = createClientMetrics(settings);
  const groupConfigs = createGroupConfigs(settings, live);
  Object.assign(kafka, { nodeConfig: kafka.config, config: live, clientMetrics, groupConfigs });
  const describeBroker = async (resourceName: string, ...names: string[]) => {
    const { results } = await made.ask('describeConfigs', {
      resources: [
        { resourceType: BROKER, resourceName, configurationKeys: names.length === 0 ? null : names },
      ],
      includeSynonyms: true,
      includeDocumentation: true,
    });
    return results[0];
  };
  const set = async (resourceName: string, name: string, value: string | null, validateOnly = false) => {
    const { responses } = await made.ask('incrementalAlterConfigs', {
      resources: [
        {
          resourceType: BROKER,
          resourceName,
          configs: [{ name, configOperation: value === null ? 1 : 0, value }],
        },
      ],
      validateOnly,
    });
    return responses[0]?.errorCode;
  };
  return { ...made, live, logger, describeBroker, set };
}

describe('configurations of a broker', () => {
  it('are all there, each with a type, a source and a documentation, and no secret', async () => {
    const { describeBroker } = adminBench({ users: [{ name: 'u', password: 'very-secret' }] });
    const found = await describeBroker('7');
    const names = found?.configs.map(({ name }) => name) ?? [];
    expect(names).toEqual([...new Set(names)].sort());
    for (const wanted of [
      'auto.create.topics.enable',
      'connection.failed.authentication.delay.ms',
      'default.replication.factor',
      'group.consumer.assignors',
      'group.consumer.max.session.timeout.ms',
      'group.consumer.min.heartbeat.interval.ms',
      'group.share.max.record.lock.duration.ms',
      'inter.broker.protocol.version',
      'listener.security.protocol.map',
      'log.cleanup.policy',
      'log.dirs',
      'log.retention.hours',
      'log.retention.ms',
      'message.max.bytes',
      'min.insync.replicas',
      'num.partitions',
      'offsets.retention.minutes',
      'producer.id.expiration.ms',
      'telemetry.max.bytes',
      'transaction.max.timeout.ms',
      'transactional.id.expiration.ms',
    ]) {
      expect(names).toContain(wanted);
    }
    for (const each of found?.configs ?? []) {
      expect(each.isDefault).toBe(each.configSource === 5);
      expect([4, 5]).toContain(each.configSource);
      expect(each.configType).toBeGreaterThan(0);
      expect(each.documentation).toMatch(/\.$/);
      if (each.isSensitive) expect([each.value, each.synonyms]).toEqual([null, []]);
    }
    expect(JSON.stringify(found)).not.toContain('very-secret');
    const [hours] = (await describeBroker('7', 'log.retention.hours'))?.configs ?? [];
    expect(hours?.value).toBe('168');
    expect((await describeBroker('7', 'broker.id', 'nonsense'))?.configs).toMatchObject([{ value: '7' }]);
  });

  it('have the values that count', async () => {
    const { describeBroker, kafka } = adminBench({
      authentication: 'sasl',
      mechanisms: ['PLAIN', 'OAUTHBEARER'],
    });
    const { configs = [] } = (await describeBroker('7')) ?? {};
    const values = Object.fromEntries(configs.map(({ name, value }) => [name, value]));
    expect(values).toMatchObject({
      'group.consumer.assignors': 'uniform,range',
      'group.consumer.max.size': String(kafka.nodeConfig.kafka.groups.maxMembers),
      'group.consumer.min.session.timeout.ms': String(
        groupConfigs.find(({ name }) => name === 'consumer.session.timeout.ms')?.range?.[0],
      ),
      'listener.security.protocol.map': 'SASL_PLAINTEXT:SASL_PLAINTEXT',
      'max.connection.creation.rate': '2147483647',
      'producer.id.expiration.ms': String(DEFAULT_PRODUCER_LIMITS.producerIdleMs),
      // Without keys there is nothing to check tokens with.
      'sasl.enabled.mechanisms': 'PLAIN',
      'transaction.max.timeout.ms': String(DEFAULT_PRODUCER_LIMITS.maxTimeoutMs),
    });
    const source = (wanted: string) => configs.find(({ name }) => name === wanted)?.configSource;
    expect([source('sasl.enabled.mechanisms'), source('transaction.max.timeout.ms')]).toEqual([4, 5]);
  });

  it('take effect when they are changed: first what is for the node, then what is for all, then what it started with', async () => {
    const { describeBroker, set, live } = adminBench();
    expect(live.kafka.numPartitions).toBe(1);
    expect(await set('', 'num.partitions', '3')).toBe(0);
    expect(live.kafka.numPartitions).toBe(3);
    expect(await set('7', 'num.partitions', '5')).toBe(0);
    expect(live.kafka.numPartitions).toBe(5);
    const [described] = (await describeBroker('7', 'num.partitions'))?.configs ?? [];
    expect(described).toMatchObject({ value: '5', configSource: 2, isDefault: false, readOnly: false });
    expect(described?.synonyms?.map(({ value, source }) => [value, source])).toEqual([
      ['5', 2],
      ['3', 3],
      ['1', 5],
    ]);
    expect((await describeBroker(''))?.configs).toMatchObject([
      { name: 'num.partitions', value: '3', configSource: 3 },
    ]);
    expect(await set('7', 'num.partitions', null)).toBe(0);
    expect(live.kafka.numPartitions).toBe(3);
    expect(await set('', 'num.partitions', null)).toBe(0);
    expect(live.kafka.numPartitions).toBe(1);
    expect(await set('7', 'auto.create.topics.enable', 'false')).toBe(0);
    expect(live.kafka.autoCreateTopics).toBe(false);
  });

  it.each([
    ['a name that is none', 'num.sheep', '1'],
    ['no number', 'num.partitions', 'many'],
    ['too few', 'num.partitions', '0'],
    ['too many', 'num.partitions', '9999999'],
    ['no truth value', 'auto.create.topics.enable', 'yes'],
  ])('are not set to %s', async (_what, name, value) => {
    const { set, live } = adminBench();
    const before = JSON.stringify(live.kafka);
    expect(await set('7', name, value)).toBe(ErrorCode.INVALID_CONFIG);
    expect(JSON.stringify(live.kafka)).toBe(before);
  });

  it.each([
    ['broker.id', '2'],
    ['socket.request.max.bytes', '2000'],
  ])('that stand in the configuration of the node are not set: %s (KIP-226)', async (name, value) => {
    const { set, live } = adminBench();
    const before = JSON.stringify(live.kafka);
    expect(await set('7', name, value)).toBe(ErrorCode.INVALID_REQUEST);
    expect(await set('', name, null)).toBe(ErrorCode.INVALID_REQUEST);
    expect(JSON.stringify(live.kafka)).toBe(before);
  });

  it('are all replaced by AlterConfigs, and changed by neither when it is only asked', async () => {
    const { ask, live, set } = adminBench();
    await set('', 'num.partitions', '3');
    await set('', 'fetch.max.bytes', '2000');
    expect(await set('', 'num.partitions', '4', true)).toBe(0);
    const { responses } = await ask('alterConfigs', {
      resources: [
        { resourceType: BROKER, resourceName: '', configs: [{ name: 'num.partitions', value: '9' }] },
      ],
      validateOnly: false,
    });
    expect(responses[0]?.errorCode).toBe(0);
    expect(live.kafka.numPartitions).toBe(9);
    expect(live.kafka.maxFetchBytes).toBe(55 * 1024 * 1024);
  });

  it('are those of this broker, and of who may see and change the cluster', async () => {
    const { ask, describeBroker, set } = adminBench();
    expect((await describeBroker('8'))?.errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect(await set('8', 'num.partitions', '2')).toBe(ErrorCode.INVALID_REQUEST);
    const resources = [{ resourceType: BROKER, resourceName: '7', configurationKeys: null }];
    const seen = await ask('describeConfigs', { resources }, nobody);
    expect(seen.results[0]?.errorCode).toBe(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    const changed = await ask(
      'incrementalAlterConfigs',
      { resources: [{ resourceType: BROKER, resourceName: '7', configs: [] }], validateOnly: false },
      nobody,
    );
    expect(changed.responses[0]?.errorCode).toBe(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    const unknown = await ask('describeConfigs', {
      resources: [{ resourceType: 3, resourceName: 'm', configurationKeys: null }],
    });
    expect(unknown.results[0]?.errorCode).toBe(ErrorCode.INVALID_REQUEST);
  });
});

describe('other configurations', () => {
  it('of the log: its level, which counts at once', async () => {
    const { ask, logger } = adminBench();
    const change = async (name: string, value: string | null, operation = 0) => {
      const { responses } = await ask('incrementalAlterConfigs', {
        resources: [
          { resourceType: LOGGER, resourceName: '7', configs: [{ name, configOperation: operation, value }] },
        ],
        validateOnly: false,
      });
      return responses[0]?.errorCode;
    };
    expect(await change('root', 'DEBUG')).toBe(0);
    expect(logger.level).toBe('debug');
    expect(await change('root', 'LOUD')).toBe(ErrorCode.INVALID_CONFIG);
    expect(await change('root', null, 1)).toBe(ErrorCode.INVALID_CONFIG);
    expect(await change('kafka.network', 'DEBUG')).toBe(ErrorCode.INVALID_CONFIG);
    const { results } = await ask('describeConfigs', {
      resources: [{ resourceType: LOGGER, resourceName: '7', configurationKeys: null }],
    });
    expect(results[0]?.configs).toMatchObject([{ name: 'root', value: 'DEBUG' }]);
  });

  it('of groups: those of the node until a group has its own', async () => {
    const { ask } = adminBench();
    const describeGroup = async (...configurationKeys: string[]) => {
      const resource = { resourceType: GROUP, resourceName: 'g', configurationKeys };
      const answer = await ask('describeConfigs', { resources: [resource], includeSynonyms: true });
      return answer.results[0]?.configs;
    };
    const set = async (name: string, value: string | null, configOperation = value === null ? 1 : 0) => {
      const resource = {
        resourceType: GROUP,
        resourceName: 'g',
        configs: [{ name, configOperation, value }],
      };
      const answer = await ask('incrementalAlterConfigs', { resources: [resource], validateOnly: false });
      return answer.responses[0]?.errorCode;
    };
    const lock = 'share.record.lock.duration.ms';
    expect(await describeGroup(lock)).toMatchObject([{ value: '30000', isDefault: true, configSource: 5 }]);
    expect(await set(lock, '20000')).toBe(ErrorCode.NONE);
    expect(await describeGroup(lock)).toMatchObject([
      { value: '20000', isDefault: false, configSource: 8, readOnly: false },
    ]);
    const listed = await ask('listConfigResources', { resourceTypes: [GROUP] }, undefined, 1);
    expect(listed.configResources).toEqual([{ resourceName: 'g', resourceType: GROUP }]);
    expect(await set(lock, null)).toBe(ErrorCode.NONE);
    expect(await describeGroup(lock)).toMatchObject([{ value: '30000', isDefault: true }]);
    for (const [name, value] of [
      ['share.auto.offset.reset', 'by_duration:yesterday'],
      ['share.isolation.level', 'serializable'],
      ['share.delivery.count.limit', '0'],
      ['no.such.config', '1'],
    ] as const) {
      expect(await set(name, value)).toBe(ErrorCode.INVALID_CONFIG);
    }
    expect(await set('share.auto.offset.reset', 'by_duration:P1DT2H')).toBe(ErrorCode.NONE);
    expect(await set(lock, '1', 2)).toBe(ErrorCode.INVALID_CONFIG);
  });

  it('of groups are refused for what is none, and for a group without a name', async () => {
    const { ask } = adminBench();
    const { results } = await ask('describeConfigs', {
      resources: [
        { resourceType: GROUP, resourceName: 'g', configurationKeys: null },
        { resourceType: GROUP, resourceName: '', configurationKeys: null },
      ],
      includeSynonyms: true,
    });
    expect(results[0]?.configs.slice(0, 2)).toMatchObject([
      { name: 'consumer.heartbeat.interval.ms', value: '5000', readOnly: false },
      { name: 'consumer.session.timeout.ms', value: '45000', readOnly: false },
    ]);
    expect(results[1]?.errorCode).toBe(ErrorCode.INVALID_GROUP_ID);
    const changed = await ask('incrementalAlterConfigs', {
      resources: [
        {
          resourceType: GROUP,
          resourceName: 'g',
          configs: [{ name: 'consumer.session.timeout.ms', configOperation: 0, value: '1' }],
        },
      ],
      validateOnly: false,
    });
    expect(changed.responses[0]?.errorCode).toBe(ErrorCode.INVALID_CONFIG);
  });

  it('are listed by type of resource', async () => {
    const { ask } = adminBench();
    const list = async (version: number, ...resourceTypes: number[]) =>
      (await ask('listConfigResources', { resourceTypes }, undefined, version)).configResources.map(
        ({ resourceName, resourceType }) => `${resourceType}:${resourceName}`,
      );
    expect(await list(1)).toEqual(['2:t', '4:7', '8:7']);
    expect(await list(1, BROKER, BROKER)).toEqual(['4:7']);
    expect(await list(0)).toEqual([]);
    const unknown = await ask('listConfigResources', { resourceTypes: [3] }, undefined, 1);
    expect(unknown.errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION);
  });
});

describe('questions about replicas', () => {
  it('where partitions lie, and how large they are', async () => {
    const { ask } = adminBench();
    const all = await ask('describeLogDirs', { topics: null });
    expect(all.results).toMatchObject([
      {
        errorCode: 0,
        topics: [
          {
            name: 't',
            partitions: [
              { partitionIndex: 0, partitionSize: 10 },
              { partitionIndex: 1, partitionSize: 20 },
            ],
          },
        ],
      },
    ]);
    const some = await ask('describeLogDirs', {
      topics: [
        { topic: 't', partitions: [1, 9] },
        { topic: 'none', partitions: [0] },
      ],
    });
    expect(some.results[0]?.topics).toMatchObject([{ name: 't', partitions: [{ partitionIndex: 1 }] }]);
  });

  it('who leads: what leads already', async () => {
    const { ask } = adminBench();
    const { replicaElectionResults } = await ask('electLeaders', {
      topicPartitions: [{ topic: 't', partitions: [0, 5] }],
    });
    expect(replicaElectionResults[0]?.partitionResult.map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.ELECTION_NOT_NEEDED,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]);
    expect((await ask('electLeaders', { topicPartitions: null })).replicaElectionResults).toEqual([]);
    expect(await ask('listPartitionReassignments', {})).toMatchObject({ errorCode: 0, topics: [] });
  });

  it('which features there are: those of the program', async () => {
    const { ask } = adminBench();
    const update = (version: number, ...featureUpdates: { feature: string; maxVersionLevel: number }[]) =>
      ask('updateFeatures', { featureUpdates: featureUpdates as never }, undefined, version);
    const same = { feature: 'transaction.version', maxVersionLevel: 2 };
    const other = { feature: 'transaction.version', maxVersionLevel: 1 };
    expect(await update(1, same, other)).toMatchObject({
      errorCode: 0,
      results: [{ errorCode: 0 }, { errorCode: ErrorCode.INVALID_UPDATE_VERSION }],
    });
    expect(await update(2, same)).toMatchObject({ errorCode: 0 });
    expect(await update(2, same, { feature: 'x', maxVersionLevel: 1 })).toMatchObject({
      errorCode: ErrorCode.INVALID_UPDATE_VERSION,
    });
  });

  it('are not answered to who may not ask', async () => {
    const { ask } = adminBench();
    const refused = { errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED };
    expect(await ask('describeLogDirs', { topics: null }, nobody)).toMatchObject({ ...refused, results: [] });
    expect(await ask('listPartitionReassignments', {}, nobody)).toMatchObject(refused);
    expect(await ask('updateFeatures', { featureUpdates: [] }, nobody)).toMatchObject(refused);
    expect(await ask('listConfigResources', { resourceTypes: [] }, nobody)).toMatchObject({
      ...refused,
      configResources: [],
    });
    const elected = await ask('electLeaders', { topicPartitions: [{ topic: 't', partitions: [0] }] }, nobody);
    expect(elected).toMatchObject({ ...refused, replicaElectionResults: [{ partitionResult: [refused] }] });
  });
});
