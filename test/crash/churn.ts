/**
 * Messages that are published all the time, a kill in the middle of them included: retained ones, of which a new
 * subscriber gets one that is no older than the last that was acknowledged; and such of QoS 0, which may be lost, but
 * never come twice, and never after a later one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { RawClient, type ServerPacket } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import type { BrokerProcess } from './broker-process.ts';
import { checkRetained } from './check.ts';
import { type Ledger, recordViolation } from './ledger.ts';
import { type Link, runLink } from './link.ts';
import type { Probe } from './probes.ts';

const PERIOD_MS = 5;
const RETRY_MS = 5;
const FOREVER_SECONDS = 0xffffffff;
const RETAINED_TOPIC = 'churn/retained';
const LOOSE_TOPIC = 'churn/loose';
const AWAY_ONE_IN = 3;

interface Party {
  readonly clientId: string;
  readonly lasts: boolean;
  onConnected(link: Link, sessionPresent: boolean): void;
  onPacket(packet: ServerPacket, link: Link): void;
  /** Every few milliseconds. */
  work(link: Link): void;
}

interface Presence {
  /** Stays away until it is called again. */
  setAway(isAway: boolean): void;
  end(): Promise<void>;
}

/** A client that is there whenever the broker is. */
function takePart(broker: BrokerProcess, party: Party): Presence {
  const { clientId, lasts } = party;
  const properties: wire.Properties = lasts ? [[wire.P.sessionExpiry, FOREVER_SECONDS]] : [];
  let isEnding = false;
  let isAway = false;
  let link: Link | undefined;
  const timer = setInterval(() => {
    if (link?.isOpen === true) party.work(link);
  }, PERIOD_MS);
  const live = async (): Promise<void> => {
    while (!isEnding) {
      const address = await broker.listening();
      if (!isAway) {
        await runLink(
          address,
          { version: 5, clientId, clean: !lasts, properties },
          {
            onConnack({ reason, sessionPresent }, connected) {
              if (reason !== 0) return connected.cut();
              link = connected;
              party.onConnected(connected, sessionPresent);
            },
            onPacket: (packet, of) => party.onPacket(packet, of),
            onWrongBytes: () => {},
          },
        );
      }
      link = undefined;
      if (!isEnding) await delay(RETRY_MS);
    }
  };
  const ended = live();
  return {
    setAway(away) {
      isAway = away;
      if (away) link?.cut();
    },
    async end() {
      isEnding = true;
      clearInterval(timer);
      link?.cut();
      await ended;
    },
  };
}

export type Churn = Probe & { end(): Promise<void> };

export function retainedChurn(ledger: Ledger, broker: BrokerProcess): Churn {
  const removes = (number: number): boolean => number % 5 === 0;
  let sent = 0;
  let acknowledged = 0;
  /** Numbers of this connection that are not acknowledged, in order, as their PUBACKs will be. */
  let waiting: number[] = [];
  const publisher = takePart(broker, {
    clientId: 'retained-churn',
    lasts: false,
    onConnected() {
      waiting = [];
    },
    onPacket(packet) {
      if (packet.type === 'puback') acknowledged = waiting.shift() ?? acknowledged;
    },
    work(link) {
      sent++;
      waiting.push(sent);
      const payload = removes(sent) ? '' : String(sent);
      const packetId = (sent % 65_535) + 1;
      link.send(wire.publish({ version: 5, topic: RETAINED_TOPIC, payload, qos: 1, retain: true, packetId }));
    },
  });
  return {
    async prepare() {},
    async examine(address) {
      const before = acknowledged;
      const client = await RawClient.open(address, 5, 'retained-reader');
      client.send(wire.connect({ version: 5, clientId: 'retained-reader' }));
      await client.expect('connack');
      await client.subscribe([{ filter: RETAINED_TOPIC, qos: 0 }]);
      const packets = await client.barrier();
      const seen = packets.find((packet) => packet.type === 'publish' && packet.retain);
      const number = seen?.type === 'publish' ? Number(seen.payload.toString()) : undefined;
      const history = { topic: RETAINED_TOPIC, acknowledged: before, sent, removes };
      ledger.violations.push(...checkRetained(history, number));
      client.socket.destroy();
    },
    async conclude() {},
    end: () => publisher.end(),
  };
}

export function looseChurn(ledger: Ledger, broker: BrokerProcess): Churn {
  let sent = 0;
  let highest = 0;
  const seen = new Set<number>();
  const publisher = takePart(broker, {
    clientId: 'loose-publisher',
    lasts: false,
    onConnected() {},
    onPacket() {},
    work(link) {
      sent++;
      link.send(wire.publish({ version: 5, topic: LOOSE_TOPIC, payload: String(sent), qos: 0 }));
    },
  });
  const subscriber = takePart(broker, {
    clientId: 'loose-subscriber',
    lasts: true,
    onConnected(link, sessionPresent) {
      if (!sessionPresent) link.send(wire.subscribe(5, 1, [{ filter: LOOSE_TOPIC, qos: 0 }]));
    },
    onPacket(packet) {
      if (packet.type !== 'publish') return;
      const number = Number(packet.payload.toString());
      if (seen.has(number)) recordViolation(ledger, 'at most once', `${number} came again after ${highest}`);
      else if (number < highest) recordViolation(ledger, 'reordered', `QoS 0: ${number} after ${highest}`);
      seen.add(number);
      if (number > sent) recordViolation(ledger, 'phantom', `QoS 0: ${number} of ${sent}`);
      highest = Math.max(highest, number);
    },
    work() {},
  });
  return {
    async prepare(_address, round) {
      subscriber.setAway(round % AWAY_ONE_IN === 0);
    },
    async examine() {},
    async conclude() {
      if (highest === 0) recordViolation(ledger, 'broker', 'nothing of QoS 0 came');
    },
    async end() {
      await Promise.all([publisher.end(), subscriber.end()]);
    },
  };
}
