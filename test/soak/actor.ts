/** One life of a client: it connects, does some of what clients do, and ends well or badly. */
import type { RunningNode } from '../../src/node.ts';
import type { Random } from '../support/random.ts';
import { type Address, RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';

/** Few identifiers for many clients: takeovers are frequent. */
const CLIENT_IDS = 60;
export const RETAINED_TOPICS = Array.from({ length: 20 }, (_, i) => `soak/kept/${i}`);
export const MAX_EXPIRY_SECONDS = 30;

export interface Tally {
  lives: number;
  messages: number;
  takenOver: number;
}

const topicOf = (random: Random): string => `soak/${random.below(5)}/${random.below(8)}`;

function filterOf(random: Random): string {
  const filter = random.pick([
    topicOf(random),
    `soak/${random.below(5)}/+`,
    'soak/#',
    'soak/kept/+',
    `own/${random.below(1000)}/#`,
  ]);
  return random.oneIn(5) ? `$share/g${random.below(3)}/${filter}` : filter;
}

function connectOf(random: Random): wire.ConnectOptions {
  const version = random.pick([3, 4, 5, 5] as const);
  const isFive = version === 5;
  const properties: wire.Properties = isFive
    ? [
        [wire.P.sessionExpiry, random.pick([0, 0, 1, MAX_EXPIRY_SECONDS])],
        [wire.P.receiveMaximum, random.pick([1, 5, 1000])],
      ]
    : [];
  const will: wire.WillOptions = {
    topic: topicOf(random),
    payload: 'will',
    qos: random.below(3),
    ...(isFive && { properties: [[wire.P.willDelay, random.below(5)]] }),
  };
  return {
    version,
    clientId: `soak-${random.below(CLIENT_IDS)}`,
    clean: random.oneIn(2),
    keepAlive: random.pick([0, 5, 60]),
    properties,
    ...(random.oneIn(2) && { will }),
  };
}

/**
 * A reset, as a network that is lost looks to the server. Not where the server has ended already: Node's own end of the
 * socket is under way then, and a reset in that moment never gives its handle back.
 */
function reset(client: RawClient): void {
  if (client.ended || client.socket.writableEnded) client.socket.destroy();
  else client.socket.resetAndDestroy();
}

/** Ends before CONNECT, or inside of it. */
async function stillborn(address: Address, random: Random): Promise<void> {
  const client = await RawClient.open(address, 5, 'stillborn');
  if (random.oneIn(2))
    client.send(wire.connect({ clientId: 'x'.repeat(40) }).subarray(0, 1 + random.below(30)));
  if (random.oneIn(2)) client.socket.end();
  else reset(client);
  await client.closed().catch(() => {});
}

async function work(client: RawClient, random: Random, tally: Tally): Promise<void> {
  const { version } = client;
  for (let steps = random.below(6); steps > 0 && !client.ended; steps--) {
    const kind = random.below(5);
    if (kind === 0) {
      await client.subscribe([{ filter: filterOf(random), qos: random.below(3) }]);
    } else if (kind === 1) {
      await client.unsubscribe([filterOf(random)]);
    } else {
      const retain = random.oneIn(6);
      const topic = retain ? random.pick(RETAINED_TOPICS) : topicOf(random);
      const payload = random.oneIn(20) ? 'x'.repeat(30_000) : `message ${tally.messages}`;
      for (let i = 1 + random.below(5); i > 0; i--) {
        const qos = random.below(3);
        client.send(wire.publish({ version, topic, payload, qos, retain, packetId: client.nextPacketId() }));
        tally.messages++;
      }
    }
    // Acknowledges some of what came, and leaves the rest unanswered: in flight when the connection ends.
    for (const packet of await client.barrier()) {
      if (random.oneIn(4)) continue;
      if (packet.type === 'publish' && packet.qos === 1) client.send(wire.ack('puback', packet.packetId));
      if (packet.type === 'publish' && packet.qos === 2) client.send(wire.ack('pubrec', packet.packetId));
      if (packet.type === 'pubrec' && packet.reason < 0x80) client.send(wire.ack('pubrel', packet.packetId));
      if (packet.type === 'pubrel') client.send(wire.ack('pubcomp', packet.packetId));
    }
  }
}

export async function live(node: RunningNode, address: Address, random: Random, tally: Tally): Promise<void> {
  tally.lives++;
  if (random.oneIn(12)) return stillborn(address, random);
  const options = connectOf(random);
  const client = await RawClient.open(address, options.version ?? 5, String(options.clientId));
  try {
    client.send(wire.connect(options));
    await client.expect('connack');
    await work(client, random, tally);
    if (random.oneIn(2)) client.send(wire.disconnect());
  } catch (error) {
    // Another life took the identifier, or a keep alive ran out: time passes quickly here.
    if (!client.ended) throw error;
    tally.takenOver++;
  }
  if (random.oneIn(2)) client.socket.end();
  else reset(client);
  await client.closed().catch(() => {});
  client.socket.destroy();
  if (node.mqtt.state.connections > 10_000) throw new Error('connections pile up');
}
