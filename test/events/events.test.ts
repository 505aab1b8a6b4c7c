import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientEvents } from '../../src/events/client-events.ts';
import { EVENT_KINDS, type Event, type EventKind } from '../../src/events/event.ts';
import { createEvents } from '../../src/events/events.ts';
import { createManualClock } from '../support/manual-clock.ts';

const CAPACITY = 4;
const KINDS: readonly EventKind[] = ['client.connected', 'client.disconnected', 'administration'];

const sequences = (events: readonly Event[]): number[] => events.map(({ sequence }) => sequence);

describe('the rings of events', () => {
  it('keep what a storm of another kind would have flushed', () => {
    const events = createEvents({ clock: createManualClock(), perKind: CAPACITY });
    events.note('administration', { user: 'ada', subject: 'users.create' });
    for (let i = 0; i < 1000; i++) events.note('client.connected', { clientId: `c${i}` });
    const { events: page } = events.page({}, { limit: 100 });
    expect(page).toHaveLength(CAPACITY + 1);
    expect(page.at(-1)).toMatchObject({ kind: 'administration', user: 'ada', subject: 'users.create' });
    expect(events.counters()).toEqual({ noted: 1001, overwritten: 1000 - CAPACITY });
  });

  it('cut long texts and show missing ones as null', () => {
    const events = createEvents({ clock: createManualClock() });
    clientEvents(events).connected({
      protocol: 'mqtt',
      listener: 'mqtt',
      address: '',
      clientId: 'x'.repeat(70_000),
      user: undefined,
    });
    const [event] = events.page({}, { limit: 1 }).events;
    expect(event).toMatchObject({ kind: 'client.connected', address: null, user: null, subject: null });
    expect(event?.clientId).toHaveLength(256);
  });

  it('give pages and readers what a list of everything would, and count what was missed', () => {
    const step = fc.oneof(
      fc.record({
        act: fc.constant('note' as const),
        kind: fc.constantFrom(...KINDS),
        client: fc.integer({ min: 0, max: 2 }),
      }),
      fc.record({ act: fc.constant('read' as const), limit: fc.integer({ min: 1, max: 5 }) }),
    );
    const filter = fc.record({
      kinds: fc.option(fc.subarray([...KINDS], { minLength: 1 }), { nil: undefined }),
      clientId: fc.option(fc.constantFrom('c0', 'c1'), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), filter, fc.nat(10), (steps, wanted, warmUp) => {
        const events = createEvents({ clock: createManualClock(), perKind: CAPACITY });
        const all: Event[] = [];
        const note = (kind: EventKind, client: number): void => {
          events.note(kind, { clientId: `c${client}` });
          const [newest] = events.page({}, { limit: 1 }).events;
          if (newest !== undefined) all.push(newest);
        };
        for (let i = 0; i < warmUp; i++) note('client.connected', i % 3);
        const isOfKind = ({ kind }: Event): boolean => wanted.kinds?.includes(kind) ?? true;
        const fits = (event: Event): boolean =>
          isOfKind(event) && (wanted.clientId === undefined || event.clientId === wanted.clientId);
        const isKept = (event: Event): boolean =>
          all.filter(({ kind, sequence }) => kind === event.kind && sequence > event.sequence).length <
          CAPACITY;
        const reader = events.reader(wanted, Number.POSITIVE_INFINITY);
        // What a reader has looked at, kind by kind, whether it fitted or not.
        let pending: Event[] = [];
        let seenTo = all.length;
        let missed = 0;
        for (const each of steps) {
          if (each.act === 'note') {
            note(each.kind, each.client);
            continue;
          }
          pending.push(...all.slice(seenTo).filter(isOfKind));
          seenTo = all.length;
          missed += pending.filter((event) => !isKept(event)).length;
          pending = pending.filter(isKept);
          const expected: Event[] = [];
          while (pending.length > 0 && expected.length < each.limit) {
            const next = pending.shift();
            if (next !== undefined && fits(next)) expected.push(next);
          }
          expect(reader.read(each.limit)).toEqual(expected);
          expect(reader.takeMissed()).toBe(missed);
          missed = 0;
        }
        const kept = all.filter((event) => fits(event) && isKept(event)).toReversed();
        const paged: Event[] = [];
        let below: number | undefined;
        do {
          const page = events.page(wanted, { limit: 3, ...(below === undefined ? {} : { below }) });
          paged.push(...page.events);
          below = page.next;
        } while (below !== undefined);
        expect(paged).toEqual(kept);
      }),
    );
  });

  it('let a reader go on behind a sequence number, and say at most how much is gone since', () => {
    const events = createEvents({ clock: createManualClock(), perKind: CAPACITY });
    for (let i = 0; i < 3; i++) events.note('client.connected', {});
    const exact = events.reader({}, 1);
    expect(sequences(exact.read(10))).toEqual([2, 3]);
    expect(exact.takeMissed()).toBe(0);
    for (let i = 0; i < 5; i++) events.note('client.connected', {});
    const late = events.reader({}, 1);
    expect(sequences(late.read(10))).toEqual([5, 6, 7, 8]);
    expect(late.takeMissed()).toBe(3);
    expect(late.hasMore).toBe(false);
  });

  it('have a ring for every kind', () => {
    const events = createEvents({ clock: createManualClock() });
    for (const kind of EVENT_KINDS) events.note(kind, {});
    expect(events.page({}, { limit: 100 }).events.map(({ kind }) => kind)).toEqual(EVENT_KINDS.toReversed());
  });
});
