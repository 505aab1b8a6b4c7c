import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { startViewed, type ViewedNode } from '../node-view/support.ts';
import type { RawClient } from '../support/raw-client.ts';
import { testIo } from './support.ts';

let node: ViewedNode;
let publisher: RawClient;
let subscriber: RawClient;

beforeAll(async () => {
  node = await startViewed({ 'storage.engine': 'memory', 'dataplane.flowCache': 'on' });
  publisher = await node.connect({ clientId: 'publisher' });
  subscriber = await node.durable('sub \u001b[31m');
  await subscriber.subscribe([{ filter: 'orders/+', qos: 1 }]);
});
afterAll(() => node.stop());

const isTraced = (): boolean => node.node.mqtt.context.tracing !== undefined;

async function robustmq(...args: string[]) {
  return running(testIo(), ...args);
}

async function running(io: ReturnType<typeof testIo>, ...args: string[]) {
  const code = await run(['trace', ...args, '--data-dir', node.folder], io);
  return { code, out: io.outText(), err: io.errText() };
}

/** What `messages` bring, once somebody looks. */
async function tracing(messages: readonly string[], ...args: string[]) {
  const seen = robustmq(...args);
  await expect.poll(isTraced).toBe(true);
  for (const topic of messages) {
    await publisher.publish({ topic, qos: 1, payload: 'planted-payload' });
    if (topic.startsWith('orders/')) await subscriber.message();
  }
  const result = await seen;
  expect(result.out).not.toContain('planted-payload');
  await expect.poll(isTraced).toBe(false);
  return result;
}

describe('robustmq trace', () => {
  it('shows each step of the messages to a topic, and of no others', async () => {
    const { code, out } = await tracing(['other', 'orders/1'], '--topic', 'orders/#', '--count', '4');
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    const steps = lines.map((line) => line.split(/ {2,}/)[2]);
    expect(steps.sort()).toEqual(['append', 'deliver', 'publish', 'route']);
    expect(new Set(lines.map((line) => line.split('  ')[1])).size).toBe(1);
    const publish = lines.find((line) => line.includes('  publish'));
    expect(publish).toMatch(/ ms {2}orders\/1 {2}by publisher .*protocol\.name=mqtt .*outcome=delivered/);
    expect(lines.find((line) => line.includes('  deliver'))).toMatch(/to sub \\u001b\[31m/);
  });

  it('shows the messages of a client, for programs as JSON', async () => {
    const { out } = await tracing(['a', 'b'], '--client', 'pub*', '--count', '4', '-o', 'ndjson');
    const seen = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const topics = seen.filter(({ step }) => step === 'publish').map(({ topic }) => topic);
    expect(topics).toEqual(['a', 'b']);
    expect(seen.every(({ micros, fault }) => typeof micros === 'number' && fault === null)).toBe(true);
  });

  it('leaves messages to the fast path once nobody looks', async () => {
    await subscriber.subscribe([{ filter: 'fast', qos: 0 }]);
    const publish = async (): Promise<void> => {
      await publisher.publish({ topic: 'fast' });
      await subscriber.waitFor('publish');
    };
    const seen = robustmq('--topic', 'fast', '--count', '1');
    await expect.poll(isTraced).toBe(true);
    await publish();
    await seen;
    await expect.poll(isTraced).toBe(false);
    const hits = (): number => node.node.dataPlane.counters().flowHits;
    const before = hits();
    for (let i = 0; i < 4; i++) await publish();
    expect(hits()).toBeGreaterThan(before);
  });

  it('wants to know of which messages, and says what is wrong with a filter', async () => {
    const nothing = await robustmq();
    expect([nothing.code, nothing.err]).toEqual([2, expect.stringContaining('--topic, --client, or both')]);
    const wrong = await robustmq('--topic', 'a/#/b');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('a/#/b: ')]);
    const shared = await robustmq('--topic', '$share/g/a');
    expect([shared.code, shared.err]).toEqual([2, expect.stringContaining('shared subscription')]);
  });

  it('has its time, and ends well when that is over', async () => {
    const seen = robustmq('--topic', 'quiet', '--seconds', '5');
    await expect.poll(isTraced).toBe(true);
    await node.clock.advance(6000);
    expect((await seen).code).toBe(0);
    await expect.poll(isTraced).toBe(false);
  });

  it('counts what is above the rate', async () => {
    const io = testIo();
    const seen = running(io, '--topic', 'much', '--rate', '2', '--seconds', '5');
    await expect.poll(isTraced).toBe(true);
    for (let i = 0; i < 6; i++) await publisher.publish({ topic: 'much', qos: 1 });
    // What has not been shown when the time is over is not shown.
    await expect.poll(() => io.outText().trimEnd().split('\n').length).toBe(4);
    await node.clock.advance(2000);
    await node.clock.advance(4000);
    const { out, err } = await seen;
    expect(out.trimEnd().split('\n')).toHaveLength(4);
    expect(err).toContain('up to 4 messages or steps are left out here');
  });
});
