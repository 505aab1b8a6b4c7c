import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createRules } from '../../src/telemetry/rules.ts';
import { createTraceHub } from '../../src/telemetry/trace-hub.ts';
import { createTracer, type Tracer } from '../../src/telemetry/tracer.ts';
import { createManualClock } from '../support/manual-clock.ts';

const clock = createManualClock();

function tracer(topic: string, more: { clientId?: string; followsParents?: boolean } = {}): Tracer {
  const { clientId = '', ...options } = more;
  return createTracer({
    rules: createRules([{ topic, clientId, oneIn: 1 }]),
    clock,
    maxPerSecond: () => 1000,
    maxSpans: 100,
    randomBytes,
    ...options,
  });
}

const arrival = (topic: string, parents: readonly string[] = []) =>
  ({ protocol: 'mqtt', topic, clientId: 'c', bytes: 1, parents }) as const;

describe('several who look at messages', () => {
  it('are asked for as one, and are nobody once they have gone', () => {
    const hub = createTraceHub();
    const changes: boolean[] = [];
    hub.follow(() => void changes.push(hub.isActive));
    expect([hub.isActive, hub.covers('a', 'c'), hub.begin(arrival('a'))]).toEqual([false, false, undefined]);
    const removeA = hub.add(tracer('a'));
    const removeB = hub.add(tracer('b/#', { clientId: 'dev-*' }));
    expect(['a', 'b/1', 'x'].map((topic) => hub.covers(topic, 'dev-1'))).toEqual([true, true, false]);
    expect([hub.singlesOut('dev-1'), hub.singlesOut('c')]).toEqual([true, false]);
    removeA();
    removeA();
    expect(hub.covers('a', 'c')).toBe(false);
    removeB();
    expect(changes).toEqual([true, true, true, false]);
  });

  it('get each a trace of their own of what both want', () => {
    const hub = createTraceHub();
    const [one, two] = [tracer('#'), tracer('a/#')];
    hub.add(one);
    hub.add(two);
    const both = hub.begin(arrival('a/1'));
    both?.step('route').end({ x: 1 });
    both?.end({}, 'lost');
    hub.begin(arrival('b'))?.end();
    const [ofOne, ofTwo] = [one.take(), two.take()];
    expect(ofOne.map(({ name }) => name)).toEqual(['route', 'publish', 'publish']);
    expect(ofTwo.map(({ name, fault }) => [name, fault])).toEqual([
      ['route', undefined],
      ['publish', 'lost'],
    ]);
    expect(ofTwo[0]?.parentSpanId).toBe(ofTwo[1]?.spanId);
    expect(both?.context.traceId).toBe(ofOne[1]?.traceId);
  });

  it('may look at what says that it is not traced, and keep its trace', () => {
    const hub = createTraceHub();
    const [collector, somebody] = [tracer('#'), tracer('#', { followsParents: false })];
    hub.add(collector);
    hub.add(somebody);
    const traceId = 'a'.repeat(32);
    hub.begin(arrival('t', [`00-${traceId}-${'b'.repeat(16)}-00`]))?.end();
    expect(collector.take()).toEqual([]);
    expect(somebody.take().map((span) => span.traceId)).toEqual([traceId]);
  });

  it('hand their trace to what is published within it, once', () => {
    const hub = createTraceHub();
    hub.add(tracer('#'));
    const trace = hub.begin(arrival('t'));
    if (trace === undefined) throw new Error('not traced');
    expect(hub.within(trace, () => [hub.takeCurrent(), hub.takeCurrent()])).toEqual([
      trace.context,
      undefined,
    ]);
    expect(hub.takeCurrent()).toBeUndefined();
  });
});
