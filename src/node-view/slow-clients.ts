/**
 * Clients that do not take what is there for them. Nothing is measured for a message: how long the oldest has waited is known
 * from when a write began, from the number of a message (message-ages.ts), and, of what waits only in memory, from one look
 * to the next. What an ephemeral session has not acknowledged while its window is not full has no age here.
 *
 * Guaranteed: nobody is said to be behind for longer than is so. A look at all sessions lets the broker work in between, and
 * takes a hundredth of the time at most.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type {
  SlowClient,
  SlowClientsView,
  SlowOrder,
  SlowRequest,
  WaitsFor,
} from '../admin/operations/slow-clients.ts';
import type { QueuedDelivery } from '../kernel/delivery.ts';
import type { MetricSource } from '../metrics/metrics.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { NO_MESSAGE } from '../protocols/mqtt/durable/session-state.ts';
import { type Session, writtenClientId } from '../protocols/mqtt/session.ts';
import { createMessageAges } from './message-ages.ts';
import { STEP } from './pages.ts';
import { shownName } from './session-names.ts';

export interface SlowClients extends SlowClientsView {
  /** Of those that are connected, when they were looked at last; undefined: none is behind. */
  slowest(): { readonly clientId: string; readonly behindMs: number } | undefined;
  readonly source: MetricSource;
  /** Looks at all now, besides every few seconds. */
  look(): Promise<void>;
  stop(): void;
}

const NOTE_MS = 1000;
const LOOK_MS = 5000;
/** A look pauses for so many times as long as it took. */
const PAUSE = 99;
const MAX_RANKED = 1000;
const OVER = [
  ['1s', 1000],
  ['10s', 10_000],
  ['1m', 60_000],
  ['10m', 600_000],
] as const;

interface Lag {
  readonly behindMs: number;
  readonly waitsFor: WaitsFor;
  readonly messages: number;
  readonly queuedBytes: number;
  readonly networkBytes: number;
}

/** What was the first in the queue of an ephemeral session, and since when. */
interface Head {
  readonly first: QueuedDelivery;
  readonly sinceMs: number;
}

interface Ranked {
  readonly session: Session;
  readonly lag: Lag;
}

const KEY: Readonly<Record<SlowOrder, (lag: Lag) => number>> = {
  time: ({ behindMs }) => behindMs,
  messages: ({ messages }) => messages,
  bytes: ({ queuedBytes, networkBytes }) => queuedBytes + networkBytes,
};

export function watchSlowClients(mqtt: Mqtt): SlowClients {
  const { clock, sessions, dataPlane } = mqtt;
  const { store } = mqtt.durable;
  const ages = createMessageAges();
  let heads = new Map<number, Head>();
  let found: { readonly slowest: ReturnType<SlowClients['slowest']>; readonly over: readonly number[] } = {
    slowest: undefined,
    over: OVER.map(() => 0),
  };
  let looking: Promise<void> | undefined;
  let notBeforeMs = 0;
  let isStopped = false;

  const note = (): void => ages.note(store.nextId, clock.monotonicMs());

  /** Undefined where nothing waits. */
  function lagOf(session: Session): Lag | undefined {
    const { connection, durable, queue, number } = session;
    const nowMs = clock.monotonicMs();
    const networkBytes = connection === undefined ? 0 : dataPlane.heldBytes(connection.slot);
    let behindMs = 0;
    let waitsFor: WaitsFor = connection === undefined ? 'connection' : 'acknowledgement';
    const consider = (sinceMs: number | undefined, what: WaitsFor): void => {
      const forMs = Math.max(0, nowMs - (sinceMs ?? nowMs));
      if (forMs < behindMs) return;
      behindMs = forMs;
      waitsFor = what;
    };
    let messages = 0;
    if (durable !== undefined) {
      messages = durable.queue.length;
      const slot = durable.queue.slotAt(durable.queue.floor);
      if (slot !== -1 && slot !== NO_MESSAGE) {
        const isSent = durable.queue.floor < durable.cursor;
        const there = ages.thereAtMs(store.idOf(slot));
        consider(there, connection === undefined ? 'connection' : isSent ? 'acknowledgement' : 'queue');
      }
    } else {
      const waiting = queue?.length ?? 0;
      messages = waiting + (connection === undefined ? 0 : dataPlane.inFlight(connection.slot));
      if (waiting > 0) consider(heads.get(number)?.sinceMs, 'queue');
    }
    if (connection?.isWriting === true) consider(connection.writeSinceMs, 'network');
    if (messages === 0 && networkBytes === 0) return undefined;
    const queuedBytes = durable?.bytes ?? queue?.bytes ?? 0;
    return { behindMs, waitsFor, messages, queuedBytes, networkBytes };
  }

  /** Lets the broker work between steps. */
  async function each(visit: (session: Session) => void): Promise<void> {
    for (let number = 0; number < sessions.numbers && !isStopped; number++) {
      if (number % STEP === STEP - 1) await turn();
      const session = sessions.byNumber(number);
      if (session !== undefined) visit(session);
    }
  }

  /** The same first one as at the look before, and in the queue of the same session. */
  function headOf({ queue, number }: Session): Head | undefined {
    const [first] = queue ?? [];
    if (first === undefined) return undefined;
    const known = heads.get(number);
    return known?.first === first ? known : { first, sinceMs: clock.monotonicMs() };
  }

  async function lookAtAll(): Promise<void> {
    const beganMs = clock.monotonicMs();
    const seen = new Map<number, Head>();
    const over = OVER.map(() => 0);
    let slowest: Ranked | undefined;
    await each((session) => {
      const head = session.durable === undefined ? headOf(session) : undefined;
      if (head !== undefined) {
        seen.set(session.number, head);
        heads.set(session.number, head);
      }
      if (session.connection === undefined) return;
      const lag = lagOf(session);
      if (lag === undefined) return;
      OVER.forEach(([, overMs], i) => {
        if (lag.behindMs > overMs) over[i] = (over[i] ?? 0) + 1;
      });
      if (lag.behindMs > (slowest?.lag.behindMs ?? 0)) slowest = { session, lag };
    });
    heads = seen;
    const { session, lag } = slowest ?? {};
    found = {
      slowest:
        session === undefined || lag === undefined
          ? undefined
          : { clientId: session.clientId, behindMs: lag.behindMs },
      over,
    };
    const nowMs = clock.monotonicMs();
    notBeforeMs = nowMs + PAUSE * (nowMs - beganMs);
  }

  function look(): Promise<void> {
    looking ??= lookAtAll().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  note();
  const stops = [
    clock.every(NOTE_MS, note),
    clock.every(LOOK_MS, () => {
      if (clock.monotonicMs() >= notBeforeMs) void look();
    }),
  ];

  return {
    async ranked({ order, minSeconds, isConnected, prefix, tenant }: SlowRequest) {
      const key = KEY[order];
      let best: Ranked[] = [];
      const cut = (): void => {
        best = best
          .sort((a, b) => key(b.lag) - key(a.lag) || b.lag.behindMs - a.lag.behindMs)
          .slice(0, MAX_RANKED);
      };
      await each((session) => {
        if ((session.connection !== undefined) !== isConnected) return;
        if (tenant !== undefined && session.tenant.name !== tenant) return;
        if (!writtenClientId(session).startsWith(prefix)) return;
        const lag = lagOf(session);
        if (lag === undefined || lag.behindMs < 1000 * minSeconds) return;
        best.push({ session, lag });
        if (best.length >= 2 * MAX_RANKED) cut();
      });
      cut();
      return best.map(
        ({ session, lag: { behindMs, ...lag } }): SlowClient => ({
          ...shownName(session),
          isConnected,
          address: session.connection?.transport.remoteAddress ?? null,
          behindSeconds: Math.floor(behindMs / 1000),
          ...lag,
        }),
      );
    },
    slowest: () => found.slowest,
    source(to) {
      to.add('robustmq_mqtt_slowest_client_seconds', (found.slowest?.behindMs ?? 0) / 1000);
      OVER.forEach(([label], i) => {
        to.add('robustmq_mqtt_clients_behind', found.over[i] ?? 0, { over: label });
      });
    },
    look,
    stop() {
      isStopped = true;
      for (const stop of stops) stop();
    },
  };
}
