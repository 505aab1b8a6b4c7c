import type { ConnectRequest, TestBroker } from '../support/broker.ts';
import { onMosquitto, unique } from '../support/broker.ts';
import type { PacketOf, RawClient, ServerPacket } from '../support/raw-client.ts';
import { describePacket } from '../support/raw-client.ts';
import type * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';

/** CONNECT of a session that outlives its connection, in either version. */
export function persistent(
  version: wire.Version,
  clientId: string,
  more: ConnectRequest = {},
): ConnectRequest {
  const expiry: wire.Properties = version === 5 ? [[P.sessionExpiry, 3600]] : [];
  return { ...more, version, clientId, clean: false, properties: [...expiry, ...(more.properties ?? [])] };
}

/** The server refuses a CONNECT: MQTT 5 by a CONNACK with one of these reasons, MQTT 3 as `v3` says. */
export async function expectConnectRefused(
  client: RawClient,
  reasons: readonly number[],
  v3: 'closes' | number = 'closes',
): Promise<void> {
  const unread = await client.closed();
  const shown = unread.map(describePacket).join('; ') || 'nothing';
  const last = unread.at(-1);
  if (client.version < 5 && v3 === 'closes') {
    if (unread.length > 0) throw new Error(`expected the end of the connection only, got ${shown}`);
    return;
  }
  if (onMosquitto && client.version === 5 && unread.length === 0) return;
  const wanted = client.version < 5 ? [v3] : reasons;
  if (unread.length !== 1 || last?.type !== 'connack' || !wanted.includes(last.reason))
    throw new Error(
      `expected CONNACK ${wanted.map((r) => Number(r).toString(16)).join(' or ')}, got ${shown}`,
    );
}

/** Opens a connection, sends these bytes instead of a CONNECT and expects a refusal. */
export async function refusesConnect(
  broker: TestBroker,
  version: wire.Version,
  bytes: Uint8Array,
  reasons: readonly number[],
  v3: 'closes' | number = 'closes',
): Promise<void> {
  const client = await broker.open(version, 'refused');
  client.send(bytes);
  await expectConnectRefused(client, reasons, v3);
}

/** Sends bytes on a connection that was accepted and expects to be thrown out. */
export async function refuses(
  broker: TestBroker,
  version: wire.Version,
  bytes: Uint8Array,
  ...reasons: readonly number[]
): Promise<void> {
  const client = await broker.connect({ version });
  client.send(bytes);
  await client.expectRefusal(...reasons);
}

export interface Pair {
  readonly publisher: RawClient;
  readonly subscriber: RawClient;
  readonly topic: string;
}

/** A publisher and a subscriber of one fresh topic. */
export async function pair(
  broker: TestBroker,
  version: wire.Version,
  filter: Omit<wire.Filter, 'filter'> = { qos: 2 },
  subscriberRequest: ConnectRequest = {},
): Promise<Pair> {
  const topic = `${unique('topic')}/a`;
  const subscriber = await broker.connect({ version, ...subscriberRequest });
  await subscriber.subscribe([{ ...filter, filter: topic }]);
  const publisher = await broker.connect({ version });
  return { publisher, subscriber, topic };
}

/**
 * Publishes the same message several times and returns what the subscriber got: the first goes through the control
 * plane, the later ones are served by the flow cache where that is on.
 */
export async function deliver(
  { publisher, subscriber }: Pick<Pair, 'publisher' | 'subscriber'>,
  message: Parameters<RawClient['publish']>[0],
  times = 4,
): Promise<PacketOf<'publish'>[]> {
  const got: PacketOf<'publish'>[] = [];
  for (let n = 0; n < times; n++) {
    await publisher.publish(message);
    got.push(await subscriber.message());
  }
  return got;
}

export const publishes = (packets: readonly ServerPacket[]): PacketOf<'publish'>[] =>
  packets.filter((p): p is PacketOf<'publish'> => p.type === 'publish');

export const payloads = (packets: readonly ServerPacket[]): string[] =>
  publishes(packets).map((p) => p.payload.toString());
