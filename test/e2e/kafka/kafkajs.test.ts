/** The client that most of Node uses, against a whole node. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaNode, startKafkaNode } from './node.ts';

let broker: KafkaNode;
beforeAll(async () => {
  broker = await startKafkaNode();
});
afterAll(() => broker.stop());

describe('kafkajs', () => {
  test('produces to a topic that its asking makes', async () => {
    const producer = broker.client().producer();
    await producer.connect();
    const first = await producer.send({ topic: 'made', messages: [{ key: 'k', value: 'v' }] });
    expect(first).toMatchObject([{ topicName: 'made', partition: 0, errorCode: 0, baseOffset: '0' }]);
    const second = await producer.send({ topic: 'made', messages: [{ value: 'w' }, { value: 'x' }] });
    expect(second[0]?.baseOffset).toBe('1');
    await producer.disconnect();
  });
});
