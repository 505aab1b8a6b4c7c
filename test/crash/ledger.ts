/**
 * What clients of a broker that is killed again and again did and saw. Nothing here judges: check.ts does, after the
 * last round, and its tests forge ledgers. A message is known by its payload, which says who published it, where, and
 * as which of its publications, so that every byte that comes back can be compared with what was sent.
 */

export interface Sent {
  readonly source: string;
  readonly topic: string;
  /** 1, 2, 3 … by source and topic. */
  readonly number: number;
  readonly qos: 1 | 2;
  /** How often the publisher may have sent it: each may have become a message of its own with QoS 1. */
  transmissions: number;
  /** The publisher saw PUBACK, or PUBREC of a flow that it completed. */
  acknowledged: boolean;
}

export type Seen =
  | { readonly kind: 'delivery'; readonly topic: string; readonly payload: string; readonly dup: boolean }
  /** The broker has provably processed the acknowledgement of one delivery of this message. */
  | { readonly kind: 'settled'; readonly payload: string };

export interface Subscriber {
  readonly name: string;
  /** Of a shared subscription; undefined when the messages are its own. */
  readonly group: string | undefined;
  takes(topic: string): boolean;
  readonly seen: Seen[];
}

/** What one connection of a publisher sent and was answered, by number of the message. */
export interface AckTrace {
  readonly source: string;
  readonly sent: number[];
  readonly answered: number[];
}

export interface Violation {
  readonly kind:
    | 'lost'
    | 'duplicated'
    | 'reordered'
    | 'phantom'
    | 'returned'
    | 'repeated without DUP'
    | 'acknowledged out of order'
    | 'session lost'
    | 'identifier reused'
    | 'over the receive maximum'
    | 'refused'
    | 'retained'
    | 'will'
    | 'expiry'
    | 'delay'
    | 'at most once'
    | 'subscription'
    | 'stream'
    | 'broker';
  readonly what: string;
}

export interface Ledger {
  /** By payload. */
  readonly sent: Map<string, Sent>;
  readonly subscribers: Subscriber[];
  readonly traces: AckTrace[];
  /** What clients saw go wrong at once. */
  readonly violations: Violation[];
  /** Grows with everything that clients send and see: still for a while means that all is done. */
  events: number;
}

export const createLedger = (): Ledger => ({
  sent: new Map(),
  subscribers: [],
  traces: [],
  violations: [],
  events: 0,
});

const MAX_FILLER_CHARS = 700;

/** Of different lengths, so that bodies lie at all offsets of blocks and some span them. */
export function payloadOf(source: string, topic: string, number: number): string {
  const filler = ((number * 7919) % MAX_FILLER_CHARS) + 1;
  return `${source}|${topic}|${number}|${'.'.repeat(filler)}`;
}

/** The beginning of a payload, for messages about it. */
export const shortened = (payload: string): string => payload.slice(0, 80).replace(/\.+$/, '');

export function recordSending(
  ledger: Ledger,
  message: Pick<Sent, 'source' | 'topic' | 'number' | 'qos'>,
): string {
  const payload = payloadOf(message.source, message.topic, message.number);
  const sent = ledger.sent.get(payload);
  if (sent === undefined) ledger.sent.set(payload, { ...message, transmissions: 1, acknowledged: false });
  else sent.transmissions++;
  ledger.events++;
  return payload;
}

export function recordAcknowledgement(ledger: Ledger, payload: string): void {
  const sent = ledger.sent.get(payload);
  if (sent === undefined) return;
  sent.acknowledged = true;
  ledger.events++;
}

export function recordDelivery(
  ledger: Ledger,
  to: Subscriber,
  topic: string,
  payload: string,
  dup: boolean,
): void {
  to.seen.push({ kind: 'delivery', topic, payload, dup });
  ledger.events++;
}

export function recordViolation(ledger: Ledger, kind: Violation['kind'], what: string): void {
  ledger.violations.push({ kind, what });
}

/** Deliveries that acknowledged messages are still owed to subscribers: none when all has come. */
export function outstanding(ledger: Ledger): number {
  const acknowledged = [...ledger.sent].filter(([, { acknowledged }]) => acknowledged);
  const owners = new Map<string, Subscriber[]>();
  for (const subscriber of ledger.subscribers) {
    const name = subscriber.group ?? `single ${subscriber.name}`;
    owners.set(name, [...(owners.get(name) ?? []), subscriber]);
  }
  let missing = 0;
  for (const members of owners.values()) {
    const seen = new Set(members.flatMap((member) => member.seen.map(({ payload }) => payload)));
    for (const [payload, { topic }] of acknowledged) {
      if (members[0]?.takes(topic) === true && !seen.has(payload)) missing++;
    }
  }
  return missing;
}
