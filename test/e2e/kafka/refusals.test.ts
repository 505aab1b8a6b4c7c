/** With access control lists and no rule for it, a client gets nothing out of any API: each refuses, or shows nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { servedApis } from '../../../src/protocols/kafka/dispatch.ts';
import { type Api, Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { errorName } from '../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { batchOf, produceRequest } from './batches.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';
import { G, probes, T, X } from './probes.ts';

/** For everybody: which versions, how to log in, where the brokers are, and metrics of their own. */
const OPEN: readonly Api[] = [
  Apis.apiVersions,
  Apis.saslHandshake,
  Apis.saslAuthenticate,
  Apis.describeCluster,
  Apis.getTelemetrySubscriptions,
  Apis.pushTelemetry,
];

let broker: KafkaNode;
let stranger: KafkaClient;
beforeAll(async () => {
  broker = await startKafkaNode({ 'storage.engine': 'files' });
  // What is to be hidden is there.
  const owner = await openKafkaClient(broker.port);
  await owner.call(Apis.produce, 9, produceRequest((await madeBy(owner)) ?? '', batchOf('x')));
  const offset = { partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: '' };
  const committed = await owner.call(Apis.offsetCommit, 7, {
    groupId: G,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [{ name: T, partitions: [offset] }],
  });
  await owner.call(Apis.initProducerId, 4, { transactionalId: X, transactionTimeoutMs: 1000 });
  owner.close();
  expect(codesIn(committed)).toEqual([]);
  await broker.restart({
    'kafka.security.authorization': 'acl',
    'kafka.security.superUsers': '["User:root"]',
  });
  stranger = await openKafkaClient(broker.port);
});
afterAll(async () => {
  stranger.close();
  await broker.stop();
});

async function madeBy(owner: KafkaClient): Promise<string | null | undefined> {
  const { topics } = await owner.call(Apis.metadata, 9, {
    topics: [{ name: T }],
    allowAutoTopicCreation: true,
  });
  return topics[0]?.name;
}

function codesIn(value: unknown): number[] {
  if (Array.isArray(value)) return value.flatMap(codesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    /errorCode$/i.test(key) && each !== 0 ? [Number(each)] : codesIn(each),
  );
}

describe('a client without a rule', () => {
  test.each(probes.map((probe) => [probe.api.name, probe.what ?? '', probe] as const))(
    'is refused by %s %s',
    async (_name, _what, probe) => {
      const { api, version, request, refusal } = probe;
      const answer = await stranger.call(api, version, request as never);
      const codes = new Set(codesIn(answer).map(errorName));
      expect([...codes]).toEqual(refusal === undefined ? [] : [errorName(refusal)]);
      if (refusal === undefined) expect(JSON.stringify(answer)).not.toContain('secret');
    },
  );

  test('is refused by every API that is served', () => {
    const probed = new Set<Api>(probes.map(({ api }) => api));
    const missing = servedApis.filter((api) => !probed.has(api) && !OPEN.includes(api));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });
});
