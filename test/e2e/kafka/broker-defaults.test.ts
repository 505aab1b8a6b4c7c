/** Defaults of topics that clients set for the broker: topics that are there have them at once, and after a restart. */
import { ConfigResourceTypes, type Kafka } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KafkaNode, startKafkaNode } from './node.ts';

let broker: KafkaNode;
beforeAll(async () => {
  broker = await startKafkaNode({ 'storage.engine': 'files' });
});
afterAll(() => broker.stop());

const { BROKER, TOPIC } = ConfigResourceTypes;
type Entry = readonly [name: string, value: string];

async function asAdmin<T>(work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = broker.client().admin();
  await admin.connect();
  return work(admin).finally(() => admin.disconnect());
}

/** All that is set for the resource. */
const setAll = (type: ConfigResourceTypes, name: string, entries: readonly Entry[]) =>
  asAdmin((admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [{ type, name, configEntries: entries.map(([key, value]) => ({ name: key, value })) }],
    }),
  );

const shown = (type: ConfigResourceTypes, name: string, key: string) =>
  asAdmin(async (admin) => {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: true,
      resources: [{ type, name, configNames: [key] }],
    });
    const [entry] = resources[0]?.configEntries ?? [];
    return {
      value: entry?.configValue,
      isDefault: entry?.isDefault,
      from: entry?.configSynonyms.map((each) => [each.configName, each.configValue, each.configSource]),
    };
  });

async function sends(topic: string, bytes: number): Promise<boolean> {
  const producer = broker.client({ retry: { retries: 0 } }).producer();
  await producer.connect();
  const sent = producer.send({ topic, messages: [{ value: 'x'.repeat(bytes) }] });
  const isSent = await sent.then(
    () => true,
    () => false,
  );
  await producer.disconnect();
  return isSent;
}

test('count for topics without their own, whose clients see where they come from, and stay over a restart', async () => {
  await asAdmin((admin) =>
    admin.createTopics({
      topics: [
        { topic: 'plain' },
        { topic: 'own', configEntries: [{ name: 'max.message.bytes', value: '9000' }] },
      ],
    }),
  );
  expect(await sends('plain', 5000)).toBe(true);
  await setAll(BROKER, '1', [
    ['message.max.bytes', '4000'],
    ['log.retention.ms', '3600000'],
  ]);
  expect(await sends('plain', 5000)).toBe(false);
  expect(await sends('own', 5000)).toBe(true);
  const usual = '1048588';
  const everywhere = async (): Promise<void> => {
    expect(await sends('plain', 4500)).toBe(false);
    expect(await sends('plain', 1000)).toBe(true);
    expect(await sends('own', 5000)).toBe(true);
    const chain = [
      ['message.max.bytes', '4000', 2],
      ['message.max.bytes', usual, 5],
    ];
    expect(await shown(TOPIC, 'plain', 'max.message.bytes')).toEqual({
      value: '4000',
      isDefault: false,
      from: chain,
    });
    expect(await shown(TOPIC, 'own', 'max.message.bytes')).toMatchObject({
      value: '9000',
      from: [['max.message.bytes', '9000', 1], ...chain],
    });
    expect(await shown(BROKER, '1', 'log.retention.ms')).toMatchObject({ value: '3600000' });
    expect(broker.node.kafka?.context.topics.get('plain')?.settings.retentionMs).toBe(3_600_000);
  };
  await everywhere();
  await broker.restart();
  await everywhere();

  await setAll(BROKER, '1', []);
  expect(await sends('plain', 5000)).toBe(true);
  expect(await shown(TOPIC, 'plain', 'max.message.bytes')).toMatchObject({ value: usual, isDefault: true });
});

test('cannot be what a topic could not have', async () => {
  for (const entry of [
    ['log.segment.bytes', '1000'],
    ['log.cleanup.policy', 'burn'],
    ['message.max.bytes', 'many'],
  ] as const) {
    await expect(setAll(BROKER, '1', [entry])).rejects.toMatchObject({ type: 'INVALID_CONFIG' });
  }
  const small = { name: 'segment.bytes', value: String(1024 ** 2 - 1) };
  const made = asAdmin((admin) =>
    admin.createTopics({ topics: [{ topic: 'small', configEntries: [small] }] }),
  );
  await expect(made).rejects.toThrow();
});
