/** Generators of valid packets for the codec's property tests. */
import fc from 'fast-check';
import { encodeMessageProperties } from '../../../../src/protocols/mqtt/codec/encode-publish.ts';
import {
  type ClientPacket,
  type CodecLimits,
  type ConnectPacket,
  PacketType,
  type ProtocolVersion,
  type PublishPacket,
  type Qos,
  type ServerPacket,
  type Will,
} from '../../../../src/protocols/mqtt/codec/packets.ts';
import { mayCarry, type Sender } from '../../../../src/protocols/mqtt/codec/reason-codes.ts';

export const LIMITS: CodecLimits = {
  maxPacketBytes: 1_000_000,
  maxTopicBytes: 65_535,
  maxTopicLevels: 1_000,
  maxFiltersPerPacket: 100,
  maxUserProperties: 100,
  topicAliasMaximum: 65_535,
  strictUtf8: false,
};

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Any text MQTT allows, among it multi-byte characters, surrogate pairs and the byte order mark. */
const character = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...'abcXYZ019 _-') },
  { weight: 1, arbitrary: fc.constantFrom('\u0001', '\u007f', 'é', '€', '\ufeff', '\uffff', '😀', '𝄞') },
);
const text = fc.string({ unit: character, maxLength: 12 });
const bytes = fc.uint8Array({ maxLength: 20 });
const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const positive16 = fc.integer({ min: 1, max: 0xffff });
const positive32 = fc.integer({ min: 1, max: 0xffffffff });
const subscriptionId = fc.integer({ min: 1, max: 268_435_455 });
const qos = fc.constantFrom<Qos>(0, 1, 2);
const level = fc.string({ unit: character, maxLength: 6 });

export const topicName = fc
  .array(level, { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
  .filter((name) => name.length > 0)
  .map(utf8);

const plainFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 3 }), fc.boolean())
  .map(([levels, hash]) => [...levels, ...(hash ? ['#'] : [])].join('/'))
  .filter((filter) => filter.length > 0);
const shareName = fc.string({ unit: character, minLength: 1, maxLength: 5 });
const sharedFilter = fc.tuple(shareName, plainFilter).map(([group, filter]) => `$share/${group}/${filter}`);

const userProperties = fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 3 });
const common = { userProperties };
const withReason = { reasonString: text, ...common };

/** Each field present or absent. */
function some<T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> {
  return fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;
}

/** On MQTT 5 only: `{}` otherwise. */
function only5<T extends object>(
  version: ProtocolVersion,
  properties: fc.Arbitrary<T>,
): fc.Arbitrary<T | object> {
  return version === 5 ? properties : fc.constant({});
}

const messageFields = {
  payloadFormatIndicator: fc.constant<0>(0),
  messageExpiryIntervalSeconds: uint32,
  contentType: text,
  responseTopic: topicName,
  correlationData: bytes,
  ...common,
};

function reasonCode(version: ProtocolVersion, type: PacketType, sender: Sender): fc.Arbitrary<number> {
  if (version !== 5) return fc.constant(0);
  const codes = Array.from({ length: 256 }, (_, code) => code).filter((code) => mayCarry(type, sender, code));
  return fc.constantFrom(...codes);
}

function will(version: ProtocolVersion): fc.Arbitrary<Will> {
  const properties = only5(version, some({ ...messageFields, willDelayIntervalSeconds: uint32 }));
  return fc
    .record({ topic: topicName, payload: bytes, qos, retain: fc.boolean(), properties })
    .map((made) => ({ ...made, messageProperties: encodeMessageProperties(made.properties) }));
}

function connect(version: ProtocolVersion): fc.Arbitrary<ConnectPacket> {
  const authentication = fc.oneof(
    fc.constant({}),
    some({ authenticationData: bytes }).map((data) => ({ authenticationMethod: 'SCRAM', ...data })),
  );
  const properties = fc
    .tuple(
      some({
        sessionExpiryIntervalSeconds: uint32,
        receiveMaximum: positive16,
        maximumPacketSizeBytes: positive32,
        topicAliasMaximum: uint16,
        requestResponseInformation: fc.boolean(),
        requestProblemInformation: fc.boolean(),
        ...common,
      }),
      authentication,
    )
    .map(([some, more]) => ({ ...some, ...more }));
  return fc
    .record({
      bridge: version === 5 ? fc.constant(false) : fc.boolean(),
      clean: fc.boolean(),
      keepAliveSeconds: uint16,
      // Below MQTT 5 the encoder has no empty client identifier for a session that is kept.
      clientId: version === 5 ? text : text.map((id) => `c${id}`),
      will: fc.option(will(version), { nil: undefined }),
      userName: fc.option(text, { nil: undefined }),
      password: fc.option(bytes, { nil: undefined }),
      properties: only5(version, properties),
    })
    .map((made) => ({
      ...{ type: PacketType.Connect, version, ...made },
      password: version !== 5 && made.userName === undefined ? undefined : made.password,
    }));
}

export function publish(version: ProtocolVersion, sender: Sender): fc.Arbitrary<PublishPacket> {
  const oneHop = some({
    topicAlias: positive16,
    ...(sender === 'server' && {
      subscriptionIdentifiers: fc.array(subscriptionId, { minLength: 1, maxLength: 3 }),
    }),
  });
  const properties = fc.tuple(some(messageFields), oneHop).map(([message, hop]) => ({ ...message, ...hop }));
  return fc
    .record({
      ...{ dup: fc.boolean(), qos, retain: fc.boolean(), packetId: positive16, topic: topicName },
      ...{ payload: bytes, properties: only5<PublishPacket['properties']>(version, properties) },
      aliasAlone: fc.boolean(),
    })
    .map(({ aliasAlone, ...made }) => ({
      ...{ type: PacketType.Publish, ...made },
      dup: made.dup && made.qos > 0,
      packetId: made.qos > 0 ? made.packetId : 0,
      topic: aliasAlone && 'topicAlias' in made.properties ? utf8('') : made.topic,
      messageProperties: encodeMessageProperties(made.properties),
      payloadNotUtf8: false,
    }));
}

function either(version: ProtocolVersion, sender: Sender) {
  const acks = [PacketType.Puback, PacketType.Pubrec, PacketType.Pubrel, PacketType.Pubcomp].map((type) =>
    fc.record({
      type: fc.constant(type),
      packetId: positive16,
      reasonCode: reasonCode(version, type, sender),
      properties: only5(version, some(withReason)),
    }),
  );
  const auth = fc.record({
    type: fc.constant(PacketType.Auth),
    reasonCode: reasonCode(version, PacketType.Auth, sender),
    properties: some({ authenticationData: bytes, ...withReason }).map((properties) => ({
      authenticationMethod: 'SCRAM',
      ...properties,
    })),
  });
  return fc.oneof(publish(version, sender), ...acks, ...(version === 5 ? [auth] : []));
}

export function clientPacket(version: ProtocolVersion): fc.Arbitrary<ClientPacket> {
  const option = fc
    .record({
      filter: plainFilter.map(utf8),
      qos,
      noLocal: fc.boolean(),
      retainAsPublished: fc.boolean(),
      retainHandling: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
    })
    .map((made) => (version === 5 ? made : { ...made, ...NO_OPTIONS }));
  const shared = fc
    .record({ filter: sharedFilter.map(utf8), qos })
    .map((made) => ({ ...made, ...NO_OPTIONS }));
  return fc.oneof(
    connect(version),
    fc.record({
      type: fc.constant(PacketType.Subscribe),
      packetId: positive16,
      subscriptions: fc.array(fc.oneof(option, shared), { minLength: 1, maxLength: 4 }),
      properties: only5(version, some({ subscriptionIdentifier: subscriptionId, ...common })),
    }),
    fc.record({
      type: fc.constant(PacketType.Unsubscribe),
      packetId: positive16,
      filters: fc.array(fc.oneof(plainFilter, sharedFilter).map(utf8), { minLength: 1, maxLength: 4 }),
      properties: only5(version, some(common)),
    }),
    fc.record({ type: fc.constant(PacketType.Pingreq) }),
    fc.record({
      type: fc.constant(PacketType.Disconnect),
      reasonCode: reasonCode(version, PacketType.Disconnect, 'client'),
      properties: only5(version, some({ sessionExpiryIntervalSeconds: uint32, ...withReason })),
    }),
    either(version, 'client'),
  );
}

const NO_OPTIONS = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

export function serverPacket(version: ProtocolVersion): fc.Arbitrary<ServerPacket> {
  const connackProperties = some({
    sessionExpiryIntervalSeconds: uint32,
    receiveMaximum: positive16,
    maximumQos: fc.constantFrom<0 | 1>(0, 1),
    retainAvailable: fc.boolean(),
    maximumPacketSizeBytes: positive32,
    assignedClientIdentifier: text,
    topicAliasMaximum: uint16,
    wildcardSubscriptionAvailable: fc.boolean(),
    subscriptionIdentifiersAvailable: fc.boolean(),
    sharedSubscriptionAvailable: fc.boolean(),
    serverKeepAliveSeconds: uint16,
    responseInformation: text,
    serverReference: text,
    authenticationMethod: text,
    authenticationData: bytes,
    ...withReason,
  });
  const connack = fc
    .record({
      sessionPresent: fc.boolean(),
      reasonCode: reasonCode(version, PacketType.Connack, 'server'),
      properties: only5(version, connackProperties),
    })
    .map((made) => ({
      ...{ type: PacketType.Connack, ...made },
      sessionPresent: version !== 3 && made.reasonCode === 0 && made.sessionPresent,
    }));
  const listed = (type: typeof PacketType.Suback | typeof PacketType.Unsuback) =>
    fc.record({
      type: fc.constant(type),
      packetId: positive16,
      reasonCodes:
        version !== 5 && type === PacketType.Unsuback
          ? fc.constant<number[]>([])
          : fc.array(reasonCode(version, type, 'server'), { minLength: 1, maxLength: 5 }),
      properties: only5(version, some(withReason)),
    });
  const disconnect = fc.record({
    type: fc.constant(PacketType.Disconnect),
    reasonCode: reasonCode(version, PacketType.Disconnect, 'server'),
    properties: some({ serverReference: text, ...withReason }),
  });
  return fc.oneof(
    connack,
    listed(PacketType.Suback),
    listed(PacketType.Unsuback),
    fc.record({ type: fc.constant(PacketType.Pingresp) }),
    either(version, 'server'),
    ...(version === 5 ? [disconnect] : []),
  );
}
