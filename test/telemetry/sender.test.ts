import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpClient, type HttpClient } from '../../src/security/outbound/request.ts';
import type { PartialSuccess } from '../../src/telemetry/otlp.ts';
import { createSender, retryAfterMs, type Sender } from '../../src/telemetry/sender.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';
import { startCollector, type TestCollector } from './collector.ts';

let collector: TestCollector;
let clock: ManualClock;
let client: HttpClient;
let failures: string[];
let successes: number;
let said: PartialSuccess[];

beforeEach(async () => {
  collector = await startCollector();
  clock = createManualClock();
  failures = [];
  successes = 0;
  said = [];
});
afterEach(async () => {
  client.close();
  await collector.close();
});

function sender(maxBytes = 10_000, timeoutMs = 5000): Sender {
  client = createHttpClient({
    timeoutMs,
    maxInFlight: 1,
    maxWaiting: 1,
    maxAnswerBytes: 1000,
    allowLinkLocal: false,
  });
  return createSender({
    client,
    url: new URL(`${collector.url}/v1/traces`),
    headers: () => ({ authorization: 'planted-secret' }),
    clock,
    maxBytes,
    random: () => 0.5,
    onFailure: (reason) => void failures.push(reason),
    onSuccess: () => void successes++,
    onPartialSuccess: (each) => void said.push(each),
  });
}

const body = JSON.stringify({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [] }] });
const requests = (count: number) => expect.poll(() => collector.requests.length).toBe(count);
const failed = (count: number) => expect.poll(() => failures.length).toBe(count);

describe('a sender', () => {
  it('posts JSON with the headers of the collector, and counts what that refuses in part', async () => {
    collector.answers.push({ body: { partialSuccess: { rejectedSpans: '2', errorMessage: 'odd' } } });
    const to = sender();
    to.send(body, 5);
    to.send(body, 3);
    await expect.poll(() => to.counters).toEqual({ sent: 6, rejected: 2, dropped: 0 });
    expect(collector.requests.map(({ path, headers }) => [path, headers['content-type']])).toEqual([
      ['/v1/traces', 'application/json'],
      ['/v1/traces', 'application/json'],
    ]);
    expect(collector.requests[0]?.headers.authorization).toBe('planted-secret');
    expect(said).toEqual([{ rejected: 2, message: 'odd' }]);
    collector.answers.push({ body: { partialSuccess: { errorMessage: 'w'.repeat(500) } } });
    to.send(body, 1);
    await expect.poll(() => said.length).toBe(2);
    expect(said[1]).toEqual({ rejected: 0, message: 'w'.repeat(256) });
    await to.stop(1000);
  });

  it('tries again later and later what may succeed, in order, and gives up what cannot', async () => {
    collector.answers.push({ status: 503 }, { status: 429 }, { status: 400 });
    const to = sender();
    to.send(body, 1);
    to.send(body, 10);
    await failed(1);
    await clock.advance(700);
    await requests(1);
    await clock.advance(100);
    await failed(2);
    await clock.advance(1400);
    await requests(2);
    await clock.advance(200);
    await expect.poll(() => to.counters).toEqual({ sent: 10, rejected: 0, dropped: 1 });
    expect(failures).toEqual([503, 429, 400].map((status) => `the collector answered ${status}`));
    expect(successes).toBe(1);
    await to.stop(1000);
  });

  it('waits as long as the collector asks for', async () => {
    collector.answers.push({ status: 503, headers: { 'retry-after': '30' } });
    const to = sender();
    to.send(body, 1);
    await failed(1);
    await clock.advance(29_000);
    await requests(1);
    await clock.advance(1000);
    await requests(2);
    await to.stop(1000);
  });

  it('is not driven in a circle by a collector that wants to be asked again at once', async () => {
    const before = 'Thu, 01 Jan 1970 00:00:00 GMT';
    for (const after of ['0', before, '0']) {
      collector.answers.push({ status: 429, headers: { 'retry-after': after } });
    }
    const to = sender();
    to.send(body, 1);
    // 1, 2 and 4 s, of which half is chance.
    for (const [at, waitMs] of [750, 1500, 3000].entries()) {
      await failed(at + 1);
      await clock.advance(waitMs - 1);
      expect(collector.requests.length).toBe(at + 1);
      await clock.advance(1);
      await requests(at + 2);
    }
    await expect.poll(() => to.counters.sent).toBe(1);
    await to.stop(1000);
  });

  it('reads Retry-After as seconds and as a date, and nothing beyond five minutes', () => {
    const nowMs = Date.UTC(2026, 0, 1);
    expect(retryAfterMs('7', nowMs)).toBe(7000);
    expect(retryAfterMs('Thu, 01 Jan 2026 00:00:09 GMT', nowMs)).toBe(9000);
    expect(retryAfterMs('Thu, 01 Jan 2025 00:00:09 GMT', nowMs)).toBe(0);
    expect(retryAfterMs('99999', nowMs)).toBe(300_000);
    expect(retryAfterMs('soon', nowMs)).toBeUndefined();
    expect(retryAfterMs(undefined, nowMs)).toBeUndefined();
  });

  it('holds so many bytes and counts what finds no room', async () => {
    collector.answers.push({ hangs: true });
    const to = sender(3 * body.length);
    for (let i = 0; i < 10; i++) to.send(body, 2);
    expect(to.counters.dropped).toBe(14);
    await to.stop(50);
    expect(to.counters).toEqual({ sent: 0, rejected: 0, dropped: 20 });
  });

  it('is not held up at the end by a collector that hangs, and hands out what waits to one that does not', async () => {
    const to = sender();
    collector.answers.push({ status: 503 });
    to.send(body, 1);
    await failed(1);
    // It waits for its time; that is not waited for.
    await to.stop(5000);
    expect(to.counters).toEqual({ sent: 1, rejected: 0, dropped: 0 });
  });

  it('says of a collector that says nothing how long it was waited for', async () => {
    collector.answers.push({ hangs: true });
    const to = sender(10_000, 100);
    to.send(body, 1);
    await failed(1);
    expect(failures).toEqual(['no whole answer within 100 ms']);
    await to.stop(1);
  });

  it('tries again where nobody listens', async () => {
    const to = sender();
    const { url } = collector;
    await collector.close();
    to.send(body, 4);
    await failed(1);
    expect(failures[0]).toContain('ECONNREFUSED');
    expect(failures[0]).not.toContain('planted-secret');
    expect(to.counters.dropped).toBe(0);
    await to.stop(1000);
    expect([to.counters.dropped, url]).toEqual([4, url]);
    collector = await startCollector();
  });
});
