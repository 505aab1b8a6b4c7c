/**
 * Events: what has happened on the node lately, for people who look and for programs that follow. Here live the kinds, a ring
 * for each of them, reading the rings in order, and what front-ends tell of clients. Not here: who may look, how it is shown, the
 * log of the process, and what administrators did in full (src/security/audit/).
 *
 * Guaranteed: memory is bounded, whatever happens and however slowly somebody reads; each kind has a ring of its own, so that a
 * storm of connections leaves the others alone; what a reader missed is counted; no secret and no payload is ever in an event.
 * What is here ends with the process.
 */
import type { Clock } from '../kernel/clock.ts';
import {
  EVENT_KINDS,
  type Event,
  type EventFacts,
  type EventFilter,
  type EventKind,
  fitsEvent,
} from './event.ts';
import { Ring } from './ring.ts';

export interface EventsOptions {
  readonly clock: Clock;
  /** Of each kind. */
  readonly perKind?: number;
}

export interface EventReader {
  /** The next ones in their order, at most `limit`; fewer where many were looked at that do not fit. */
  read(limit: number): readonly Event[];
  /** Whether `read` may give something. */
  readonly hasMore: boolean;
  /** How many were overwritten before they were read since it was asked last: at most, where the reader came late. */
  takeMissed(): number;
}

export interface Events {
  note(kind: EventKind, facts: EventFacts, reason?: string, subject?: string): void;
  /** Newest first, below that sequence number. `next`: where there may be more. */
  page(
    filter: EventFilter,
    request: { readonly below?: number; readonly limit: number },
  ): { readonly events: readonly Event[]; readonly next: number | undefined };
  /** From behind that sequence number on; Infinity begins with what happens next. */
  reader(filter: EventFilter, behind: number): EventReader;
  /** Called within `note`, of any kind: it must be quick. Returns how to stop it. */
  onEvent(listener: () => void): () => void;
  /** Sequence number of the newest one. */
  readonly newest: number;
  counters(): { readonly noted: number; readonly overwritten: number };
}

const PER_KIND = 1000;
const MAX_TEXT = 256;
/** Of one call, so that a filter that fits little does not hold the node up. */
const MAX_LOOKED_AT = 5000;

const shown = (text: string | null | undefined): string | null =>
  text === undefined || text === null || text === ''
    ? null
    : text.length <= MAX_TEXT
      ? text
      : `${text.slice(0, MAX_TEXT - 1)}…`;

export function createEvents({ clock, perKind = PER_KIND }: EventsOptions): Events {
  const rings = new Map<EventKind, Ring>(EVENT_KINDS.map((kind) => [kind, new Ring(perKind)]));
  const listeners = new Set<() => void>();
  let newest = 0;

  const ringsOf = ({ kinds }: EventFilter): Ring[] =>
    [...rings].filter(([kind]) => kinds === undefined || kinds.includes(kind)).map(([, ring]) => ring);

  return {
    note(kind, facts, reason = facts.reason, subject = facts.subject) {
      rings.get(kind)?.add({
        sequence: ++newest,
        atMs: clock.wallMs(),
        kind,
        protocol: shown(facts.protocol),
        listener: shown(facts.listener),
        address: shown(facts.address),
        clientId: shown(facts.clientId),
        user: shown(facts.user),
        tenant: shown(facts.tenant),
        subject: shown(subject),
        reason: shown(reason),
      });
      for (const listener of listeners) listener();
    },
    page(filter, { below = Number.POSITIVE_INFINITY, limit }) {
      const places = ringsOf(filter).map((ring) => ({ ring, index: ring.indexBehind(below - 1) - 1 }));
      const events: Event[] = [];
      let last: number | undefined;
      for (let looked = 0; looked < MAX_LOOKED_AT && events.length < limit; looked++) {
        const place = extremeOf(places, (one, other) => one > other);
        if (place === undefined) return { events, next: undefined };
        place.at.index--;
        last = place.event.sequence;
        if (fitsEvent(place.event, filter)) events.push(place.event);
      }
      return { events, next: last };
    },
    reader(filter, behind) {
      // A place behind the newest waits for what comes next, and is there before it.
      const from = Math.min(behind, newest);
      let missed = 0;
      const places = ringsOf(filter).map((ring) => {
        const { lastOverwritten, oldest } = ring;
        if (lastOverwritten > from) missed += Math.min(oldest, lastOverwritten - from);
        return { ring, index: ring.indexBehind(from) };
      });
      return {
        read(limit) {
          const events: Event[] = [];
          for (const place of places) {
            const { oldest } = place.ring;
            if (place.index >= oldest) continue;
            missed += oldest - place.index;
            place.index = oldest;
          }
          for (let looked = 0; looked < MAX_LOOKED_AT && events.length < limit; looked++) {
            const place = extremeOf(places, (one, other) => one < other);
            if (place === undefined) break;
            place.at.index++;
            if (fitsEvent(place.event, filter)) events.push(place.event);
          }
          return events;
        },
        get hasMore() {
          return places.some(({ ring, index }) => index < ring.end);
        },
        takeMissed() {
          const taken = missed;
          missed = 0;
          return taken;
        },
      };
    },
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get newest() {
      return newest;
    },
    counters: () => ({
      noted: newest,
      overwritten: [...rings.values()].reduce((sum, { oldest }) => sum + oldest, 0),
    }),
  };
}

interface Place {
  readonly ring: Ring;
  index: number;
}

/** The place whose event goes before those of all others. */
function extremeOf(
  places: readonly Place[],
  isBefore: (one: number, other: number) => boolean,
): { readonly at: Place; readonly event: Event } | undefined {
  let best: { readonly at: Place; readonly event: Event } | undefined;
  for (const at of places) {
    const event = at.ring.at(at.index);
    if (event === undefined) continue;
    if (best === undefined || isBefore(event.sequence, best.event.sequence)) best = { at, event };
  }
  return best;
}
