/** What a publish waits for: the level and the storage that its topic and the streams that capture it ask for. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { StateLog, Storage } from '../../../src/kernel/state/state-log.ts';
import type { Streams } from '../../../src/kernel/streams/streams.ts';
import * as wire from '../../support/wire.ts';
import { type DurableBroker, publisherOf, startDurable } from './broker.ts';

type Commit = StateLog['commit'];
type LevelOf = Parameters<Commit>[0];

const logOf = (broker: DurableBroker): StateLog => broker.node.mqtt.context.durable.log;

/** What is committed while `run` runs, with what it waits for. */
async function commits(broker: DurableBroker, run: () => Promise<unknown>): Promise<[LevelOf, Storage][]> {
  const log = logOf(broker);
  const { commit } = log;
  const seen: [LevelOf, Storage][] = [];
  log.commit = (level, done, isSettlement = false, storage = 'journal') => {
    if (!isSettlement) seen.push([level, storage]);
    commit(level, done, isSettlement, storage);
  };
  await run();
  log.commit = commit;
  return seen;
}

async function withObjects(yaml: string, run: (broker: DurableBroker) => Promise<void>): Promise<void> {
  const objects = mkdtempSync(join(tmpdir(), 'robustmq-objects-'));
  const settings = { 'storage.object.directory': objects, 'storage.durability': 'os' };
  const broker = await startDurable({ settings, yaml });
  try {
    await run(broker);
  } finally {
    await broker.stop();
    rmSync(objects, { recursive: true, force: true });
  }
}

const yaml = `
topics:
  - { match: "mem/#", storage: memory }
  - { match: "sync/#", durability: sync }
  - { match: "obj/#", storage: object }
streams:
  - { name: syncs, capture: ["+/s/sync", "+/s/both"], durability: sync }
  - { name: volatile, capture: ["+/s/memory", "+/s/both"], durability: memory, storage: memory }
  - { name: follows, capture: ["+/s/default"] }
  - { name: far, capture: ["+/s/far"], storage: object, durability: os }
`;

test('the level is the highest of those who keep it, and a stream alone has its own', async () => {
  await withObjects(yaml, async (broker) => {
    const sub = await broker.connect({ clientId: 'keeps' });
    await sub.subscribe([{ filter: '+/q/#', qos: 1 }]);
    await sub.disconnect();
    const publisher = await publisherOf(broker);
    const levelOf = async (topic: string, qos: 0 | 1): Promise<string> => {
      const seen = await commits(broker, async () => {
        await publisher.publish({ topic, payload: 'x', qos });
        await publisher.barrier();
      });
      return seen.map(([level, storage]) => `${level} ${storage}`).join(', ');
    };
    const expected: [string, 0 | 1, string][] = [
      ['a/nobody', 1, ''],
      ['a/q/1', 1, 'os journal'],
      ['sync/q/1', 1, 'sync journal'],
      ['mem/q/1', 1, 'memory journal'],
      ['obj/q/1', 1, 'os object'],
      ['obj/nobody', 1, ''],
      // A stream's own level, whatever the topic has, and also where nobody is told.
      ['a/s/sync', 1, 'sync journal'],
      ['a/s/sync', 0, 'sync journal'],
      ['sync/s/memory', 1, 'memory journal'],
      ['mem/s/both', 1, 'sync journal'],
      ['a/s/default', 1, 'os journal'],
      ['sync/s/default', 1, 'sync journal'],
      ['a/s/far', 1, 'os object'],
    ];
    for (const [topic, qos, level] of expected) {
      expect([topic, qos, await levelOf(topic, qos)]).toEqual([topic, qos, level]);
    }
  });
});

describe('a storage that takes nothing', () => {
  test('refuses the publishers of its topics and streams, with the reason, and nobody else', async () => {
    await withObjects(yaml, async (broker) => {
      const sub = await broker.connect({ clientId: 'keeps' });
      await sub.subscribe([{ filter: '+/q/#', qos: 1 }]);
      await sub.disconnect();
      const log = logOf(broker);
      const { refusal } = log;
      log.refusal = (storage) => (storage === 'object' ? 'full' : refusal(storage));
      const publisher = await publisherOf(broker);
      const reasonOf = (topic: string, qos: 1 | 2 = 1): Promise<number> =>
        publisher.publish({ topic, payload: 'x', qos });
      expect(await reasonOf('a/s/far')).toBe(0x97);
      expect(await reasonOf('a/s/far', 2)).toBe(0x97);
      expect(await reasonOf('obj/q/1')).toBe(0x97);
      expect(await reasonOf('obj/r')).toBe(0x10);
      expect(await publisher.publish({ topic: 'obj/r', payload: 'x', qos: 1, retain: true })).toBe(0x97);
      expect(await reasonOf('a/q/1')).toBe(0);
      expect(await reasonOf('a/s/sync')).toBe(0);
      // Of two streams that capture it, none has a message that was refused.
      log.refusal = (storage) => (storage === 'memory' ? 'full' : refusal(storage));
      const streams = broker.node.mqtt.context.streams as Streams;
      const endOf = (): number | undefined => streams.describe('syncs')?.partitions[0]?.endOffset;
      const before = endOf();
      expect(await reasonOf('a/s/both')).toBe(0x97);
      expect(endOf()).toBe(before);
      log.refusal = refusal;
      expect(await reasonOf('a/s/both')).toBe(0);
    });
  });
});

test('a slow object store holds the acknowledgements behind it on a connection, and no other ones', async () => {
  await withObjects(yaml, async (broker) => {
    const sub = await broker.connect({ clientId: 'keeps' });
    await sub.subscribe([{ filter: '+/q/#', qos: 1 }]);
    await sub.disconnect();
    const log = logOf(broker);
    const { commit } = log;
    const held: (() => void)[] = [];
    log.commit = (level, done, isSettlement, storage) => {
      const late: Parameters<Commit>[1] =
        storage === 'object' ? (error, position) => held.push(() => done?.(error, position)) : done;
      commit(level, late, isSettlement, storage);
    };
    const [slow, other] = [await publisherOf(broker, 'slow'), await publisherOf(broker, 'other')];
    for (const [packetId, topic] of ['', 'obj/q/1', 'a/q/1'].entries()) {
      if (packetId > 0) slow.send(wire.publish({ version: 5, topic, payload: 'x', qos: 1, packetId }));
    }
    expect(await other.publish({ topic: 'a/q/1', payload: 'x', qos: 1 })).toBe(0);
    while (held.length === 0) await log.drained();
    expect(await other.publish({ topic: 'a/q/1', payload: 'x', qos: 2 })).toBe(0);
    await slow.quiet();
    log.commit = commit;
    for (const release of held) release();
    const acknowledged = [await slow.expect('puback'), await slow.expect('puback')];
    expect(acknowledged.map(({ packetId }) => packetId)).toEqual([1, 2]);
  });
});
