/**
 * A publisher that keeps nothing over the end of a connection: its session ends, and what was not acknowledged is
 * published anew with another packet identifier. Each message has an identifier of its own, so that the broker's
 * deduplication alone decides that it comes once. From time to time it repeats what was acknowledged long ago.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../support/random.ts';
import type { ServerPacket } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import type { BrokerProcess } from './broker-process.ts';
import { type Ledger, recordAcknowledgement, recordSending, recordViolation } from './ledger.ts';
import { type Link, runLink } from './link.ts';
import type { CrashPublisher } from './publisher.ts';

export const DEDUPLICATION_PROPERTY = 'id';
const WINDOW = 20;
const RETRY_MS = 5;
const SHUTTING_DOWN = 0x8b;
const REPEATED_ONE_IN = 10;

interface InFlight {
  readonly number: number;
  readonly payload: string;
}

export function startForgetfulPublisher(
  ledger: Ledger,
  broker: BrokerProcess,
  { name, topic, random }: { name: string; topic: string; random: Random },
): CrashPublisher {
  /** Not acknowledged so far, in the order of their numbers. */
  const unsettled = new Map<number, string>();
  const settled = new Set<number>();
  /** Of this connection, by packet identifier. */
  let inFlight = new Map<number, InFlight>();
  /** To be published again on this connection. */
  let again: number[] = [];
  let link: Link | undefined;
  let owed = 0;
  let number = 0;
  let packetId = 0;
  let isEnding = false;

  const publish = (which: number): void => {
    do packetId = (packetId % 65_535) + 1;
    while (inFlight.has(packetId));
    // Exactly once is what is expected, though each transmission is a message of its own to the protocol.
    const payload = recordSending(ledger, { source: name, topic, number: which, qos: 2 });
    inFlight.set(packetId, { number: which, payload });
    if (!settled.has(which)) unsettled.set(which, payload);
    const properties: wire.Properties = [[wire.P.userProperty, [DEDUPLICATION_PROPERTY, `${which}`]]];
    link?.send(wire.publish({ version: 5, topic, payload, qos: 2, packetId, properties }));
  };

  const pump = (): void => {
    while (link?.isOpen === true && inFlight.size < WINDOW) {
      const first = again.shift();
      if (first !== undefined) {
        publish(first);
        continue;
      }
      if (owed === 0) return;
      owed--;
      publish(++number);
      const old = 1 + random.below(number);
      if (random.oneIn(REPEATED_ONE_IN) && settled.has(old)) again.push(old);
    }
  };

  const onPacket = (packet: ServerPacket): void => {
    if (packet.type === 'disconnect' && packet.reason !== SHUTTING_DOWN)
      recordViolation(ledger, 'broker', `${name}: DISCONNECT with 0x${packet.reason.toString(16)}`);
    if (packet.type !== 'pubrec' && packet.type !== 'pubcomp') return;
    const message = inFlight.get(packet.packetId);
    if (message === undefined) {
      recordViolation(
        ledger,
        'broker',
        `${name}: ${packet.type} for ${packet.packetId}, which is not in use`,
      );
      return;
    }
    if (packet.type === 'pubcomp') {
      inFlight.delete(packet.packetId);
      pump();
      return;
    }
    if (packet.reason >= 0x80) {
      recordViolation(ledger, 'refused', `${name}: ${message.number}: 0x${packet.reason.toString(16)}`);
      inFlight.delete(packet.packetId);
    } else {
      link?.send(wire.ack('pubrel', packet.packetId));
      recordAcknowledgement(ledger, message.payload);
      if (unsettled.delete(message.number)) settled.add(message.number);
    }
    pump();
  };

  const live = async (): Promise<void> => {
    while (!isEnding) {
      const address = await broker.listening();
      await runLink(
        address,
        { version: 5, clientId: name, clean: true },
        {
          onConnack({ reason }, connected) {
            if (reason !== 0) return connected.cut();
            inFlight = new Map();
            again = [...unsettled.keys()].sort((a, b) => a - b);
            link = connected;
            pump();
          },
          onPacket,
          onWrongBytes: (reason) => recordViolation(ledger, 'broker', `${name}: ${reason}`),
        },
      );
      link = undefined;
      if (!isEnding) await delay(RETRY_MS);
    }
  };
  const ended = live();

  return {
    name,
    produce(count) {
      owed += count;
      pump();
    },
    isIdle: () => owed === 0 && again.length === 0 && unsettled.size === 0,
    cut: () => link?.cut(),
    async end() {
      isEnding = true;
      link?.cut();
      await ended;
    },
  };
}
