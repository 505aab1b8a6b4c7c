/** Judges a ledger: what acknowledged messages, their order and their settlement promise, per subscriber and group. */
import {
  type AckTrace,
  type Ledger,
  type Seen,
  type Sent,
  type Subscriber,
  shortened,
  type Violation,
} from './ledger.ts';

type SentByPayload = ReadonlyMap<string, Sent>;

/** All violations, those that clients recorded first. */
export function checkLedger(ledger: Ledger): Violation[] {
  const { sent, subscribers, traces } = ledger;
  const groups = new Map<string, Subscriber[]>();
  for (const subscriber of subscribers) {
    if (subscriber.group === undefined) continue;
    groups.set(subscriber.group, [...(groups.get(subscriber.group) ?? []), subscriber]);
  }
  return [
    ...ledger.violations,
    ...traces.flatMap(checkAcknowledgements),
    ...subscribers.flatMap((subscriber) => checkSubscriber(sent, subscriber)),
    ...[...groups].flatMap(([group, members]) => checkGroup(sent, group, members)),
  ];
}

interface MessageCount {
  deliveries: number;
  fresh: number;
  settled: number;
}

function checkSubscriber(sent: SentByPayload, subscriber: Subscriber): Violation[] {
  const violations: Violation[] = [];
  const counts = new Map<string, MessageCount>();
  /** Highest number by source and topic, of the first deliveries. */
  const highest = new Map<string, number>();
  const add = (kind: Violation['kind'], payload: string, detail = ''): void => {
    violations.push({ kind, what: `${subscriber.name}: ${shortened(payload)}${detail}` });
  };
  for (const seen of subscriber.seen) {
    const { payload } = seen;
    const message = sent.get(payload);
    if (message === undefined || !isDeliveryOf(message, seen, subscriber)) {
      add('phantom', payload, seen.kind === 'delivery' ? ` on ${seen.topic}` : '');
      continue;
    }
    const count = counts.get(payload) ?? { deliveries: 0, fresh: 0, settled: 0 };
    counts.set(payload, count);
    if (seen.kind === 'settled') {
      count.settled++;
      continue;
    }
    count.deliveries++;
    if (!seen.dup) count.fresh++;
    // Each transmission may be a copy of its own with QoS 1; with QoS 2 there is one.
    if (message.qos === 2 && count.deliveries > 1) add('duplicated', payload);
    if (message.qos === 1 && count.settled >= message.transmissions) add('returned', payload);
    else if (message.qos === 1 && count.fresh > message.transmissions) add('repeated without DUP', payload);
    if (count.deliveries > 1 || subscriber.group !== undefined) continue;
    const key = `${message.source} ${message.topic}`;
    const before = highest.get(key) ?? 0;
    if (message.number < before) add('reordered', payload, ` after ${before}`);
    else highest.set(key, message.number);
  }
  if (subscriber.group === undefined) {
    for (const [payload, { topic, acknowledged }] of sent) {
      if (acknowledged && subscriber.takes(topic) && !counts.get(payload)?.deliveries) add('lost', payload);
    }
  }
  return violations;
}

function isDeliveryOf(message: Sent, seen: Seen, subscriber: Subscriber): boolean {
  return subscriber.takes(message.topic) && (seen.kind === 'settled' || seen.topic === message.topic);
}

/**
 * Each acknowledged message came to some member. With QoS 2 to one only: a delivery that began is completed with the
 * same member; with QoS 1 the broker may try another when a connection is lost, so more is not an error.
 */
function checkGroup(sent: SentByPayload, group: string, members: readonly Subscriber[]): Violation[] {
  const receivers = new Map<string, Set<string>>();
  for (const { name, seen } of members) {
    for (const { kind, payload } of seen) {
      if (kind === 'delivery') receivers.set(payload, (receivers.get(payload) ?? new Set()).add(name));
    }
  }
  const violations: Violation[] = [];
  for (const [payload, { topic, qos, acknowledged }] of sent) {
    if (members[0]?.takes(topic) !== true) continue;
    const names = [...(receivers.get(payload) ?? [])];
    const what = `group ${group}: ${shortened(payload)}`;
    if (acknowledged && names.length === 0) violations.push({ kind: 'lost', what });
    if (qos === 2 && names.length > 1) violations.push({ kind: 'duplicated', what: `${what} (${names})` });
  }
  return violations;
}

/** Answers come in the order of what they answer; the end of a connection may cut them off. */
function checkAcknowledgements({ source, sent, answered }: AckTrace): Violation[] {
  let at = 0;
  for (const number of answered) {
    const found = sent.indexOf(number, at);
    if (found !== at) {
      const what = `${source}: ${number} was answered before ${sent[at] ?? 'nothing'}`;
      return [{ kind: 'acknowledged out of order', what }];
    }
    at++;
  }
  return [];
}

export interface RetainedHistory {
  readonly topic: string;
  /** Numbers of the values, in order; 0 when there is none. */
  readonly acknowledged: number;
  readonly sent: number;
  /** Whether a value of this number removes what is retained. */
  removes(number: number): boolean;
}

/** `seen`: the number that a new subscriber got; undefined when nothing came. */
export function checkRetained(history: RetainedHistory, seen: number | undefined): Violation[] {
  const { topic, acknowledged, sent, removes } = history;
  const possible: (number | undefined)[] = acknowledged === 0 ? [undefined] : [];
  for (let number = Math.max(1, acknowledged); number <= sent; number++) {
    possible.push(removes(number) ? undefined : number);
  }
  if (possible.includes(seen)) return [];
  return [{ kind: 'retained', what: `${topic}: ${seen ?? 'nothing'} instead of ${acknowledged} to ${sent}` }];
}

export interface StreamRecord {
  readonly offset: number;
  readonly topic: string;
  readonly payload: string;
}

/**
 * `partitions`: all records of each; `before`: the same read earlier. Captured topics are kept apart by topic, so that
 * all records of one lie in one partition, in order.
 */
export function checkStream(
  sent: SentByPayload,
  captures: (topic: string) => boolean,
  partitions: readonly (readonly StreamRecord[])[],
  before: readonly (readonly StreamRecord[])[],
): Violation[] {
  const violations: Violation[] = [];
  const add = (what: string): void => {
    violations.push({ kind: 'stream', what });
  };
  const copies = new Map<string, number>();
  const homes = new Map<string, number>();
  const highest = new Map<string, number>();
  for (const [number, records] of partitions.entries()) {
    for (const [i, { offset, topic, payload }] of records.entries()) {
      const place = `partition ${number}, offset ${offset}`;
      const expected = (records[0]?.offset ?? 0) + i;
      if (offset !== expected) add(`${place}: offset ${expected} was expected`);
      const message = sent.get(payload);
      if (message === undefined || message.topic !== topic || !captures(topic)) {
        add(`${place}: never published: ${shortened(payload)}`);
        continue;
      }
      const count = (copies.get(payload) ?? 0) + 1;
      copies.set(payload, count);
      if (count > (message.qos === 2 ? 1 : message.transmissions))
        add(`${place}: again ${shortened(payload)}`);
      if ((homes.get(topic) ?? number) !== number) add(`${place}: ${topic} in two partitions`);
      homes.set(topic, number);
      if (count > 1) continue;
      const key = `${message.source} ${topic}`;
      const last = highest.get(key) ?? 0;
      if (message.number < last) add(`${place}: ${shortened(payload)} after ${last}`);
      else highest.set(key, message.number);
    }
    const now = new Map(records.map((record) => [record.offset, record.payload]));
    for (const { offset, payload } of before[number] ?? []) {
      if (now.get(offset) !== payload)
        add(`partition ${number}, offset ${offset}: changed since it was read`);
    }
  }
  for (const [payload, { topic, acknowledged }] of sent) {
    if (acknowledged && captures(topic) && !copies.has(payload)) add(`lost: ${shortened(payload)}`);
  }
  return violations;
}
