import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { createRules } from '../../src/telemetry/rules.ts';
import { formatTraceparent, parseTraceparent } from '../../src/telemetry/traceparent.ts';
import { createTracer, type Tracer } from '../../src/telemetry/tracer.ts';
import type { Arrival } from '../../src/telemetry/tracing.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
let clock: ManualClock;
let ids: number;

beforeEach(() => {
  clock = createManualClock();
  ids = 0;
});

function tracer(
  rules: readonly { topic?: string; clientId?: string; oneIn?: number }[],
  { maxPerSecond = 1000, maxSpans = 1000 } = {},
): Tracer {
  return createTracer({
    rules: createRules(rules.map((rule) => ({ topic: '#', clientId: '', oneIn: 1, ...rule }))),
    clock,
    maxPerSecond: () => maxPerSecond,
    maxSpans,
    randomBytes(length) {
      const bytes = Buffer.alloc(length);
      bytes.writeUInt32BE(++ids, length - 4);
      return bytes;
    },
  });
}

const arrival = (more: Partial<Arrival> = {}): Arrival => ({
  protocol: 'mqtt',
  topic: 'orders/eu',
  clientId: 'c1',
  bytes: 10,
  parents: [],
  ...more,
});

describe('traceparent', () => {
  it('is what W3C says, and nothing else', () => {
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({
      traceId: TRACE,
      spanId: SPAN,
      isSampled: true,
    });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.isSampled).toBe(false);
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-ff`)?.isSampled).toBe(true);
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-the-future-will-be`)?.traceId).toBe(TRACE);
    for (const odd of [
      '',
      TRACE,
      `00-${TRACE}-${SPAN}`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${'0'.repeat(32)}-${SPAN}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `ff-${TRACE}-${SPAN}-01`,
      `00-${TRACE}-${SPAN}-01-more`,
      ` 00-${TRACE}-${SPAN}-01`,
    ]) {
      expect([odd, parseTraceparent(odd)]).toEqual([odd, undefined]);
    }
  });

  it('is read as it was written', () => {
    const digits = (length: number) =>
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
    fc.assert(
      fc.property(digits(32), digits(16), fc.boolean(), (traceId, spanId, isSampled) => {
        fc.pre(/[1-9a-f]/.test(traceId) && /[1-9a-f]/.test(spanId));
        const context = { traceId, spanId, isSampled };
        expect(parseTraceparent(formatTraceparent(context))).toEqual(context);
      }),
    );
  });
});

describe('a tracer', () => {
  it('decides by the first rule that fits topic and client', () => {
    const { covers, singlesOut, begin } = tracer([
      { topic: 'orders/#', clientId: 'dev-*', oneIn: 1 },
      { topic: 'orders/+', oneIn: 0 },
      { topic: 'logs/#', clientId: 'only' },
    ]);
    expect([covers('orders/eu', 'x'), covers('orders/eu/1', 'x'), covers('orders/eu/1', 'dev-7')]).toEqual([
      true,
      false,
      true,
    ]);
    expect([singlesOut('dev-1'), singlesOut('only'), singlesOut('only2')]).toEqual([true, true, false]);
    expect(begin(arrival({ clientId: 'dev-1' }))).toBeDefined();
    expect(begin(arrival({ clientId: 'other' }))).toBeUndefined();
    expect(begin(arrival({ topic: 'elsewhere' }))).toBeUndefined();
  });

  it('traces one in so many, and follows what messages say of themselves', () => {
    const { begin } = tracer([{ oneIn: 10 }]);
    const traced = Array.from({ length: 30 }, () => begin(arrival())).filter((each) => each !== undefined);
    expect(traced).toHaveLength(3);
    expect(begin(arrival({ parents: [`00-${TRACE}-${SPAN}-00`] }))).toBeUndefined();
    expect(begin(arrival({ parents: [`00-${TRACE}-${SPAN}-01`] }))?.context.traceId).toBe(TRACE);
    // It says nothing, and is counted like the others.
    expect(begin(arrival({ parents: ['nonsense'] }))?.context.traceId).not.toBe(TRACE);
  });

  it('makes spans that are children of each other, in time, with names cut where they are long', async () => {
    const own = tracer([{}]);
    const other = 'a'.repeat(32);
    const trace = own.begin(
      arrival({
        topic: 't'.repeat(1000),
        parents: [`00-${TRACE}-${SPAN}-01`, `00-${other}-${SPAN}-01`],
        attributes: { 'robustmq.qos': 1 },
      }),
    );
    const route = trace?.step('route', { a: 1, long: 'l'.repeat(65_535) });
    await clock.advance(5);
    route?.end({ b: 2 });
    route?.end({ b: 3 });
    trace?.end({}, 'it failed');
    const [step, whole, ...rest] = own.take();
    expect(rest).toEqual([]);
    expect(own.take()).toEqual([]);
    expect(whole).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, name: 'publish', fault: 'it failed' });
    expect(whole?.links.map(({ traceId }) => traceId)).toEqual([other]);
    expect(whole?.attributes['messaging.destination.name']).toHaveLength(257);
    expect(whole?.attributes['robustmq.qos']).toBe(1);
    expect(step).toMatchObject({
      traceId: TRACE,
      parentSpanId: whole?.spanId,
      name: 'route',
      attributes: { a: 1, b: 2, long: `${'l'.repeat(256)}…` },
    });
    expect((step?.endMs ?? 0) - (step?.startMs ?? 0)).toBe(5);
  });

  it('cuts no character in two, and names no client where there is none', () => {
    const own = tracer([{}]);
    fc.assert(
      fc.property(fc.nat(3), fc.integer({ min: 100, max: 300 }), (before, count) => {
        const topic = 'x'.repeat(before) + '😀'.repeat(count);
        own.begin(arrival({ topic, clientId: topic }))?.end();
        const [span] = own.take();
        for (const key of ['messaging.destination.name', 'messaging.client.id']) {
          const text = String(span?.attributes[key]);
          expect(Buffer.from(text).toString()).toBe(text);
          expect(topic.startsWith(text.replace(/…$/, ''))).toBe(true);
          expect(text.length).toBeGreaterThanOrEqual(Math.min(topic.length, 256));
        }
      }),
    );
    own.begin(arrival({ clientId: '' }))?.end();
    expect(own.take()[0]?.attributes).not.toHaveProperty('messaging.client.id');
  });

  it('has so many in a second and so many that wait, and counts the others', async () => {
    const own = tracer([{}], { maxPerSecond: 5, maxSpans: 3 });
    await clock.advance(5000);
    for (let i = 0; i < 8; i++) own.begin(arrival())?.end();
    expect(own.counters()).toEqual({ dropped: 2, limited: 3 });
    await clock.advance(1000);
    own.take();
    own.begin(arrival())?.end();
    expect(own.take()).toHaveLength(1);
  });

  it('hands its trace to the first of what another protocol publishes within it', () => {
    const own = tracer([{}]);
    const trace = own.begin(arrival());
    if (trace === undefined) throw new Error('not traced');
    expect(own.takeCurrent()).toBeUndefined();
    const given = own.within(trace, () => [own.takeCurrent(), own.takeCurrent()]);
    expect(given).toEqual([trace.context, undefined]);
    expect(() =>
      own.within(trace, () => {
        throw new Error('x');
      }),
    ).toThrow('x');
    expect(own.takeCurrent()).toBeUndefined();
  });
});
