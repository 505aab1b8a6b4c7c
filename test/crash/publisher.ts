/**
 * A publisher with a durable session, in both QoS at once: numbers its messages by topic, keeps a window of unsettled
 * ones over the ends of connections, and begins each connection by sending them again, in order, as a client must.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerPacket } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import type { BrokerProcess } from './broker-process.ts';
import {
  type AckTrace,
  type Ledger,
  payloadOf,
  recordAcknowledgement,
  recordSending,
  recordViolation,
} from './ledger.ts';
import { type Link, runLink } from './link.ts';

const WINDOW = 40;
const RETRY_MS = 5;
const FOREVER_SECONDS = 0xffffffff;
const SHUTTING_DOWN = 0x8b;

interface Pending {
  readonly topic: string;
  readonly number: number;
  readonly qos: 1 | 2;
  readonly payload: string;
  /** PUBREC was seen: only PUBREL is sent from now on. */
  isReceived: boolean;
  /** How often PUBREL was sent: the answer to the first must know the message. */
  releases: number;
}

export interface CrashPublisher {
  readonly name: string;
  /** So many more messages, each to one of the topics in turn. */
  produce(count: number): void;
  /** True when everything produced is acknowledged, and QoS 2 completed. */
  isIdle(): boolean;
  /** Ends the connection; the next begins at once. */
  cut(): void;
  end(): Promise<void>;
}

/** QoS 2 for topics whose name ends with 2, QoS 1 for all others. */
const qosOf = (topic: string): 1 | 2 => (topic.endsWith('2') ? 2 : 1);

export function startPublisher(
  ledger: Ledger,
  broker: BrokerProcess,
  name: string,
  topics: readonly string[],
  /** What is written into the packet; the ledger knows the topic itself. */
  asksFor: (topic: string, payload: string) => string = (topic) => topic,
): CrashPublisher {
  /** By packet identifier, in the order of sending. */
  const pending = new Map<number, Pending>();
  const numbers = new Map<string, number>();
  const violate = (kind: 'session lost' | 'refused' | 'broker', what: string): void =>
    recordViolation(ledger, kind, `${name}: ${what}`);
  let link: Link | undefined;
  let traces: Record<1 | 2, AckTrace> | undefined;
  let owed = 0;
  let packetId = 0;
  let turn = 0;
  /** The broker acknowledged something of the session, so that it may not forget it. */
  let isKept = false;
  let isEnding = false;

  const send = (id: number, message: Pending, dup: boolean): void => {
    if (message.isReceived) {
      message.releases++;
      link?.send(wire.ack('pubrel', id));
      return;
    }
    const { topic, number, qos, payload } = message;
    recordSending(ledger, { source: name, topic, number, qos });
    traces?.[qos].sent.push(number * topics.length + topics.indexOf(topic));
    link?.send(wire.publish({ version: 5, topic: asksFor(topic, payload), payload, qos, dup, packetId: id }));
  };

  const pump = (): void => {
    while (link?.isOpen === true && owed > 0 && pending.size < WINDOW) {
      const topic = topics[turn++ % topics.length];
      if (topic === undefined) return;
      const number = (numbers.get(topic) ?? 0) + 1;
      numbers.set(topic, number);
      do packetId = (packetId % 65_535) + 1;
      while (pending.has(packetId));
      const payload = payloadOf(name, topic, number);
      const message = { topic, number, qos: qosOf(topic), payload, isReceived: false, releases: 0 };
      pending.set(packetId, message);
      owed--;
      send(packetId, message, false);
    }
  };

  const onPacket = (packet: ServerPacket): void => {
    if (packet.type === 'disconnect' && packet.reason !== SHUTTING_DOWN)
      violate('broker', `DISCONNECT with 0x${packet.reason.toString(16)}`);
    if (packet.type !== 'puback' && packet.type !== 'pubrec' && packet.type !== 'pubcomp') return;
    const message = pending.get(packet.packetId);
    if (message === undefined) {
      violate('broker', `${packet.type} for packet ${packet.packetId}, which is not in use`);
      return;
    }
    isKept = true;
    if (packet.type !== 'pubcomp') {
      traces?.[message.qos].answered.push(message.number * topics.length + topics.indexOf(message.topic));
      if (packet.reason >= 0x80) {
        violate('refused', `${message.topic} ${message.number}: 0x${packet.reason.toString(16)}`);
        pending.delete(packet.packetId);
        pump();
        return;
      }
    }
    if (packet.type === 'pubrec') {
      message.isReceived = true;
      send(packet.packetId, message, false);
      return;
    }
    if (packet.type === 'pubcomp' && packet.reason !== 0 && message.releases === 1)
      violate('session lost', `PUBCOMP for ${message.topic} ${message.number} knows no such message`);
    recordAcknowledgement(ledger, message.payload);
    pending.delete(packet.packetId);
    pump();
  };

  const live = async (): Promise<void> => {
    while (!isEnding) {
      const address = await broker.listening();
      await runLink(
        address,
        {
          version: 5,
          clientId: name,
          clean: false,
          properties: [[wire.P.sessionExpiry, FOREVER_SECONDS]],
        },
        {
          onConnack({ reason, sessionPresent }, connected) {
            if (reason !== 0) return connected.cut();
            if (isKept && !sessionPresent) violate('session lost', 'CONNACK without the session');
            isKept &&= sessionPresent;
            traces = { 1: newTrace(ledger, name), 2: newTrace(ledger, name) };
            link = connected;
            for (const [id, message] of pending) send(id, message, true);
            pump();
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

  return {
    name,
    produce(count) {
      owed += count;
      pump();
    },
    isIdle: () => owed === 0 && pending.size === 0,
    cut: () => link?.cut(),
    async end() {
      isEnding = true;
      link?.cut();
      await ended;
    },
  };
}

function newTrace(ledger: Ledger, source: string): AckTrace {
  const trace = { source, sent: [], answered: [] };
  ledger.traces.push(trace);
  return trace;
}
