/** The checker finds what it is there for: ledgers that are right, and each with one thing wrong. */
import { describe, expect, it } from 'vitest';
import { checkLedger, checkRetained, checkStream, type StreamRecord } from './check.ts';
import {
  createLedger,
  type Ledger,
  outstanding,
  payloadOf,
  recordAcknowledgement,
  recordDelivery,
  recordSending,
  recordViolation,
  type Subscriber,
} from './ledger.ts';

const TOPIC = { 1: 'q1', 2: 'q2' } as const;
const payload = (qos: 1 | 2, number: number): string => payloadOf('p', TOPIC[qos], number);

function subscriber(name: string, group?: string): Subscriber {
  return { name, group, takes: (topic) => topic.startsWith('q'), seen: [] };
}

/** Three messages of this QoS, acknowledged, and subscribers that saw nothing yet. */
function published(qos: 1 | 2, ...subscribers: Subscriber[]): Ledger {
  const ledger = createLedger();
  ledger.subscribers.push(...subscribers);
  for (const number of [1, 2, 3]) {
    recordSending(ledger, { source: 'p', topic: TOPIC[qos], number, qos });
    recordAcknowledgement(ledger, payload(qos, number));
  }
  return ledger;
}

function deliver(ledger: Ledger, to: Subscriber, qos: 1 | 2, ...numbers: number[]): void {
  for (const number of numbers) recordDelivery(ledger, to, TOPIC[qos], payload(qos, number), false);
}

const again = (ledger: Ledger, to: Subscriber, qos: 1 | 2, number: number): void =>
  recordDelivery(ledger, to, TOPIC[qos], payload(qos, number), true);
const kinds = (ledger: Ledger): string[] => checkLedger(ledger).map(({ kind }) => kind);

describe.each([1, 2] as const)('a ledger of QoS %i', (qos) => {
  it('is right when all came once, in order', () => {
    const s = subscriber('s');
    const ledger = published(qos, s);
    expect(outstanding(ledger)).toBe(3);
    deliver(ledger, s, qos, 1, 2, 3);
    expect(checkLedger(ledger)).toEqual([]);
    expect(outstanding(ledger)).toBe(0);
  });

  it('shows a lost message', () => {
    const s = subscriber('s');
    const ledger = published(qos, s);
    deliver(ledger, s, qos, 1, 3);
    expect(kinds(ledger)).toEqual(['lost']);
  });

  it('does not miss what was never acknowledged', () => {
    const s = subscriber('s');
    const ledger = published(qos, s);
    recordSending(ledger, { source: 'p', topic: TOPIC[qos], number: 4, qos });
    deliver(ledger, s, qos, 1, 2, 3);
    expect(kinds(ledger)).toEqual([]);
  });

  it('shows messages out of order', () => {
    const s = subscriber('s');
    const ledger = published(qos, s);
    deliver(ledger, s, qos, 2, 1, 3);
    expect(kinds(ledger)).toEqual(['reordered']);
  });

  it.each([
    ['another payload', 'q1', 'p|q1|1|forged'],
    ['another topic', 'q9', payload(qos, 1)],
  ])('shows what was never published: %s', (_, topic, forged) => {
    const s = subscriber('s');
    const ledger = published(qos, s);
    deliver(ledger, s, qos, 1, 2, 3);
    recordDelivery(ledger, s, topic, forged, false);
    expect(kinds(ledger)).toEqual(['phantom']);
  });

  it('shows a message that no member of a group got', () => {
    const [a, b] = [subscriber('a', 'g'), subscriber('b', 'g')];
    const ledger = published(qos, a, b);
    deliver(ledger, a, qos, 3);
    deliver(ledger, b, qos, 1);
    expect(kinds(ledger)).toEqual(['lost']);
    deliver(ledger, b, qos, 2);
    expect(kinds(ledger)).toEqual([]);
    expect(outstanding(ledger)).toBe(0);
  });
});

describe('repetition', () => {
  it('of QoS 2 is an error however it is marked', () => {
    const s = subscriber('s');
    const ledger = published(2, s);
    deliver(ledger, s, 2, 1, 2, 3);
    again(ledger, s, 2, 2);
    expect(kinds(ledger)).toEqual(['duplicated']);
  });

  it('of QoS 2 in a group is an error across members', () => {
    const [a, b] = [subscriber('a', 'g'), subscriber('b', 'g')];
    const ledger = published(2, a, b);
    deliver(ledger, a, 2, 1, 2);
    deliver(ledger, b, 2, 2, 3);
    expect(kinds(ledger)).toEqual(['duplicated']);
  });

  it('of QoS 1 is allowed with DUP, and without when the publisher repeated itself', () => {
    const s = subscriber('s');
    const ledger = published(1, s);
    deliver(ledger, s, 1, 1, 2, 3);
    again(ledger, s, 1, 2);
    expect(kinds(ledger)).toEqual([]);
    deliver(ledger, s, 1, 3);
    expect(kinds(ledger)).toEqual(['repeated without DUP']);
    recordSending(ledger, { source: 'p', topic: 'q1', number: 3, qos: 1 });
    expect(kinds(ledger)).toEqual([]);
  });

  it('of a settled QoS 1 message is an error: it was resurrected', () => {
    const s = subscriber('s');
    const ledger = published(1, s);
    deliver(ledger, s, 1, 1, 2, 3);
    s.seen.push({ kind: 'settled', payload: payload(1, 2) });
    again(ledger, s, 1, 2);
    expect(kinds(ledger)).toEqual(['returned']);
    recordSending(ledger, { source: 'p', topic: 'q1', number: 2, qos: 1 });
    expect(kinds(ledger)).toEqual([]);
  });
});

describe('acknowledgements', () => {
  const trace = (sent: number[], answered: number[]): string[] => {
    const ledger = createLedger();
    ledger.traces.push({ source: 'p', sent, answered });
    return kinds(ledger);
  };

  it('may be cut off', () => {
    expect(trace([1, 2, 3], [1, 2])).toEqual([]);
  });

  it('come in order, and none is left out', () => {
    expect(trace([1, 2, 3], [1, 3, 2])).toEqual(['acknowledged out of order']);
    expect(trace([1, 2, 3], [2])).toEqual(['acknowledged out of order']);
    expect(trace([1], [1, 1])).toEqual(['acknowledged out of order']);
  });
});

it('reports what clients saw at once', () => {
  const ledger = createLedger();
  recordViolation(ledger, 'session lost', 's');
  expect(kinds(ledger)).toEqual(['session lost']);
});

describe('a retained message', () => {
  const history = (acknowledged: number, sent: number) => ({
    topic: 't',
    acknowledged,
    sent,
    removes: (number: number) => number % 3 === 0,
  });

  it.each([
    ['the acknowledged value', 4, 4, 4],
    ['one on its way', 4, 5, 5],
    ['a removal on its way', 5, 6, undefined],
    ['nothing after an acknowledged removal', 6, 6, undefined],
    ['nothing when none was acknowledged', 0, 1, undefined],
  ])('may be %s', (_, acknowledged, sent, seen) => {
    expect(checkRetained(history(acknowledged, sent), seen)).toEqual([]);
  });

  it.each([
    ['an older value', 4, 4, 2],
    ['nothing', 4, 5, undefined],
    ['a value that came back after its removal', 6, 6, 5],
    ['a value never sent', 4, 4, 7],
  ])('must not be %s', (_, acknowledged, sent, seen) => {
    expect(checkRetained(history(acknowledged, sent), seen)).toHaveLength(1);
  });
});

describe('a stream', () => {
  const records = (numbers: readonly number[], first = 0): StreamRecord[] =>
    numbers.map((number, i) => ({ offset: first + i, topic: 'q1', payload: payload(1, number) }));
  const problems = (partitions: StreamRecord[][], before: StreamRecord[][] = []): number =>
    checkStream(published(1).sent, (topic) => topic === 'q1', partitions, before).length;

  it('has each message once, in order', () => {
    expect(problems([records([1, 2, 3], 7), []], [records([1, 2], 7)])).toBe(0);
  });

  it.each([
    ['a lost message', [records([1, 2])]],
    ['a repeated message', [records([1, 2, 3, 3])]],
    ['messages out of order', [records([1, 3, 2])]],
    ['a key in two partitions', [records([1, 2]), records([3])]],
    ['a gap', [[...records([1]), ...records([2, 3], 2)]]],
    ['a phantom', [[...records([1, 2, 3]), { offset: 3, topic: 'q1', payload: 'forged' }]]],
  ])('does not have %s', (_, partitions) => {
    expect(problems(partitions)).toBeGreaterThan(0);
  });

  it('does not move back: what was read at an offset stays there', () => {
    expect(problems([records([1, 2, 3])], [records([1, 2, 3], 1)])).toBeGreaterThan(0);
  });
});
