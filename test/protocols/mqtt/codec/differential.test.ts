/**
 * The codec against mqtt-packet, both ways, on valid packets; and what mqtt-packet lets through that MQTT forbids, so
 * that a change on either side is noticed.
 */
import fc from 'fast-check';
import { generate, type Packet as PeerPacket, parser } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { decodePacket, decodeServerPacket } from '../../../../src/protocols/mqtt/codec/decode.ts';
import { encodeForClient, encodeForServer } from '../../../../src/protocols/mqtt/codec/encode.ts';
import {
  type ClientPacket,
  PacketType,
  type ProtocolVersion,
  type ServerPacket,
  type UserProperty,
} from '../../../../src/protocols/mqtt/codec/packets.ts';
import { clientPacket, LIMITS, serverPacket } from './arbitraries.ts';
import { connect4, connect5, frame, judge, type Part, properties } from './frames.ts';

type Fields = Record<string, unknown>;

const NAMES = Object.fromEntries(
  Object.entries(PacketType).map(([name, type]) => [type, name.toLowerCase()]),
);

/** Where the peer's field names or types differ from ours. */
const PEER_FIELDS: Readonly<Record<string, string>> = {
  sessionExpiryIntervalSeconds: 'sessionExpiryInterval',
  messageExpiryIntervalSeconds: 'messageExpiryInterval',
  willDelayIntervalSeconds: 'willDelayInterval',
  serverKeepAliveSeconds: 'serverKeepAlive',
  maximumPacketSizeBytes: 'maximumPacketSize',
  maximumQos: 'maximumQoS',
  subscriptionIdentifiers: 'subscriptionIdentifier',
};

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');

/** The peer keeps user properties in an object: only distinct, non-numeric names survive in order. */
function comparable(packet: ClientPacket | ServerPacket): boolean {
  const sets = [
    'properties' in packet ? packet.properties : {},
    packet.type === PacketType.Connect ? (packet.will?.properties ?? {}) : {},
  ];
  return sets.every((set) => {
    const names = (set.userProperties ?? []).map(([name]) => name);
    return new Set(names).size === names.length && names.every((name) => !/^\d+$/.test(name));
  });
}

function peerProperties(ours: object): Fields {
  const peer: Fields = {};
  for (const [name, value] of Object.entries(ours)) {
    const field = PEER_FIELDS[name] ?? name;
    if (name === 'userProperties') peer[field] = Object.fromEntries(value as UserProperty[]);
    else if (name === 'responseTopic') peer[field] = text(value as Uint8Array);
    else if (name === 'payloadFormatIndicator') peer[field] = value === 1;
    else if (name === 'subscriptionIdentifiers' && (value as number[]).length === 1)
      [peer[field]] = value as number[];
    else peer[field] = value instanceof Uint8Array ? Buffer.from(value) : value;
  }
  return peer;
}

function withProperties(packet: { properties: object }, version: ProtocolVersion): Fields {
  const peer = peerProperties(packet.properties);
  return version === 5 && Object.keys(peer).length > 0 ? { properties: peer } : {};
}

function peerFields(packet: ClientPacket | ServerPacket, version: ProtocolVersion): Fields {
  switch (packet.type) {
    case PacketType.Connect: {
      const { clientId, clean, keepAliveSeconds, userName, password, will, bridge } = packet;
      return {
        ...{ clientId, clean, keepalive: keepAliveSeconds, protocolVersion: version },
        protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
        ...(bridge && { bridgeMode: true }),
        ...(userName !== undefined && { username: userName }),
        ...(password !== undefined && { password: Buffer.from(password) }),
        ...(will !== undefined && {
          will: {
            ...{
              topic: text(will.topic),
              payload: Buffer.from(will.payload),
              qos: will.qos,
              retain: will.retain,
            },
            ...withProperties(will, version),
          },
        }),
      };
    }
    case PacketType.Connack:
      return {
        sessionPresent: packet.sessionPresent,
        [version === 5 ? 'reasonCode' : 'returnCode']: packet.reasonCode,
      };
    case PacketType.Publish: {
      const { dup, qos, retain, packetId, topic, payload } = packet;
      const id = qos > 0 ? { messageId: packetId } : {};
      return { dup, qos, retain, topic: text(topic), payload: Buffer.from(payload), ...id };
    }
    case PacketType.Subscribe:
      return {
        messageId: packet.packetId,
        subscriptions: packet.subscriptions.map(
          ({ filter, qos, noLocal, retainAsPublished, retainHandling }) => ({
            ...{ topic: text(filter), qos },
            ...(version === 5 && { nl: noLocal, rap: retainAsPublished, rh: retainHandling }),
          }),
        ),
      };
    case PacketType.Unsubscribe:
      return { messageId: packet.packetId, unsubscriptions: packet.filters.map(text) };
    case PacketType.Suback:
      return { messageId: packet.packetId, granted: packet.reasonCodes };
    case PacketType.Unsuback:
      return { messageId: packet.packetId, ...(version === 5 && { granted: packet.reasonCodes }) };
    case PacketType.Pingreq:
    case PacketType.Pingresp:
      return {};
    case PacketType.Disconnect:
    case PacketType.Auth:
      return version === 5 ? { reasonCode: packet.reasonCode } : {};
    default:
      return { messageId: packet.packetId, ...(version === 5 && { reasonCode: packet.reasonCode }) };
  }
}

function toPeer(packet: ClientPacket | ServerPacket, version: ProtocolVersion): Fields {
  const set = 'properties' in packet ? withProperties(packet, version) : {};
  return { cmd: NAMES[packet.type], ...peerFields(packet, version), ...set };
}

/** What the peer makes of a frame: the packet or undefined. */
function peerReads(bytes: Uint8Array, version: ProtocolVersion): PeerPacket | undefined {
  const peer = parser({ protocolVersion: version });
  let packet: PeerPacket | undefined;
  let failed = false;
  peer.on('packet', (read) => {
    packet = read;
  });
  peer.on('error', () => {
    failed = true;
  });
  peer.parse(Buffer.from(bytes));
  return failed ? undefined : packet;
}

describe.each<ProtocolVersion>([3, 4, 5])('version %i', (version) => {
  const fromClient = clientPacket(version).filter(comparable);
  const fromServer = serverPacket(version).filter(comparable);

  it('reads what mqtt-packet writes', () => {
    // It writes neither a password without a user name nor an empty client identifier without Clean Start.
    const writable = fromClient.filter((packet) => {
      if (packet.type !== PacketType.Connect) return true;
      const { userName, password, clientId, clean } = packet;
      return (userName !== undefined || password === undefined) && (clientId !== '' || clean);
    });
    fc.assert(
      fc.property(writable, fromServer, (client, server) => {
        const first = client.type === PacketType.Connect ? undefined : version;
        // Its own types do not know all that it can write.
        const written = (packet: ClientPacket | ServerPacket) =>
          generate(toPeer(packet, version) as unknown as PeerPacket, { protocolVersion: version });
        const messageProperties = expect.any(Uint8Array);
        const order = client.type === PacketType.Publish ? { messageProperties } : {};
        const wills =
          client.type === PacketType.Connect && client.will !== undefined
            ? { will: { ...client.will, messageProperties } }
            : {};
        expect(decodePacket(written(client), first, LIMITS)).toEqual({ ...client, ...order, ...wills });
        const serverOrder = server.type === PacketType.Publish ? { messageProperties } : {};
        expect(decodeServerPacket(written(server), version, LIMITS)).toEqual({ ...server, ...serverOrder });
      }),
      { numRuns: 400 },
    );
  });

  it('writes what mqtt-packet reads', () => {
    fc.assert(
      fc.property(fromClient, fromServer, (client, server) => {
        for (const [packet, bytes] of [
          [client, encodeForServer(client, version)],
          [server, encodeForClient(server, version)],
        ] as const) {
          if (bytes === undefined) throw new Error('not encodable');
          expect(peerReads(bytes, version)).toMatchObject(toPeer(packet, version));
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('mqtt-packet accepts and this codec refuses', () => {
  const NONE = properties();
  const publish5 = (...set: readonly Part[]) => frame(0x30, 'a', properties(...set));
  const cases: readonly (readonly [string, ProtocolVersion, Uint8Array])[] = [
    ['text that is not UTF-8', 4, frame(0x30, [0, 1, 0xff])],
    ['U+0000 in text', 4, frame(0x30, 'a\0')],
    ['packet identifier 0', 4, frame(0x32, 'a', 0, 0)],
    ['DUP with QoS 0', 4, frame(0x38, 'a')],
    ['a topic name with wildcards', 4, frame(0x30, 'a/#')],
    ['an empty topic name', 4, frame(0x30, '')],
    ['a malformed topic filter', 4, frame(0x82, 0, 1, 'a#b', 0)],
    ['a malformed shared filter', 4, frame(0x82, 0, 1, '$share//a', 0)],
    ['SUBSCRIBE without a filter', 4, frame(0x82, 0, 1)],
    ['UNSUBSCRIBE without a filter', 4, frame(0xa2, 0, 1)],
    ['bytes behind an acknowledgement', 4, frame(0x40, 0, 1, 9, 9)],
    ['content in PINGREQ', 4, frame(0xc0, 9)],
    ['content in DISCONNECT', 4, frame(0xe0, 9)],
    ['a remaining length that is not in its shortest form', 4, Uint8Array.of(0xc0, 0x80, 0x00)],
    ['a property twice', 5, publish5(0x01, 0, 0x01, 0)],
    ['a property of another packet', 5, publish5(0x21, 0, 9)],
    ['a boolean that is neither 0 nor 1', 5, publish5(0x01, 2)],
    ['topic alias 0', 5, publish5(0x23, 0, 0)],
    ['a subscription identifier from a client', 5, publish5(0x0b, 1)],
    ['a response topic with wildcards', 5, publish5(0x08, 'a/#')],
    ['No Local on a shared subscription', 5, frame(0x82, 0, 1, NONE, '$share/g/a', 4)],
    ['AUTH without a method', 5, frame(0xf0, 0x18, NONE)],
    ['a server’s DISCONNECT reason from a client', 5, frame(0xe0, 0x8b, NONE)],
  ];
  it.each(cases)('%s', (_name, version, bytes) => {
    expect(peerReads(bytes, version)).toBeDefined();
    expect(judge(bytes, version)).toBeTypeOf('string');
  });

  const connects: readonly (readonly [string, Uint8Array])[] = [
    ['a protocol name with the level of another', frame(0x10, 'MQIsdp', 4, 2, 0, 0, 'c')],
    ['bytes behind CONNECT', connect4(2, 'c', 9)],
    ['Will QoS 3', connect4(0x1e, 'c', 'w', 'm')],
    ['a password without a user name in 3.1.1', connect4(0x42, 'c', 'pw')],
    ['a Will Topic with wildcards', connect4(6, 'c', 'w/#', 'm')],
    ['Receive Maximum 0', connect5(2, properties(0x21, 0, 0), 'c')],
    ['Authentication Data without a method', connect5(2, properties(0x16, 'x'), 'c')],
  ];
  it.each(connects)('%s', (_name, bytes) => {
    expect(peerReads(bytes, 4)).toBeDefined();
    expect(judge(bytes, undefined)).toBeTypeOf('string');
  });
});
