/** What depends on the version of a request, on who asks, and on what is described. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Partition } from '../../../../src/kernel/log/partitions.ts';
import type { Caller, Kafka } from '../../../../src/protocols/kafka/context.ts';
import type { ApiName, ApiTable, Call, HandlerTable } from '../../../../src/protocols/kafka/handlers.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { producerHandlers } from '../../../../src/protocols/kafka/producers/requests.ts';
import { openAuthorizer } from '../../../../src/protocols/kafka/security/authorizer.ts';
import { type Operation, ResourceType } from '../../../../src/protocols/kafka/security/vocabulary.ts';
import { faultyDisk } from '../../../storage/disk/faulty-disk.ts';
import { made, newWorld, type Opened, openWorld, produce, type World } from './support.ts';

let world: World;
let opened: Opened;
let partition: Partition;
let kafka: Kafka;
/** Types of resources that nobody may touch. */
let forbidden: ReadonlySet<number>;

beforeEach(async () => {
  world = newWorld(faultyDisk(1));
  opened = await openWorld(world);
  partition = await made(opened);
  forbidden = new Set();
  const staged = { errorCode: 0, errors: [[0]], settle() {} };
  const parts = {
    clock: world.clock,
    log: opened.log,
    producers: opened.producers,
    config: { kafka: { durability: { offsets: 'sync' } } },
    topics: {
      get: (name: string) => (name === 't' ? { isInternal: false, partitions: [partition] } : undefined),
      partition: (name: string, number: number) => (name === 't' && number === 0 ? partition : undefined),
    },
    groups: { stage: () => staged },
    authorizer: {
      ...openAuthorizer,
      allows: (_subject: object, _operation: Operation, type: number) => !forbidden.has(type),
      allowsAny: (_subject: object, _operation: Operation, type: number) => !forbidden.has(type),
    },
  };
  kafka = parts as unknown as Kafka;
});
afterEach(async () => {
  opened.producers.close();
  await opened.log.close();
});

type Request<K extends ApiName> = Call<ApiTable[K]>['request'];
async function ask<K extends keyof typeof producerHandlers & ApiName>(
  name: K,
  version: number,
  request: Partial<Request<K>>,
) {
  const handler = (producerHandlers as HandlerTable)[name];
  const call = { connection: {} as Caller, version, clientId: null, request };
  const answered = await handler?.(kafka, call as never);
  if (answered === undefined) throw new Error('no answer');
  return answered as Record<string, unknown>;
}

const tx = { transactionalId: 'tx', producerId: 0, producerEpoch: 0 };
const old = { ...tx, producerEpoch: 7 };
const init = (version = 4, more: object = {}) =>
  ask('initProducerId', version, {
    transactionalId: 'tx',
    transactionTimeoutMs: 60_000,
    producerId: -1,
    producerEpoch: -1,
    ...more,
  });

const { PRODUCER_FENCED, INVALID_PRODUCER_EPOCH, NONE } = ErrorCode;

describe('a fenced producer', () => {
  const topics = [{ name: 't', partitions: [0] }];
  const v3 = {
    v3AndBelowTransactionalId: 'tx',
    v3AndBelowProducerId: 0,
    v3AndBelowProducerEpoch: 7,
    v3AndBelowTopics: topics,
  };
  const added = (code: number) => [
    { name: 't', resultsByPartition: [{ partitionIndex: 0, partitionErrorCode: code }] },
  ];

  it('hears in old versions that its epoch is invalid, and in new ones that it is fenced', async () => {
    await init();
    expect(await init(3, old)).toMatchObject({ errorCode: INVALID_PRODUCER_EPOCH, producerId: -1 });
    expect(await init(4, old)).toMatchObject({ errorCode: PRODUCER_FENCED });
    for (const [version, code] of [
      [1, INVALID_PRODUCER_EPOCH],
      [2, PRODUCER_FENCED],
    ] as const) {
      expect(await ask('endTxn', version, { ...old, committed: true })).toMatchObject({ errorCode: code });
      const offsets = await ask('addOffsetsToTxn', version, { ...old, groupId: 'g' });
      expect(offsets).toMatchObject({ errorCode: code });
      const partitions = await ask('addPartitionsToTxn', version, v3);
      expect(partitions).toMatchObject({ resultsByTopicV3AndBelow: added(code) });
    }
    const commit = { ...old, groupId: 'g', memberId: '', groupInstanceId: null, generationId: -1 };
    const wanted = [{ name: 't', partitions: [{ partitionIndex: 0 }] }] as never;
    const answer = await ask('txnOffsetCommit', 5, { ...commit, topics: wanted });
    expect(answer).toMatchObject({ topics: [{ partitions: [{ errorCode: INVALID_PRODUCER_EPOCH }] }] });
  });

  it('is told of each partition by itself, and nothing joins when one cannot', async () => {
    await init();
    const wanted = [
      { name: 't', partitions: [0, 1] },
      { name: 'none', partitions: [0] },
    ];
    const request = { ...v3, v3AndBelowProducerEpoch: 0, v3AndBelowTopics: wanted };
    const { UNKNOWN_TOPIC_OR_PARTITION: unknown, OPERATION_NOT_ATTEMPTED: left } = ErrorCode;
    expect(await ask('addPartitionsToTxn', 3, request)).toMatchObject({
      resultsByTopicV3AndBelow: [
        { resultsByPartition: [{ partitionErrorCode: left }, { partitionErrorCode: unknown }] },
        { resultsByPartition: [{ partitionErrorCode: unknown }] },
      ],
    });
    expect(opened.producers.store.transactions.get('tx')?.state).toBe('Empty');
  });

  it('may be verified before it is added, by brokers', async () => {
    await init();
    const request = (verifyOnly: boolean) => ({ transactions: [{ ...tx, verifyOnly, topics }] });
    const results = (code: number) => ({ resultsByTransaction: [{ topicResults: added(code) }] });
    const verified = await ask('addPartitionsToTxn', 5, request(true));
    expect(verified).toMatchObject(results(ErrorCode.TRANSACTION_ABORTABLE));
    expect(await ask('addPartitionsToTxn', 5, request(false))).toMatchObject(results(NONE));
    expect(await ask('addPartitionsToTxn', 4, request(true))).toMatchObject(results(NONE));
    forbidden = new Set([ResourceType.Cluster]);
    const refused = await ask('addPartitionsToTxn', 4, request(true));
    expect(refused).toMatchObject({ errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED });
  });
});

describe('who may not', () => {
  it('is refused', async () => {
    await init();
    forbidden = new Set([ResourceType.TransactionalId]);
    const { TRANSACTIONAL_ID_AUTHORIZATION_FAILED: no, CLUSTER_AUTHORIZATION_FAILED } = ErrorCode;
    expect(await init()).toMatchObject({ errorCode: no });
    expect(await ask('endTxn', 5, { ...tx, committed: true })).toMatchObject({ errorCode: no });
    expect(await ask('addOffsetsToTxn', 3, { ...tx, groupId: 'g' })).toMatchObject({ errorCode: no });
    const described = await ask('describeTransactions', 0, { transactionalIds: ['tx'] });
    expect(described).toMatchObject({ transactionStates: [{ errorCode: no }] });
    const listed = await ask('listTransactions', 2, {
      stateFilters: [],
      producerIdFilters: [],
      durationFilter: -1,
      transactionalIdPattern: null,
    });
    expect(listed.transactionStates).toEqual([]);
    forbidden = new Set([ResourceType.Cluster, ResourceType.Topic]);
    const idempotent = await init(4, { transactionalId: null });
    expect(idempotent).toMatchObject({ errorCode: CLUSTER_AUTHORIZATION_FAILED });
  });

  it('gives half of what it has, is refused as well', async () => {
    expect(await init(3, { producerId: 4 })).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST });
  });
});

describe('administrators', () => {
  async function begun() {
    await init();
    await produce(opened, partition, { id: 'tx', producerId: 0, epoch: 0, sequence: 0, values: ['x'] });
    await world.clock.advance(5000);
  }
  const list = (more: object) =>
    ask('listTransactions', 2, {
      stateFilters: [],
      producerIdFilters: [],
      durationFilter: -1,
      transactionalIdPattern: null,
      ...more,
    });

  it('see producers of a partition', async () => {
    await begun();
    const topics = [{ name: 't', partitionIndexes: [0, 1] }];
    expect(await ask('describeProducers', 0, { topics })).toMatchObject({
      topics: [
        {
          partitions: [
            {
              errorCode: NONE,
              activeProducers: [{ producerId: 0, lastSequence: 0, currentTxnStartOffset: 0 }],
            },
            { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
          ],
        },
      ],
    });
  });

  it('see transactions, and what is none', async () => {
    await begun();
    const transactionalIds = ['tx', 'none', ''];
    expect(await ask('describeTransactions', 0, { transactionalIds })).toMatchObject({
      transactionStates: [
        {
          errorCode: NONE,
          transactionState: 'Ongoing',
          transactionTimeoutMs: 60_000,
          transactionStartTimeMs: world.clock.wallMs() - 5000,
          topics: [{ topic: 't', partitions: [0] }],
        },
        { errorCode: ErrorCode.TRANSACTIONAL_ID_NOT_FOUND },
        { errorCode: ErrorCode.INVALID_REQUEST },
      ],
    });
  });

  it('list them by state, producer, duration and pattern', async () => {
    await begun();
    const shown = async (more: object) => ((await list(more)).transactionStates as unknown[]).length;
    expect(await shown({})).toBe(1);
    expect(await shown({ stateFilters: ['Ongoing'] })).toBe(1);
    expect(await shown({ stateFilters: ['Empty'] })).toBe(0);
    expect(await shown({ producerIdFilters: [3] })).toBe(0);
    expect([await shown({ durationFilter: 4000 }), await shown({ durationFilter: 6000 })]).toEqual([1, 0]);
    expect(await shown({ transactionalIdPattern: 't.' })).toBe(1);
    expect(await shown({ transactionalIdPattern: 'x.' })).toBe(0);
    const unknown = await list({ stateFilters: ['Lost'], transactionalIdPattern: '(' });
    expect(unknown).toMatchObject({ errorCode: ErrorCode.INVALID_REGULAR_EXPRESSION });
    expect(unknown.unknownStateFilters).toEqual(['Lost']);
  });

  it('abort what hangs in a partition', async () => {
    await begun();
    const marker = (producerEpoch: number) => ({
      producerId: 0,
      producerEpoch,
      transactionResult: false,
      coordinatorEpoch: 0,
      transactionVersion: 2,
      topics: [{ name: 't', partitionIndexes: [0, 9] }],
    });
    const answer = await ask('writeTxnMarkers', 2, { markers: [marker(1)] });
    const results = [{ errorCode: NONE }, { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }];
    expect(answer).toMatchObject({ markers: [{ topics: [{ partitions: results }] }] });
    expect(opened.producers.lastStableOffset(partition)).toBe(2);
    expect(opened.producers.aborted(partition, 0, 2)).toHaveLength(1);
    const late = await ask('writeTxnMarkers', 2, { markers: [marker(0)] });
    expect(late).toMatchObject({
      markers: [{ topics: [{ partitions: [{ errorCode: INVALID_PRODUCER_EPOCH }, {}] }] }],
    });
  });
});
