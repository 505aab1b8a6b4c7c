/** Spans of the messages that are traced: made, timed, and kept until they are handed out. Bounded in number and per second. */
import type { Clock } from '../kernel/clock.ts';
import type { Rules } from './rules.ts';
import { parseTraceparent, type TraceContext } from './traceparent.ts';
import type { Arrival, Attributes, Step, Trace, Tracing } from './tracing.ts';

export const SpanKind = { Internal: 1, Producer: 4, Consumer: 5 } as const;

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: number;
  /** Since 1970, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly links: readonly TraceContext[];
  readonly fault: string | undefined;
}

export interface TracerOptions {
  readonly rules: Rules;
  readonly clock: Clock;
  readonly maxPerSecond: () => number;
  /** Of spans that wait to be handed out. */
  readonly maxSpans: number;
  readonly randomBytes: (length: number) => Buffer;
  /** Who decided before whether a message is traced is followed. Otherwise only the trace is theirs. */
  readonly followsParents?: boolean;
  /** There is one more to take. */
  readonly onSpan?: () => void;
}

export interface Tracer extends Tracing {
  /** Those that have ended since. */
  take(): Span[];
  /** Spans for which there was no room, and messages above the limit of a second. */
  counters(): { readonly dropped: number; readonly limited: number };
}

const SECOND_MS = 1000;
const MAX_LINKS = 16;
const MAX_TEXT = 256;

export function createTracer(options: TracerOptions): Tracer {
  const { rules, clock, maxPerSecond, maxSpans, randomBytes, followsParents = true, onSpan } = options;
  let spans: Span[] = [];
  let dropped = 0;
  let limited = 0;
  let secondMs = 0;
  let inSecond = 0;
  let current: TraceContext | undefined;

  const newId = (bytes: number): string => randomBytes(bytes).toString('hex');

  function isWithinLimit(): boolean {
    const nowMs = clock.monotonicMs();
    if (nowMs - secondMs >= SECOND_MS) {
      secondMs = nowMs;
      inSecond = 0;
    }
    if (inSecond >= maxPerSecond()) {
      limited++;
      return false;
    }
    inSecond++;
    return true;
  }

  function put(span: Span): void {
    if (spans.length < maxSpans) spans.push(span);
    else dropped++;
    onSpan?.();
  }

  function traceOf(arrival: Arrival, parents: readonly TraceContext[]): Trace {
    const { protocol, topic, clientId, bytes, attributes } = arrival;
    const [parent, ...others] = parents;
    const traceId = parent?.traceId ?? newId(16);
    const spanId = newId(8);
    // One look at the time of day: the steps of a message stay in their order when somebody sets the clock.
    const startedMs = clock.monotonicMs();
    const originMs = clock.wallMs() - startedMs;
    const common = { traceId, links: [] };

    const begin = (
      span: Pick<Span, 'name' | 'kind' | 'spanId' | 'parentSpanId' | 'links'>,
      own: Attributes,
      beginMs: number,
    ): Step => {
      let isEnded = false;
      return {
        end(more = {}, fault) {
          if (isEnded) return;
          isEnded = true;
          put({
            ...common,
            ...span,
            startMs: originMs + beginMs,
            endMs: originMs + clock.monotonicMs(),
            attributes: { ...own, ...more },
            fault,
          });
        },
      };
    };

    const whole = begin(
      {
        name: 'publish',
        kind: SpanKind.Consumer,
        spanId,
        parentSpanId: parent?.spanId,
        links: others.slice(0, MAX_LINKS),
      },
      {
        'messaging.system': 'robustmq',
        'messaging.operation.name': 'publish',
        'messaging.destination.name': shortened(topic),
        ...(clientId === '' ? {} : { 'messaging.client.id': shortened(clientId) }),
        'messaging.message.body.size': bytes,
        'network.protocol.name': protocol,
        ...attributes,
      },
      startedMs,
    );
    return {
      context: { traceId, spanId, isSampled: true },
      end: whole.end,
      step(name, own = {}) {
        const kind = name === 'deliver' ? SpanKind.Producer : SpanKind.Internal;
        const step = { name, kind, spanId: newId(8), parentSpanId: spanId, links: [] };
        return begin(step, shortenedAll(own), clock.monotonicMs());
      },
    };
  }

  return {
    covers: (topic, clientId) => rules.find(topic, clientId) !== undefined,
    singlesOut: (clientId) => rules.namesClient(clientId),
    begin(arrival) {
      const rule = rules.find(arrival.topic, arrival.clientId);
      if (rule === undefined) return undefined;
      const said = arrival.parents.flatMap((text) => parseTraceparent(text) ?? []);
      const parents = followsParents ? said.filter(({ isSampled }) => isSampled) : said;
      // Who decided before is followed, both ways; the rest is counted off.
      const isDecided = followsParents && said.length > 0;
      const isWanted = isDecided ? parents.length > 0 : rule.oneIn > 0 && rule.seen++ % rule.oneIn === 0;
      return isWanted && isWithinLimit() ? traceOf(arrival, parents) : undefined;
    },
    within(trace, action) {
      const outer = current;
      current = trace.context;
      try {
        return action();
      } finally {
        current = outer;
      }
    },
    takeCurrent() {
      const taken = current;
      current = undefined;
      return taken;
    },
    take() {
      const taken = spans;
      spans = [];
      return taken;
    },
    counters: () => ({ dropped, limited }),
  };
}

const HIGH_SURROGATE_AT_END = /[\ud800-\udbff]$/;

/** Clients choose names of up to 64 KiB. No character is cut in two: collectors refuse all of a request for half of one. */
export const shortened = (text: string): string =>
  text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT).replace(HIGH_SURROGATE_AT_END, '')}…`;

const shortenedAll = (attributes: Attributes): Attributes =>
  Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [
      key,
      typeof value === 'string' ? shortened(value) : value,
    ]),
  );
