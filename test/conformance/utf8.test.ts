import { describe, expect, test } from 'vitest';
import { startTestBroker, unique, useBroker } from '../support/broker.ts';
import { property } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P, type Version } from '../support/wire.ts';
import { deliver, pair, refuses, refusesConnect } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

const ILL_FORMED: Readonly<Record<string, readonly number[]>> = {
  'a lone continuation byte': [0x80],
  'a cut two-byte sequence': [0xc3],
  'a cut three-byte sequence': [0xe2, 0x82],
  'a cut four-byte sequence': [0xf0, 0x9f, 0x92],
  'an over-long slash of two bytes': [0xc0, 0xaf],
  'an over-long slash of three bytes': [0xe0, 0x80, 0xaf],
  'an over-long NUL': [0xc0, 0x80],
  'an over-long four-byte sequence': [0xf0, 0x82, 0x82, 0xac],
  'U+D800': [0xed, 0xa0, 0x80],
  'U+DFFF': [0xed, 0xbf, 0xbf],
  'a surrogate pair': [0xed, 0xa0, 0xbd, 0xed, 0xb2, 0xa9],
  'above U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
  'a five-byte sequence': [0xf8, 0x88, 0x80, 0x80, 0x80],
  '0xFE': [0xfe],
  '0xFF': [0xff],
};

/** Sends the text wherever a client can put one and expects to be thrown out each time. */
async function refusedEverywhere(version: Version, bad: Uint8Array): Promise<void> {
  const inText = Buffer.concat([Buffer.from('a'), bad, Buffer.from('b')]);
  const clientId = unique();
  await refusesConnect(broker, version, wire.connect({ version, clientId: inText }), [0x81, 0x85]);
  await refusesConnect(broker, version, wire.connect({ version, clientId, username: inText }), [0x81, 0x86]);
  await refusesConnect(
    broker,
    version,
    wire.connect({ version, clientId, will: { topic: inText } }),
    [0x81, 0x90],
  );
  await refuses(broker, version, wire.publish({ version, topic: inText }), 0x81, 0x90);
  await refuses(broker, version, wire.subscribe(version, 1, [{ filter: inText }]), 0x81, 0x8f);
  await refuses(broker, version, wire.unsubscribe(version, 1, [inText]), 0x81, 0x8f);
  if (version < 5) return;
  for (const id of [P.contentType, P.responseTopic])
    await refuses(broker, 5, wire.publish({ topic: 'a', properties: [[id, inText]] }), 0x81);
  await refuses(broker, 5, wire.disconnect(0, [[P.reasonString, inText]]), 0x81);
}

describe('strings', () => {
  statement(
    '[MQTT-1.5.4-1] [3.1.1 MQTT-1.5.3-1] ill-formed UTF-8 ends the connection, wherever it is',
    async ({ version }) => {
      for (const bytes of Object.values(ILL_FORMED)) await refusedEverywhere(version, Buffer.from(bytes));
    },
  );

  statement(
    '[MQTT-1.5.4-2] [3.1.1 MQTT-1.5.3-2] U+0000 ends the connection, wherever it is',
    async ({ version }) => {
      await refusedEverywhere(version, Buffer.from([0]));
    },
  );

  statement('[MQTT-1.5.4-3] [3.1.1 MQTT-1.5.3-3] a byte order mark is kept', async ({ version }) => {
    const topic = `\ufeff${unique('bom')}/\ufeff`;
    const client = await broker.connect({ version, clientId: `\ufeff${unique()}` });
    await client.subscribe([{ filter: topic, qos: 0 }]);
    for (const got of await deliver({ publisher: client, subscriber: client }, { topic }))
      expect(got.topic).toBe(topic);
    await client.publish({ topic: topic.replaceAll('\ufeff', ''), qos: 1 });
    await client.quiet();
  });

  statement('[MQTT-1.5.7-1] both halves of a string pair are checked', async () => {
    for (const bad of [Buffer.from([0xff]), Buffer.from([0x61, 0x00])]) {
      for (const pair of [
        [bad, 'v'],
        ['k', bad],
      ] as const) {
        await refuses(broker, 5, wire.publish({ topic: 'a', properties: [[P.userProperty, pair]] }), 0x81);
        await refuses(broker, 5, wire.subscribe(5, 1, [{ filter: 'a' }], [[P.userProperty, pair]]), 0x81);
        const bytes = wire.connect({ clientId: unique(), properties: [[P.userProperty, pair]] });
        await refusesConnect(broker, 5, bytes, [0x81]);
      }
    }
  });

  test('trap 14: characters of every length pass unchanged', async () => {
    for (const version of [4, 5] as const) {
      const both = await pair(broker, version);
      const topic = `${both.topic}/é漢😀\u007f\uffff\u{10ffff}\u0001`;
      await both.subscriber.subscribe([{ filter: topic, qos: 0 }]);
      for (const got of await deliver(both, { topic, payload: 'x' })) expect(got.topic).toBe(topic);
    }
  });

  test('payloads and binary data are not text', async () => {
    const both = await pair(broker, 5);
    const bytes = Buffer.from(Object.values(ILL_FORMED).flat());
    for (const got of await deliver(both, {
      topic: both.topic,
      payload: bytes,
      properties: [[P.correlationData, bytes]],
    })) {
      expect(got.payload.equals(bytes)).toBe(true);
      expect(property(got, P.correlationData)).toEqual(bytes);
    }
    const client = await broker.connect({
      username: 'u',
      password: bytes,
      will: { topic: unique('w'), payload: bytes },
    });
    await client.disconnect();
  });

  test.skipIf(process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto')(
    'trap 14: control characters and non-characters are refused where configured',
    async () => {
      const own = await startTestBroker({ 'mqtt.strictUtf8': true });
      try {
        for (const character of ['\u0001', '\u001f', '\u007f', '\u009f', '\ufdd0', '\ufffe', '\u{1ffff}'])
          await refuses(own, 5, wire.publish({ topic: `a${character}` }), 0x81, 0x90);
        await (await own.connect()).publish({ topic: 'é', qos: 1 });
      } finally {
        await own.stop();
      }
    },
  );
});
