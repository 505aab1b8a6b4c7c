/** What becomes of messages: a tracer for each who looks, which is gone when they are. */
import { randomBytes } from 'node:crypto';
import type { FeedItem } from '../admin/feed.ts';
import { OperationError } from '../admin/operation.ts';
import { STEPS, TIME_IS_OVER, type TracesView } from '../admin/operations/trace.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { parseFilter } from '../protocols/mqtt/topic.ts';
import { createRules } from '../telemetry/rules.ts';
import type { TraceHub } from '../telemetry/trace-hub.ts';
import { createTracer, type Span } from '../telemetry/tracer.ts';

/** Each keeps messages off the fast path. */
const MAX_LOOKING = 8;
/** Steps that wait to be shown. */
const MAX_WAITING = 2000;
/** How often it is said that some were left out. */
const TELLS_MS = 1000;
/** What has a place of its own. */
const TOPIC = 'messaging.destination.name';
const CLIENT = 'messaging.client.id';
const SAID_ELSEWHERE = new Set([TOPIC, CLIENT, 'messaging.system', 'messaging.operation.name']);
const PREFIX = /^(?:messaging|robustmq|network)\./;

const isStep = (name: string): name is (typeof STEPS)[number] => (STEPS as readonly string[]).includes(name);

function shown({ traceId, name, startMs, endMs, attributes, fault }: Span): FeedItem {
  const textOf = (key: string): string | null => (key in attributes ? String(attributes[key]) : null);
  return {
    data: {
      trace: traceId,
      step: isStep(name) ? name : 'publish',
      atMs: Math.floor(startMs),
      micros: Math.max(0, Math.round((endMs - startMs) * 1000)),
      topic: textOf(TOPIC),
      clientId: textOf(CLIENT),
      about: Object.entries(attributes)
        .filter(([key]) => !SAID_ELSEWHERE.has(key))
        .map(([key, value]) => ({ name: key.replace(PREFIX, ''), value: String(value) })),
      fault: fault ?? null,
    },
  };
}

export function tracesView({ config, clock }: Pick<Mqtt, 'config' | 'clock'>, hub: TraceHub): TracesView {
  let looking = 0;
  return {
    async follow({ topic, clientId, perSecond, durationMs }, { tenant }) {
      if (tenant !== '') throw new OperationError(403, 'forbidden', 'this is not for users of tenants');
      const parsed = parseFilter(Buffer.from(topic), config.mqtt);
      if ('type' in parsed) throw new OperationError(400, 'invalid-input', `${topic}: ${parsed.message}`);
      if (parsed.group !== undefined) {
        throw new OperationError(
          400,
          'invalid-input',
          `${topic}: take the filter of the shared subscription alone`,
        );
      }
      if (looking === MAX_LOOKING) {
        throw new OperationError(503, 'too-many-traces', `at most ${MAX_LOOKING} look at a time`);
      }
      let ready = (): void => {};
      let over = (_reason: string): void => {};
      const tracer = createTracer({
        rules: createRules([{ topic, clientId, oneIn: 1 }]),
        clock,
        maxPerSecond: () => perSecond,
        maxSpans: MAX_WAITING,
        randomBytes,
        followsParents: false,
        onSpan: () => ready(),
      });
      let waiting: Span[] = [];
      let told = 0;
      let tells = false;
      // Time counts from now, and may be over before there is anybody to tell.
      let isTimeOver = false;
      looking++;
      const remove = hub.add(tracer);
      const stopTimers = [
        clock.every(TELLS_MS, () => {
          tells = true;
          ready();
        }),
        clock.every(durationMs, () => {
          isTimeOver = true;
          over(TIME_IS_OVER);
        }),
      ];
      let isClosed = false;
      return {
        needs: ['clients:read'],
        start(whenReady, whenOver) {
          ready = whenReady;
          over = whenOver;
          if (isTimeOver) over(TIME_IS_OVER);
        },
        take() {
          if (waiting.length === 0) waiting = tracer.take().reverse();
          const span = waiting.pop();
          return span && shown(span);
        },
        takeDropped() {
          if (!tells) return 0;
          tells = false;
          const { dropped, limited } = tracer.counters();
          const since = dropped + limited - told;
          told += since;
          return since;
        },
        close() {
          if (isClosed) return;
          isClosed = true;
          looking--;
          for (const stop of stopTimers) stop();
          remove();
        },
      };
    },
  };
}
