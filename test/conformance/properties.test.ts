import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import { property } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P, type Properties, type PropertyValue } from '../support/wire.ts';
import { deliver, pair, refuses, refusesConnect } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

const SAMPLE: Readonly<Record<number, PropertyValue>> = {
  [P.payloadFormat]: 1,
  [P.messageExpiry]: 10,
  [P.contentType]: 'x',
  [P.responseTopic]: 'r',
  [P.correlationData]: Buffer.from([1]),
  [P.subscriptionId]: 5,
  [P.sessionExpiry]: 5,
  [P.assignedClientId]: 'x',
  [P.serverKeepAlive]: 5,
  [P.authMethod]: 'x',
  [P.authData]: Buffer.from([1]),
  [P.requestProblemInfo]: 1,
  [P.willDelay]: 1,
  [P.requestResponseInfo]: 1,
  [P.responseInfo]: 'x',
  [P.serverReference]: 'x',
  [P.reasonString]: 'x',
  [P.receiveMaximum]: 5,
  [P.topicAliasMaximum]: 5,
  [P.topicAlias]: 1,
  [P.maximumQos]: 1,
  [P.retainAvailable]: 1,
  [P.userProperty]: ['k', 'v'],
  [P.maximumPacketSize]: 500,
  [P.wildcardAvailable]: 1,
  [P.subscriptionIdAvailable]: 1,
  [P.sharedAvailable]: 1,
};

const ALL = Object.keys(SAMPLE).map(Number);
const one = (id: number): Properties => [[id, SAMPLE[id] ?? 0]];

interface Place {
  readonly name: string;
  /** Identifiers a client may send here. */
  readonly allowed: readonly number[];
  readonly bytes: (list: Properties) => Buffer;
}

const CONNECT_ALLOWED = [
  P.sessionExpiry,
  P.receiveMaximum,
  P.maximumPacketSize,
  P.topicAliasMaximum,
  P.requestResponseInfo,
  P.requestProblemInfo,
  P.userProperty,
  P.authMethod,
  P.authData,
];
const WILL_ALLOWED = [
  P.willDelay,
  P.payloadFormat,
  P.messageExpiry,
  P.contentType,
  P.responseTopic,
  P.correlationData,
  P.userProperty,
];

const PLACES: readonly Place[] = [
  {
    name: 'PUBLISH',
    allowed: [
      P.payloadFormat,
      P.messageExpiry,
      P.topicAlias,
      P.responseTopic,
      P.correlationData,
      P.userProperty,
      P.contentType,
    ],
    bytes: (list) => wire.publish({ topic: 'p', payload: 'x', properties: list }),
  },
  {
    name: 'SUBSCRIBE',
    allowed: [P.subscriptionId, P.userProperty],
    bytes: (list) => wire.subscribe(5, 1, [{ filter: 'p' }], list),
  },
  { name: 'UNSUBSCRIBE', allowed: [P.userProperty], bytes: (list) => wire.unsubscribe(5, 1, ['p'], list) },
  ...(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const).map((type) => ({
    name: type.toUpperCase(),
    allowed: [P.reasonString, P.userProperty],
    bytes: (list: Properties) => wire.ack(type, 1, 0, list),
  })),
  {
    name: 'DISCONNECT',
    // Server Reference makes sense from servers only, but nothing forbids it.
    allowed: [P.sessionExpiry, P.reasonString, P.userProperty, P.serverReference],
    bytes: (list) => wire.disconnect(0, list),
  },
];

describe('which properties a packet may have', () => {
  for (const place of PLACES) {
    test(`trap 16: ${place.name} is refused with any other property, and with a property twice (item 7)`, async () => {
      for (const id of ALL.filter((i) => !place.allowed.includes(i)))
        await refuses(broker, 5, place.bytes(one(id)), 0x81, 0x82);
      for (const id of place.allowed.filter((i) => i !== P.userProperty))
        await refuses(broker, 5, place.bytes([...one(id), ...one(id)]), 0x82, 0x81);
    });
  }

  test('trap 16: CONNECT is refused with any other property, and with a property twice (item 7)', async () => {
    for (const id of ALL.filter((i) => !(CONNECT_ALLOWED as readonly number[]).includes(i)))
      await refusesConnect(
        broker,
        5,
        wire.connect({ clientId: unique(), properties: one(id) }),
        [0x81, 0x82],
      );
    for (const id of CONNECT_ALLOWED.filter((i) => i !== P.userProperty)) {
      const list = [...(id === P.authData ? one(P.authMethod) : []), ...one(id), ...one(id)];
      await refusesConnect(broker, 5, wire.connect({ clientId: unique(), properties: list }), [0x81, 0x82]);
    }
  });

  test('trap 16: a will is refused with any other property, and with a property twice (item 7)', async () => {
    const bytes = (list: Properties) =>
      wire.connect({ clientId: unique(), will: { topic: 'w', properties: list } });
    for (const id of ALL.filter((i) => !(WILL_ALLOWED as readonly number[]).includes(i)))
      await refusesConnect(broker, 5, bytes(one(id)), [0x81, 0x82]);
    for (const id of WILL_ALLOWED.filter((i) => i !== P.userProperty))
      await refusesConnect(broker, 5, bytes([...one(id), ...one(id)]), [0x81, 0x82]);
  });

  test('all the properties CONNECT may have are accepted together', async () => {
    const list = CONNECT_ALLOWED.filter((id) => id !== P.authMethod && id !== P.authData).flatMap(one);
    const will = { topic: unique('w'), properties: WILL_ALLOWED.flatMap(one) };
    const client = await broker.connect({ properties: list, will });
    await client.disconnect(0, [...one(P.reasonString), ...one(P.userProperty), ...one(P.sessionExpiry)]);
  });

  test('unknown property identifiers end the connection', async () => {
    for (const id of [0x00, 0x04, 0x0a, 0x2b, 0x7f]) {
      const list = Buffer.concat([wire.varint(2), wire.byte(id), wire.byte(1)]);
      await refuses(broker, 5, wire.packet(0x30, wire.sized('a'), list), 0x81, 0x82);
    }
  });

  test('a property that is cut, or property bytes beyond the packet, end the connection', async () => {
    const publish = (...list: number[]) => wire.packet(0x30, wire.sized('a'), Buffer.from(list));
    for (const bytes of [
      publish(2, P.messageExpiry, 0),
      publish(1, P.userProperty),
      publish(9, P.payloadFormat, 1),
      publish(4, P.userProperty, 0, 9, 1),
      publish(6, P.userProperty, 0, 1, 0x61, 0, 2),
      publish(0x80),
    ])
      await refuses(broker, 5, bytes, 0x81);
  });

  test('trap 16: values outside their range end the connection (item 7)', async () => {
    await refuses(broker, 5, wire.publish({ topic: 'a', properties: [[P.payloadFormat, 2]] }), 0x82, 0x81);
    for (const id of [P.requestProblemInfo, P.requestResponseInfo])
      await refusesConnect(
        broker,
        5,
        wire.connect({ clientId: unique(), properties: [[id, 2]] }),
        [0x82, 0x81],
      );
    for (const id of [P.receiveMaximum, P.maximumPacketSize])
      await refusesConnect(
        broker,
        5,
        wire.connect({ clientId: unique(), properties: [[id, 0]] }),
        [0x82, 0x81],
      );
  });

  test('trap 16: authentication data without a method are a protocol error', async () => {
    const bytes = wire.connect({ clientId: unique(), properties: one(P.authData) });
    await refusesConnect(broker, 5, bytes, [0x82, 0x81]);
  });
});

describe('lengths', () => {
  statement('[MQTT-1.5.5-1] variable byte integers longer than needed are refused', async ({ version }) => {
    await refuses(broker, version, Buffer.from([0xc0, 0x80, 0x00]), 0x81);
    await refuses(broker, version, Buffer.from([0x30, 0x83, 0x00, 0x00, 0x01, 0x61]), 0x81);
    await refuses(broker, version, wire.packet(0x30, wire.sized('a'), Buffer.from([0x80, 0x00])), 0x81);
    const id = Buffer.from([3, P.subscriptionId, 0x81, 0x00]);
    await refuses(broker, version, wire.packet(0x82, wire.u16(1), id, wire.sized('a'), wire.byte(0)), 0x81);
  });

  test('trap 15: a remaining length of more than four bytes ends the connection (item 3)', async () => {
    for (const version of [4, 5] as const)
      await refuses(broker, version, Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]), 0x81);
  });

  statement('[MQTT-2.2.2-1] no properties are a property length of zero', async () => {
    const client = await broker.connect();
    client.send(wire.subscribe(5, 1, [{ filter: unique('t') }]));
    expect((await client.expect('suback')).frame.toString('hex')).toBe('900400010000');
    // Left out where it has to be is malformed.
    await refuses(broker, 5, wire.packet(0x30, wire.sized('a')), 0x81);
  });

  test('reason code and properties of acknowledgements may be left out', async () => {
    const both = await pair(broker, 5);
    for (const [reason, list] of [
      [undefined, undefined],
      [0, undefined],
      [0, []],
      [0x10, [[P.reasonString, 'why']]],
    ] as const) {
      await both.publisher.publish({ topic: both.topic, qos: 1 });
      const got = await both.subscriber.expect('publish');
      both.subscriber.send(wire.ack('puback', got.packetId, reason, list));
      await both.publisher.publish({ topic: both.topic, qos: 2 });
      const two = await both.subscriber.expect('publish');
      both.subscriber.send(wire.ack('pubrec', two.packetId, reason, list));
      await both.subscriber.expect('pubrel');
      both.subscriber.send(wire.ack('pubcomp', two.packetId, reason === 0x10 ? 0 : reason, list));
    }
    await both.subscriber.quiet();
  });

  statement(
    '[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] unknown reason codes in acknowledgements are refused',
    async () => {
      for (const type of ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const)
        for (const reason of [0x01, 0x7f, 0xff])
          await refuses(broker, 5, wire.ack(type, 1, reason), 0x81, 0x82);
    },
  );
});

describe('Request Problem Information', () => {
  statement(
    '[MQTT-3.1.2-29] 0 keeps reason strings out of all but CONNACK, PUBLISH and DISCONNECT',
    async () => {
      const client = await broker.connect({ properties: [[P.requestProblemInfo, 0]] });
      const topic = unique('t');
      await client.publish({ topic: '$SYS/x', qos: 1 });
      await client.publish({ topic: '$SYS/x', qos: 2 });
      await client.unsubscribe(['nothing']);
      client.send(wire.ack('pubrel', 99));
      await client.barrier();
      for (const packet of client.received.filter((p) => p.type !== 'connack'))
        expect(packet.properties).toEqual([]);
      // User properties of messages are not the server's.
      await client.subscribe([topic]);
      for (const got of await deliver(
        { publisher: client, subscriber: client },
        { topic, properties: one(P.userProperty) },
        3,
      ))
        expect(property(got, P.userProperty)).toEqual(['k', 'v']);
    },
  );
});

describe('Request Response Information', () => {
  const told = useBroker({ 'mqtt.responseInformation': 'response/é/' });

  statement('[MQTT-3.1.2-28] without it no Response Information is sent', async () => {
    for (const list of [[], [[P.requestResponseInfo, 0]]] as const) {
      const client = await told.connect({ properties: list });
      expect(client.connack && property(client.connack, P.responseInfo)).toBeUndefined();
    }
  });

  statement.ours('[MQTT-3.1.2-28] with it the client is told what is configured', async () => {
    const client = await told.connect({ properties: [[P.requestResponseInfo, 1]] });
    expect(client.connack && property(client.connack, P.responseInfo)).toBe('response/é/');
  });

  statement.ours('[MQTT-3.1.2-28] with it and nothing configured there is none', async () => {
    const client = await broker.connect({ properties: [[P.requestResponseInfo, 1]] });
    expect(client.connack && property(client.connack, P.responseInfo)).toBeUndefined();
  });
});
