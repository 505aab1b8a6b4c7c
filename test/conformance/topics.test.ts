import { describe, expect, test } from 'vitest';
import { startTestBroker, unique, useBroker } from '../support/broker.ts';
import * as wire from '../support/wire.ts';
import { publishes, refuses } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

/** Which of these topics a filter gets, each published more than once (the later ones from the flow cache). */
async function matched(version: wire.Version, filter: string, topics: readonly string[]): Promise<string[]> {
  const client = await broker.connect({ version });
  await client.subscribe([{ filter, qos: 0 }]);
  const publisher = await broker.connect({ version });
  const seen: string[][] = [];
  for (let round = 0; round < 3; round++) {
    for (const topic of topics) await publisher.publish({ topic, qos: 1 });
    seen.push(publishes(await client.barrier()).map((p) => p.topic));
  }
  expect(seen[1]).toEqual(seen[0]);
  expect(seen[2]).toEqual(seen[0]);
  await client.disconnect();
  return seen[0] ?? [];
}

describe('wildcards', () => {
  test('# matches its parent and everything below, + one level', async () => {
    const root = unique('s');
    const topics = [
      root,
      `${root}/`,
      `${root}/a`,
      `${root}/a/b`,
      `${root}/a/b/c`,
      `${root}//b`,
      `/${root}`,
      `${root}x`,
    ];
    const cases: readonly (readonly [string, readonly number[]])[] = [
      [`${root}/#`, [0, 1, 2, 3, 4, 5]],
      [`${root}/+`, [1, 2]],
      [`${root}/+/b`, [3, 5]],
      [`${root}/a/+`, [3]],
      [`${root}/+/#`, [1, 2, 3, 4, 5]],
      [`${root}/+/+`, [3, 5]],
      [`${root}/a/#`, [2, 3, 4]],
      [`+/${root}`, [6]],
      [root, [0]],
      [`${root}/`, [1]],
    ];
    for (const [filter, wanted] of cases)
      expect(await matched(5, filter, topics), filter).toEqual(wanted.map((n) => topics[n]));
  });

  statement('[MQTT-4.7.1-1] [3.1.1 MQTT-4.7.1-2] # stands alone in the last level', async ({ version }) => {
    for (const filter of ['a/#/b', 'a#', '#a', 'a/b#', '##', '#/']) await refusesFilter(version, filter);
  });

  statement('[MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-3] + fills a whole level', async ({ version }) => {
    for (const filter of ['a+', '+a', 'a/b+/c', 'a/+b', '++']) await refusesFilter(version, filter);
    const client = await broker.connect({ version });
    expect((await client.subscribe(['+', '+/+', '/+', 'a/+/b', '+/#'])).reasons).toEqual([2, 2, 2, 2, 2]);
    await client.disconnect();
  });

  /** A filter that is wrong fails in SUBACK (0x8F) or ends the connection; it is never accepted. */
  async function refusesFilter(version: wire.Version, filter: string): Promise<void> {
    const client = await broker.connect({ version });
    client.send(wire.subscribe(version, 1, [{ filter }]));
    const answer = await client.next().catch(() => undefined);
    if (answer?.type === 'suback') expect(answer.reasons).toEqual([version === 5 ? 0x8f : 0x80]);
    else if (version === 5 && answer !== undefined) expect(answer).toMatchObject({ type: 'disconnect' });
    else expect(client.ended).toBe(true);
  }

  statement.ours(
    '[MQTT-4.7.2-1] [3.1.1 MQTT-4.7.2-1] leading wildcards do not match topics that begin with $',
    async ({ version }) => {
      const own = await startTestBroker({ 'sys.interval': '1s' });
      try {
        const wild = await own.connect({ version });
        await wild.subscribe(['#', '+/broker/#', '+/broker/version']);
        const exact = await own.connect({ version });
        await exact.subscribe(['$SYS/#']);
        await own.advance(3000);
        expect((await exact.waitFor('publish')).topic.startsWith('$SYS/')).toBe(true);
        await wild.quiet();
      } finally {
        await own.stop();
      }
    },
  );
});

describe('topics and filters', () => {
  statement(
    '[MQTT-4.7.3-1] [3.1.1 MQTT-4.7.3-1] an empty topic or filter is refused',
    async ({ version }) => {
      await refuses(broker, version, wire.publish({ version, topic: '' }), 0x82, 0x90);
      const client = await broker.connect({ version });
      client.send(wire.subscribe(version, 1, [{ filter: '' }]));
      const answer = await client.next().catch(() => undefined);
      if (answer?.type === 'suback') expect(answer.reasons[0]).toBeGreaterThanOrEqual(0x80);
      else await client.closed();
    },
  );

  statement(
    '[MQTT-4.7.3-2] [3.1.1 MQTT-4.7.3-2] U+0000 in a topic or filter ends the connection',
    async ({ version }) => {
      await refuses(broker, version, wire.publish({ version, topic: 'a\0b' }), 0x81, 0x90);
      await refuses(broker, version, wire.subscribe(version, 1, [{ filter: 'a/\0' }]), 0x81, 0x8f);
      await refuses(broker, version, wire.unsubscribe(version, 1, ['\0']), 0x81, 0x8f);
    },
  );

  statement(
    '[MQTT-4.7.3-3] [3.1.1 MQTT-4.7.3-3] topics and filters of 65,535 bytes work',
    async ({ version }) => {
      const root = unique('long');
      const topic = `${root}/${'x'.repeat(65_535 - root.length - 1)}`;
      const client = await broker.connect({ version });
      expect((await client.subscribe([{ filter: topic, qos: 1 }])).reasons).toEqual([1]);
      for (let n = 0; n < 3; n++) {
        await client.publish({ topic, payload: 'y', qos: 1 });
        expect((await client.message()).topic).toBe(topic);
      }
    },
  );

  statement(
    '[MQTT-4.7.3-4] [3.1.1 MQTT-4.7.3-4] nothing is normalized when matching',
    async ({ version }) => {
      const root = unique('n');
      const topics = [
        'A',
        'a',
        'é',
        'e\u0301',
        ' a',
        'a ',
        '.',
        '\ufeffa',
        '𝒳',
        '(a|b)',
        'a.c',
        '^a$',
        '[a]',
      ].map((name) => `${root}/${name}`);
      for (const topic of topics) expect(await matched(version, topic, topics)).toEqual([topic]);
    },
  );

  test('trap 2 and levels: empty levels are levels', async () => {
    const root = unique('e');
    const topics = [`${root}//`, `${root}/`, `${root}//a`, `//${root}`];
    expect(await matched(5, `${root}/+/+`, topics)).toEqual([topics[0], topics[2]]);
    expect(await matched(5, `+/+/${root}`, topics)).toEqual([topics[3]]);
    expect(await matched(5, `${root}//#`, topics)).toEqual([topics[0], topics[1], topics[2]]);
  });

  test('defect 14: filters are not regular expressions and $SYS/# matches', async () => {
    const root = unique('r');
    expect(await matched(5, `${root}/a.c`, [`${root}/abc`, `${root}/a.c`])).toEqual([`${root}/a.c`]);
    expect(await matched(5, `${root}/.*`, [`${root}/abc`])).toEqual([]);
    const client = await broker.connect();
    expect((await client.subscribe(['$SYS/#', '$SYS/broker/(x'])).reasons).toEqual([2, 2]);
  });

  test.skipIf(process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto')(
    'topics with more levels or bytes than allowed are refused (item 6)',
    async () => {
      const own = await startTestBroker({ 'mqtt.maxTopicLevels': 8, 'mqtt.maxTopicSize': 64 });
      try {
        for (const topic of ['a/'.repeat(8), 'x'.repeat(65)]) {
          const client = await own.connect();
          const suback = await client.subscribe([topic, 'ok']);
          expect(suback.reasons).toEqual([0x8f, 2]);
          client.send(wire.publish({ topic }));
          await client.expectRefusal(0x90);
        }
        const client = await own.connect();
        await client.publish({ topic: 'a/'.repeat(7), qos: 1 });
        await client.publish({ topic: 'x'.repeat(64), qos: 1 });
      } finally {
        await own.stop();
      }
    },
  );
});
