/**
 * What a kill must not undo, probed once a round beside the traffic: retained messages, wills, message expiry, and which
 * subscriptions there are. `prepare` runs before the kill and resolves once all is acknowledged, `examine` after the
 * next start, `conclude` after the last.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Address, type PacketOf, property, RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { checkRetained } from './check.ts';
import { type Ledger, recordViolation } from './ledger.ts';

const FOREVER_SECONDS = 0xffffffff;
/** What has not come when nothing has for so long does not come. */
const STILL_MS = 10_000;
const durable: wire.Properties = [[wire.P.sessionExpiry, FOREVER_SECONDS]];

export interface Probe {
  prepare(address: Address, round: number): Promise<void>;
  examine(address: Address, round: number): Promise<void>;
  conclude(address: Address): Promise<void>;
}

async function open(address: Address, options: wire.ConnectOptions): Promise<RawClient> {
  const client = await RawClient.open(address, 5, String(options.clientId ?? ''));
  client.send(wire.connect({ version: 5, ...options }));
  client.connack = await client.expect('connack');
  if (client.connack.reason !== 0) throw new Error(`CONNACK with ${client.connack.reason}`);
  return client;
}

/** All that comes for a moment, acknowledged; when it is not all that is expected, that moment is a long one. */
async function collect(
  client: RawClient,
  quietMs: number,
  isComplete: (found: readonly PacketOf<'publish'>[]) => boolean,
): Promise<PacketOf<'publish'>[]> {
  const found: PacketOf<'publish'>[] = [];
  let lastMs = performance.now();
  for (;;) {
    await delay(quietMs);
    const packets = (await client.barrier()).filter((packet) => packet.type === 'publish');
    if (packets.length === 0) {
      if (isComplete(found) || performance.now() - lastMs > STILL_MS) return found;
      continue;
    }
    lastMs = performance.now();
    for (const packet of packets) await client.complete(packet);
    found.push(...packets);
  }
}

/** A few topics whose value changes every round; every third change removes it. */
export function retainedProbe(ledger: Ledger): Probe {
  const topics = ['retained/a', 'retained/b', 'retained/c/d'];
  const removes = (number: number): boolean => number % 3 === 0;
  const values = new Map(topics.map((topic) => [topic, 0]));
  return {
    async prepare(address) {
      const client = await open(address, { clientId: 'retained-publisher' });
      for (const [i, topic] of topics.entries()) {
        const number = (values.get(topic) ?? 0) + 1 + i;
        const payload = removes(number) ? '' : String(number);
        await client.publish({ topic, payload, qos: 1 + (i % 2), retain: true });
        values.set(topic, number);
      }
      client.socket.destroy();
    },
    async examine(address) {
      const client = await open(address, { clientId: '' });
      await client.subscribe([{ filter: 'retained/#', qos: 2 }]);
      const seen = new Map<string, number>();
      const present = [...values.values()].filter((number) => number > 0 && !removes(number)).length;
      const packets = await collect(client, 20, (found) => found.length >= present);
      for (const { topic, payload } of packets) seen.set(topic, Number(payload.toString()));
      for (const [topic, number] of values) {
        const history = { topic, acknowledged: number, sent: number, removes };
        ledger.violations.push(...checkRetained(history, seen.get(topic)));
      }
      client.socket.destroy();
    },
    async conclude() {},
  };
}

const EXPIRY_SECONDS = 7200;

/** Some clients lose their broker and leave a will; others leave in peace, or have a will that is not due for an hour. */
export function willProbe(ledger: Ledger): Probe {
  const due = new Map<string, number>();
  const never = new Set<string>();
  const seen = new Map<string, number>();
  let watcher: RawClient | undefined;
  let isWatching = false;
  const watch = async (address: Address): Promise<void> => {
    watcher?.socket.destroy();
    watcher = await open(address, { clientId: 'will-watcher', clean: false, properties: durable });
    if (!isWatching) await watcher.subscribe([{ filter: 'wills/#', qos: 2 }]);
    else if (!watcher.connack?.sessionPresent) recordViolation(ledger, 'session lost', 'will-watcher');
    isWatching = true;
  };
  const take = async (isLast = false): Promise<void> => {
    if (watcher === undefined) return;
    const isComplete = (found: readonly PacketOf<'publish'>[]): boolean => {
      const topics = new Set(found.map(({ topic }) => topic));
      return !isLast || [...due.keys()].every((topic) => seen.has(topic) || topics.has(topic));
    };
    for (const packet of await collect(watcher, 20, isComplete)) {
      const { topic } = packet;
      seen.set(topic, (seen.get(topic) ?? 0) + 1);
      const left = Number(property(packet, wire.P.messageExpiry) ?? 0);
      if (due.has(topic) && (left === 0 || left > EXPIRY_SECONDS))
        recordViolation(ledger, 'will', `${topic} has ${left} s left`);
    }
  };
  const withWill = (address: Address, topic: string, delaySeconds: number): Promise<RawClient> =>
    open(address, {
      clientId: `client of ${topic}`,
      clean: false,
      properties: durable,
      will: {
        topic,
        payload: topic,
        qos: 2,
        properties: [
          [wire.P.willDelay, delaySeconds],
          [wire.P.messageExpiry, EXPIRY_SECONDS],
        ],
      },
    });
  return {
    async prepare(address, round) {
      await watch(address);
      for (const delaySeconds of [0, 1]) {
        const topic = `wills/${round}/due-${delaySeconds}`;
        await withWill(address, topic, delaySeconds);
        due.set(topic, delaySeconds);
      }
      await withWill(address, `wills/${round}/in-an-hour`, 3600);
      never.add(`wills/${round}/in-an-hour`);
      const calm = await withWill(address, `wills/${round}/calm`, 0);
      await calm.disconnect(0);
      // Acknowledged, and kept for the watcher itself, after the end of the calm one was processed.
      await watcher?.publish({ topic: 'wills/proof', payload: 'x', qos: 1 });
      never.add(`wills/${round}/calm`);
      await take();
    },
    async examine(address) {
      await watch(address);
      await take();
    },
    async conclude(address) {
      await watch(address);
      await delay(1500);
      await take(true);
      watcher?.socket.destroy();
      for (const topic of due.keys()) {
        const times = seen.get(topic) ?? 0;
        if (times !== 1) recordViolation(ledger, 'will', `${topic} came ${times} times`);
      }
      for (const topic of never) {
        if (seen.has(topic)) recordViolation(ledger, 'will', `${topic} came`);
      }
    },
  };
}

/** Messages that expire, or do not, while their subscriber is away over all restarts. */
export function expiryProbe(ledger: Ledger): Probe {
  const lasting = new Map<string, number>();
  const clientId = 'expiry-subscriber';
  const LASTING_SECONDS = 3600;
  let isSubscribed = false;
  return {
    async prepare(address, round) {
      if (!isSubscribed) {
        const subscriber = await open(address, { clientId, clean: false, properties: durable });
        await subscriber.subscribe([{ filter: 'expiry/#', qos: 1 }]);
        await subscriber.disconnect();
        isSubscribed = true;
      }
      const publisher = await open(address, { clientId: 'expiry-publisher' });
      const publish = async (payload: string, seconds: number): Promise<void> => {
        const properties: wire.Properties = [[wire.P.messageExpiry, seconds]];
        await publisher.publish({ topic: 'expiry/message', payload, qos: 1, properties });
      };
      await publish(`short ${round}`, 1);
      await publish(`lasting ${round}`, LASTING_SECONDS);
      lasting.set(`lasting ${round}`, performance.now());
      publisher.socket.destroy();
      // Published when its client is lost, with the broker at the latest; over long before anybody asks for it.
      const will = { topic: 'expiry/message', payload: `will ${round}`, qos: 1 };
      const properties: wire.Properties = [[wire.P.messageExpiry, 1]];
      await open(address, {
        clientId: `expiring will ${round}`,
        clean: false,
        properties: durable,
        will: { ...will, properties },
      });
    },
    async examine() {},
    async conclude(address) {
      await delay(1200);
      const subscriber = await open(address, { clientId, clean: false, properties: durable });
      const seen = await collect(subscriber, 50, (found) => found.length >= lasting.size);
      subscriber.socket.destroy();
      const violate = (what: string): void => recordViolation(ledger, 'expiry', what);
      if (subscriber.connack?.sessionPresent !== true) violate('the session is gone');
      for (const packet of seen) {
        const payload = packet.payload.toString();
        const since = lasting.get(payload);
        if (since === undefined) {
          violate(`${payload} came`);
          continue;
        }
        const left = Number(property(packet, wire.P.messageExpiry) ?? Number.NaN);
        const passed = (performance.now() - since) / 1000;
        const isRight = left <= LASTING_SECONDS && left >= LASTING_SECONDS - passed - 2;
        if (!isRight) violate(`${payload} has ${left} s left`);
      }
      const order = seen.map(({ payload }) => payload.toString());
      if (JSON.stringify(order) !== JSON.stringify([...lasting.keys()]))
        violate(`${order} came instead of ${[...lasting.keys()]}`);
    },
  };
}

/** A session that moves its one subscription on every round, and never asks for it again. */
export function subscriptionProbe(ledger: Ledger): Probe {
  const clientId = 'moving-subscriber';
  const filterOf = (round: number): string => `moving/${round}/+`;
  let last: number | undefined;
  return {
    async prepare(address, round) {
      const client = await open(address, { clientId, clean: false, properties: durable });
      await client.subscribe([{ filter: filterOf(round), qos: 1 }]);
      if (last !== undefined) await client.unsubscribe([filterOf(last)]);
      last = round;
      client.socket.destroy();
    },
    async examine(address, round) {
      const publisher = await open(address, { clientId: 'moving-publisher' });
      for (const number of [round - 1, round])
        await publisher.publish({ topic: `moving/${number}/x`, payload: `${round}: ${number}`, qos: 1 });
      publisher.socket.destroy();
      const client = await open(address, { clientId, clean: false, properties: durable });
      const isOwn = (payload: Buffer): boolean => payload.toString().startsWith(`${round}: `);
      const packets = await collect(client, 20, (found) => found.some(({ payload }) => isOwn(payload)));
      const all = packets.map(({ payload }) => payload.toString());
      client.socket.destroy();
      // Those of earlier rounds may come again: nothing proved that their acknowledgement was kept.
      const seen = all.filter((payload) => payload.startsWith(`${round}: `));
      if (seen.join() !== `${round}: ${round}`)
        recordViolation(ledger, 'subscription', `round ${round}: got ${seen.join() || 'nothing'}`);
    },
    async conclude() {},
  };
}
