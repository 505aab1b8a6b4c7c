/** Clients of delay and dead letters. Delayed messages come once, in order and not early; what is rejected is found again. */
import { createRandom } from '../support/random.ts';
import type { BrokerProcess } from './broker-process.ts';
import { type Ledger, recordViolation } from './ledger.ts';
import { type CrashPublisher, startPublisher } from './publisher.ts';
import { type CrashSubscriber, startSubscriber } from './subscriber.ts';

const DELAYED = 'later/';
const REJECTED = 'reject/';
const DEAD = 'dead/';
/** For `deadLetter.topic`. */
export const DEAD_LETTER_TOPIC = `${DEAD}{topic}`;

export interface PolicyClients {
  readonly publishers: readonly CrashPublisher[];
  readonly subscribers: readonly CrashSubscriber[];
}

/** Of `later/{seconds}/…`. */
const delayMsOf = (topic: string): number => Number(topic.split('/')[1]) * 1000;

export function startPolicyClients(ledger: Ledger, broker: BrokerProcess, seed: number): PolicyClients {
  /** When a delayed message was first asked for, by topic and place in the order there. */
  const askedAtMs = new Map<string, number>();
  const startedAtMs = Date.now();
  const askFor = (topic: string): string => `$delayed/${delayMsOf(topic) / 1000}/${topic}`;
  const later = startPublisher(
    ledger,
    broker,
    'pub-later',
    [`${DELAYED}1/one`, `${DELAYED}2/qos2`, `${DELAYED}1/qos2`],
    (topic, payload) => {
      if (!askedAtMs.has(payload)) askedAtMs.set(payload, Date.now());
      return askFor(topic);
    },
  );
  const punctual = startSubscriber(ledger, broker, {
    name: 'punctual',
    filter: `${DELAYED}#`,
    takes: (topic) => topic.startsWith(DELAYED),
    receiveMaximum: 60,
    maxAckDelayMs: 5,
    random: createRandom(seed + 400),
    onDelivery(topic, payload) {
      const earlyMs = (askedAtMs.get(payload) ?? startedAtMs) + delayMsOf(topic) - Date.now();
      if (earlyMs > 0) recordViolation(ledger, 'delay', `${payload.slice(0, 60)} came ${earlyMs} ms early`);
    },
  });
  const rejecter = startSubscriber(ledger, broker, {
    name: 'rejecter',
    filter: `${REJECTED}#`,
    takes: () => false,
    receiveMaximum: 20,
    maxAckDelayMs: 10,
    random: createRandom(seed + 401),
    rejects: true,
  });
  const undertaker = startSubscriber(ledger, broker, {
    name: 'undertaker',
    filter: `${DEAD}${REJECTED}#`,
    takes: (topic) => topic.startsWith(REJECTED),
    originOf: (topic) => topic.slice(DEAD.length),
    receiveMaximum: 60,
    maxAckDelayMs: 5,
    random: createRandom(seed + 402),
  });
  const victim = startPublisher(ledger, broker, 'pub-reject', [`${REJECTED}qos2`, `${REJECTED}one`]);
  return { publishers: [later, victim], subscribers: [punctual, rejecter, undertaker] };
}
