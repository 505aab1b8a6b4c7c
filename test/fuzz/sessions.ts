/**
 * What the fuzz tests start from: sessions of clients as they really are, packet by packet, of all versions and
 * packet types, with legal properties. Mutation makes them wrong afterwards.
 */
import type { Random } from '../support/random.ts';
import * as wire from '../support/wire.ts';

/** Only the second is known where a test provides methods. */
const AUTH_METHODS = ['none-such', 'steps'];
const LEVELS = ['a', 'b', 'sensor', '', '温度', '+', '$x', 'é'];
const FILTER_LEVELS = [...LEVELS, '+', '+', '#'];

export function topicOf(random: Random): string {
  const levels = Array.from({ length: 1 + random.below(4) }, () => random.pick(LEVELS)).filter(
    (l) => l !== '+',
  );
  return levels.join('/') || 'a';
}

export function filterOf(random: Random): string {
  const levels: string[] = [];
  for (let i = 1 + random.below(4); i > 0; i--) {
    const level = random.pick(FILTER_LEVELS);
    levels.push(level);
    if (level === '#') break;
  }
  const filter = levels.join('/') || '#';
  return random.oneIn(6) ? `$share/g${random.below(3)}/${filter}` : filter;
}

function messageProperties(random: Random): wire.Properties {
  const list: (readonly [number, wire.PropertyValue])[] = [];
  if (random.oneIn(5)) list.push([wire.P.payloadFormat, random.below(2)]);
  if (random.oneIn(6)) list.push([wire.P.messageExpiry, random.below(100)]);
  if (random.oneIn(6)) list.push([wire.P.contentType, 'text/plain']);
  if (random.oneIn(6)) list.push([wire.P.responseTopic, 'answer/here']);
  if (random.oneIn(6)) list.push([wire.P.correlationData, random.bytes(random.below(20))]);
  for (let i = random.below(3); i > 0; i--) list.push([wire.P.userProperty, [`k${random.below(9)}`, 'v']]);
  return list;
}

export function connectOf(random: Random, version: wire.Version, clientId: string): Buffer {
  const isFive = version === 5;
  const list: (readonly [number, wire.PropertyValue])[] = [];
  if (isFive) {
    if (random.oneIn(3)) list.push([wire.P.sessionExpiry, random.below(100)]);
    if (random.oneIn(5)) list.push([wire.P.receiveMaximum, 1 + random.below(50)]);
    if (random.oneIn(5)) list.push([wire.P.maximumPacketSize, 20 + random.below(1000)]);
    if (random.oneIn(5)) list.push([wire.P.topicAliasMaximum, random.below(10)]);
    if (random.oneIn(9)) list.push([wire.P.requestProblemInfo, random.below(2)]);
    if (random.oneIn(9)) list.push([wire.P.requestResponseInfo, random.below(2)]);
    if (random.oneIn(12))
      list.push([wire.P.authMethod, random.pick(AUTH_METHODS)], [wire.P.authData, random.bytes(8)]);
    if (random.oneIn(6)) list.push([wire.P.userProperty, ['client', 'fuzz']]);
  }
  const will: wire.WillOptions = {
    topic: topicOf(random),
    payload: random.bytes(random.below(30)),
    qos: random.below(3),
    retain: random.oneIn(4),
    ...(isFive && { properties: [[wire.P.willDelay, random.below(10)], ...messageProperties(random)] }),
  };
  return wire.connect({
    version,
    clientId,
    clean: random.below(3) > 0,
    keepAlive: random.below(100),
    properties: list,
    ...(random.oneIn(3) && { will }),
    ...(random.oneIn(3) && { username: 'user', password: random.bytes(5) }),
  });
}

export function publishOf(random: Random, version: wire.Version): Buffer {
  const qos = random.below(3);
  const list: (readonly [number, wire.PropertyValue])[] = [];
  if (version === 5) {
    list.push(...messageProperties(random));
    if (random.oneIn(4)) list.push([wire.P.topicAlias, 1 + random.below(12)]);
  }
  const hasAlias = list.some(([id]) => id === wire.P.topicAlias);
  return wire.publish({
    version,
    topic: hasAlias && random.oneIn(2) ? '' : topicOf(random),
    payload: random.oneIn(40) ? Buffer.alloc(random.below(20_000), 120) : random.bytes(random.below(60)),
    qos,
    retain: random.oneIn(6),
    dup: qos > 0 && random.oneIn(5),
    packetId: 1 + random.below(20),
    properties: list,
  });
}

const ACKS = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const;

function ackOf(random: Random, version: wire.Version): Buffer {
  const type = random.pick(ACKS);
  const packetId = 1 + random.below(20);
  if (version < 5 || random.below(3) > 0) return wire.ack(type, packetId);
  const reason =
    type === 'pubrel' || type === 'pubcomp' ? random.pick([0, 0x92]) : random.pick([0, 0x10, 0x80, 0x97]);
  return random.oneIn(2)
    ? wire.ack(type, packetId, reason)
    : wire.ack(type, packetId, reason, [[wire.P.reasonString, 'because']]);
}

function subscribeOf(random: Random, version: wire.Version): Buffer {
  const filters = Array.from({ length: 1 + random.below(3) }, (): wire.Filter => {
    const filter = filterOf(random);
    return version < 5
      ? { filter, qos: random.below(3) }
      : {
          filter,
          qos: random.below(3),
          noLocal: !filter.startsWith('$share') && random.oneIn(4),
          retainAsPublished: random.oneIn(3),
          retainHandling: random.below(3),
        };
  });
  const list: wire.Properties = random.oneIn(3) ? [[wire.P.subscriptionId, 1 + random.below(400)]] : [];
  return wire.subscribe(version, 1 + random.below(20), filters, list);
}

/** A packet that a connected client may send. */
export function packetOf(random: Random, version: wire.Version): Buffer {
  const kind = random.below(20);
  if (kind < 9) return publishOf(random, version);
  if (kind < 12) return ackOf(random, version);
  if (kind < 16) return subscribeOf(random, version);
  if (kind < 17) return wire.unsubscribe(version, 1 + random.below(20), [filterOf(random), filterOf(random)]);
  if (kind < 18) return wire.pingreq();
  if (kind < 19 && version === 5) {
    const list: wire.Properties = [[wire.P.authMethod, random.pick(AUTH_METHODS)]];
    return wire.auth(random.pick([0x18, 0x19]), list);
  }
  if (!random.oneIn(4)) return wire.pingreq();
  return version === 5
    ? wire.disconnect(random.pick([0, 4]), [[wire.P.sessionExpiry, 5]])
    : wire.disconnect();
}

/** CONNECT and some packets after it. */
export function sessionOf(
  random: Random,
  version: wire.Version,
  clientId: string,
  packets: number,
): Buffer[] {
  const session = [connectOf(random, version, clientId)];
  for (let i = 0; i < packets; i++) session.push(packetOf(random, version));
  return session;
}
