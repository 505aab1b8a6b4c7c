import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../e2e/support.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startViewed, type ViewedNode } from './support.ts';

const T0 = Date.UTC(2026, 0, 1);
let node: ViewedNode;
let publisher: RawClient;

const records = (stream: string, partition: number, query = ''): string =>
  `/streams/${stream}/partitions/${partition}/records${query}`;

describe.each(['files', 'memory'])('streams of a node on %s', (engine) => {
  beforeEach(async () => {
    node = await startViewed({ 'storage.engine': engine });
    publisher = await node.connect({ clientId: 'publisher' });
  });
  afterEach(() => node.stop());

  it('are listed and shown with the times of their first and last records', async () => {
    await publisher.publish({ topic: 'audit/a', payload: 'one', qos: 1 });
    await node.clock.advance(3000);
    await publisher.publish({ topic: 'audit/b', payload: 'two', qos: 1 });
    const names = (await node.all('/streams', 1)).map((each) => [each.name, each.records]);
    expect(names).toEqual([
      ['audit', 2],
      ['telemetry', 0],
    ]);
    expect((await node.get('/streams/audit')).body).toMatchObject({
      name: 'audit',
      isConfigured: true,
      capture: ['audit/#'],
      key: 'topic',
      storage: 'journal',
      durability: 'sync',
      cleanup: 'delete',
      partitions: 1,
      records: 2,
      retention: { ageSeconds: 60, sizeBytes: null, count: 5, settled: false },
      partitionDetails: [
        { partition: 0, startOffset: 0, endOffset: 2, oldestAtMs: T0, newestAtMs: T0 + 3000 },
      ],
    });
    const partitions = await node.all('/streams/telemetry/partitions', 2);
    expect(partitions.map(({ partition }) => partition)).toEqual([0, 1, 2]);
    expect(partitions[1]).toMatchObject({ startOffset: 0, endOffset: 0, oldestAtMs: null, newestAtMs: null });
  });

  it('are read from an offset on, in pages of so many records', async () => {
    for (let i = 0; i < 10; i++) {
      const properties = [
        [3, 'text/plain'],
        [38, ['k', `${i}`]],
      ] as const;
      await publisher.publish({ topic: 'audit/a', payload: `${i}`, qos: 1, properties });
    }
    const { body } = await node.get(records('audit', 0, '?offset=4&limit=3'));
    expect(body).toMatchObject({ items: [{ offset: 4 }, { offset: 5 }, { offset: 6 }], nextOffset: 7 });
    const [first] = body.items as Record<string, unknown>[];
    expect(first).toEqual({
      partition: 0,
      offset: 4,
      timeMs: T0,
      key: 'audit/a',
      headers: [
        { name: 'mqtt.qos', value: '1' },
        { name: 'content-type', value: 'text/plain' },
        { name: 'k', value: '4' },
      ],
      payload: '4',
      payloadBytes: 1,
      payloadIsCut: false,
    });
    expect((await node.get(records('audit', 0, '?offset=99'))).body).toEqual({ items: [], nextOffset: 99 });
    expect((await node.get(records('audit', 0))).body.items).toHaveLength(10);
  });

  it('give a page of a megabyte at most, but a large record alone', async () => {
    const payload = 'x'.repeat(400_000);
    for (let i = 0; i < 4; i++) await publisher.publish({ topic: 'audit/a', payload, qos: 1 });
    const offsets: unknown[] = [];
    for (let at = 0; at < 4; ) {
      const { body } = await node.get(records('audit', 0, `?offset=${at}&payloadBytes=5`));
      offsets.push((body.items as { offset: number }[]).map(({ offset }) => offset));
      at = Number(body.nextOffset);
    }
    expect(offsets).toEqual([[0, 1, 2], [3]]);
  });

  it('answer who waits for a record as soon as there is one, however many wait', async () => {
    const waiting = Array.from({ length: 20 }, () => node.get(records('audit', 0, '?offset=1&waitMs=30000')));
    await publisher.publish({ topic: 'audit/a', payload: 'before', qos: 1 });
    await publisher.publish({ topic: 'audit/a', payload: 'awaited', qos: 1 });
    for (const { body } of await Promise.all(waiting)) {
      expect(body).toMatchObject({ items: [{ offset: 1, payload: 'awaited' }], nextOffset: 2 });
    }
  });

  it('go on when clients hang up while they wait', async () => {
    const gone = Array.from({ length: 60 }, () => node.begin(records('audit', 0, '?waitMs=30000')));
    await until('all are connected', () => gone.every(({ socket }) => socket?.connecting === false));
    expect((await node.get('/health')).status).toBe(200);
    for (const each of gone) each.destroy();
    await publisher.publish({ topic: 'audit/a', payload: 'x', qos: 1 });
    for (let i = 0; i < 3; i++) expect((await node.get(records('audit', 0))).status).toBe(200);
    // All places for connections are free again.
    const answers = await Promise.all(Array.from({ length: 60 }, () => node.get(records('audit', 0))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });
});
