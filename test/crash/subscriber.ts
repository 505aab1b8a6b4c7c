/**
 * A subscriber with a durable session that follows the specification to the letter: it keeps the packet identifiers of
 * unfinished QoS 2 deliveries over the ends of connections, acknowledges late and in order, and from time to time asks
 * for something whose answer proves that its acknowledgements before it were processed and kept.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../support/random.ts';
import type { PacketOf, ServerPacket } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import type { BrokerProcess } from './broker-process.ts';
import { type Ledger, recordDelivery, recordViolation, type Subscriber, type Violation } from './ledger.ts';
import { type Link, runLink } from './link.ts';

const FOREVER_SECONDS = 0xffffffff;
const SHUTTING_DOWN = 0x8b;
const NOT_ACCEPTED = 0x83;
const RETRY_MS = 5;
const PROOF_AFTER_ACKS = 40;
const SUBSCRIBE_ID = 65_535;
const PROOF_ID = 65_534;

export interface SubscriberOptions {
  readonly name: string;
  readonly filter: string;
  readonly group?: string;
  takes(topic: string): boolean;
  readonly receiveMaximum: number;
  /** Acknowledgements wait for up to this long, and leave together. */
  readonly maxAckDelayMs: number;
  readonly random: Random;
  /** As what a delivery counts; its own topic unless this says otherwise. */
  originOf?(topic: string): string;
  /** At the first and at each further sight of it. */
  onDelivery?(topic: string, payload: string): void;
  /** Refuses everything: nothing is expected of what it gets. */
  readonly rejects?: boolean;
}

type ProofFilter = 'there' | 'gone' | 'unknown';

interface Answer {
  readonly bytes: Uint8Array;
  readonly packetId: number;
  /** Ends the delivery, so that the broker may begin another. */
  readonly settles: boolean;
  /** Of the delivery whose settlement this is, where its return is watched. */
  readonly payload: string | undefined;
}

export interface CrashSubscriber {
  /** Resolves once the subscription was acknowledged for the first time. */
  readonly subscribed: Promise<void>;
  cut(): void;
  /** Stays away until `resume`. */
  leave(): void;
  resume(): void;
  end(): Promise<void>;
}

export function startSubscriber(
  ledger: Ledger,
  broker: BrokerProcess,
  options: SubscriberOptions,
): CrashSubscriber {
  const { name, random, receiveMaximum } = options;
  const record: Subscriber = { name, group: options.group, takes: options.takes, seen: [] };
  if (options.rejects !== true) ledger.subscribers.push(record);
  const originOf = options.originOf ?? ((topic: string) => topic);
  const violate = (kind: Violation['kind'], what: string): void =>
    recordViolation(ledger, kind, `${name}: ${what}`);

  /** Payloads of QoS 2 deliveries whose PUBREL has not come, by packet identifier. */
  const unreleased = new Map<number, string>();
  /** Of this connection: deliveries that are not settled, acknowledgements not sent, those not yet proven. */
  let outstanding = new Set<number>();
  let owed: Answer[] = [];
  let unproven: string[] = [];
  let asked: string[] | undefined;
  let isFlushDue = false;
  let proofFilter: ProofFilter = 'gone';
  /** What it was when the last proof was asked for. */
  let before: ProofFilter = 'gone';

  let link: Link | undefined;
  let isSubscribed = false;
  let isEnding = false;
  let isAway = false;
  let onSubscribed = (): void => {};
  const subscribed = new Promise<void>((resolve) => {
    onSubscribed = resolve;
  });
  let onResume = (): void => {};

  /** A change of subscriptions is kept like any state, in order: once it is acknowledged, so is what came before. */
  const askForProof = (): void => {
    asked = unproven;
    unproven = [];
    const filter = `proof/${name}`;
    before = proofFilter;
    proofFilter = 'unknown';
    link?.send(
      before === 'gone'
        ? wire.subscribe(5, PROOF_ID, [{ filter, qos: 1 }])
        : wire.unsubscribe(5, PROOF_ID, [filter]),
    );
  };

  /** `isChange`: what was answered changed the session, so that it went the way of all changes. */
  const onProof = (isChange: boolean): void => {
    if (isChange) {
      for (const payload of asked ?? []) record.seen.push({ kind: 'settled', payload });
    }
    asked = undefined;
  };

  const flush = (): void => {
    isFlushDue = false;
    if (link?.isOpen !== true) return;
    for (const { bytes, packetId, settles, payload } of owed) {
      if (settles) outstanding.delete(packetId);
      link.send(bytes);
      if (payload !== undefined) unproven.push(payload);
    }
    owed = [];
    if (asked === undefined && unproven.length >= PROOF_AFTER_ACKS) askForProof();
  };

  const acknowledge = (type: wire.AckType, packetId: number, payload?: string, reason?: number): void => {
    const settles = type !== 'pubrec' || reason !== undefined;
    owed.push({ bytes: wire.ack(type, packetId, reason), packetId, settles, payload });
    if (isFlushDue) return;
    isFlushDue = true;
    const lateMs = random.below(options.maxAckDelayMs);
    if (lateMs === 0) setImmediate(flush);
    else setTimeout(flush, lateMs);
  };

  const onPublish = ({ packetId, qos, topic: named, payload: bytes, dup }: PacketOf<'publish'>): void => {
    const payload = bytes.toString('latin1');
    const topic = originOf(named);
    options.onDelivery?.(topic, payload);
    outstanding.add(packetId);
    if (outstanding.size > receiveMaximum)
      violate('over the receive maximum', `${outstanding.size} of ${receiveMaximum}`);
    if (options.rejects === true) {
      acknowledge(qos === 1 ? 'puback' : 'pubrec', packetId, undefined, NOT_ACCEPTED);
    } else if (qos === 1) {
      recordDelivery(ledger, record, topic, payload, dup);
      acknowledge('puback', packetId, payload);
    } else if (qos === 2) {
      const known = unreleased.get(packetId);
      if (known === undefined) {
        unreleased.set(packetId, payload);
        recordDelivery(ledger, record, topic, payload, dup);
      } else if (known !== payload) {
        violate(
          'identifier reused',
          `${packetId} for ${payload.slice(0, 60)}, unfinished for ${known.slice(0, 60)}`,
        );
      }
      acknowledge('pubrec', packetId);
    } else {
      violate('phantom', `QoS 0 on ${topic}`);
    }
  };

  const onPacket = (packet: ServerPacket): void => {
    if (packet.type === 'publish') {
      onPublish(packet);
    } else if (packet.type === 'pubrel') {
      unreleased.delete(packet.packetId);
      acknowledge('pubcomp', packet.packetId);
    } else if (packet.type === 'suback' && packet.packetId === SUBSCRIBE_ID) {
      isSubscribed = true;
      onSubscribed();
    } else if (packet.type === 'suback') {
      proofFilter = 'there';
      onProof(true);
    } else if (packet.type === 'unsuback') {
      const wasThere = packet.reasons[0] === 0;
      if (before === 'there' && !wasThere) violate('subscription', 'a subscription is gone');
      proofFilter = 'gone';
      onProof(wasThere);
    } else if (packet.type === 'disconnect' && packet.reason !== SHUTTING_DOWN) {
      violate('broker', `DISCONNECT with 0x${packet.reason.toString(16)}`);
    }
  };

  const live = async (): Promise<void> => {
    while (!isEnding) {
      if (isAway) await new Promise<void>((resolve) => (onResume = resolve));
      if (isEnding) return;
      const address = await broker.listening();
      if (isAway || isEnding) continue;
      const properties: wire.Properties = [
        [wire.P.sessionExpiry, FOREVER_SECONDS],
        [wire.P.receiveMaximum, receiveMaximum],
      ];
      await runLink(
        address,
        { version: 5, clientId: name, clean: false, properties },
        {
          onConnack({ reason, sessionPresent }, connected) {
            if (reason !== 0) return connected.cut();
            link = connected;
            outstanding = new Set();
            owed = [];
            unproven = [];
            asked = undefined;
            if (isSubscribed && !sessionPresent) {
              violate('session lost', 'CONNACK without the session');
              unreleased.clear();
              isSubscribed = false;
              proofFilter = 'gone';
            }
            if (!isSubscribed)
              connected.send(wire.subscribe(5, SUBSCRIBE_ID, [{ filter: options.filter, qos: 2 }]));
          },
          onPacket,
          onWrongBytes: (reason) => violate('broker', reason),
        },
      );
      link = undefined;
      if (!isEnding) await delay(RETRY_MS);
    }
  };
  const ended = live();

  const cut = (): void => link?.cut();
  const resume = (): void => {
    isAway = false;
    onResume();
  };
  return {
    subscribed,
    cut,
    leave() {
      isAway = true;
      cut();
    },
    resume,
    async end() {
      isEnding = true;
      cut();
      resume();
      await ended;
    },
  };
}
