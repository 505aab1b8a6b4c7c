import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEventStreams, type EventStreams, MAX_LAG_BYTES } from '../../src/admin/event-stream.ts';
import type { Feed, FeedItem } from '../../src/admin/feed.ts';
import { type EventReader, followEvents } from '../support/event-reader.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

/** Keeps `capacity` items for who reads; the rest is dropped. */
function fakeFeed(capacity = 10) {
  const waiting: FeedItem[] = [];
  let dropped = 0;
  let ready = (): void => {};
  let end = (_reason: string): void => {};
  const state = { isClosed: false };
  const feed: Feed = {
    needs: ['audit:read'],
    start(wake, over) {
      ready = wake;
      end = over;
    },
    take: () => waiting.shift(),
    takeDropped() {
      const taken = dropped;
      dropped = 0;
      return taken;
    },
    close() {
      state.isClosed = true;
    },
  };
  return {
    feed,
    state,
    end: (reason: string) => end(reason),
    put(item: FeedItem) {
      if (waiting.length < capacity) waiting.push(item);
      else dropped++;
      ready();
    },
  };
}

let clock: ManualClock;
let streams: EventStreams;
let server: http.Server;
let source: ReturnType<typeof fakeFeed>;
let isAllowed: boolean;
let asked: (readonly string[])[];
let readers: EventReader[];
let lengths: number[];

beforeEach(async () => {
  clock = createManualClock();
  streams = createEventStreams({ clock, maxStreamsPerUser: 2 });
  source = fakeFeed();
  isAllowed = true;
  asked = [];
  readers = [];
  lengths = [];
  server = http.createServer((request, response) => {
    const write = response.write.bind(response);
    response.write = ((chunk: string) => {
      const result = write(chunk);
      lengths.push(response.writableLength);
      return result;
    }) as typeof response.write;
    const served = streams.serve(source.feed, request, response, 'ada', async (needs) => {
      asked.push(needs);
      return isAllowed;
    });
    served.catch((error: Error) => response.writeHead(503, { reason: error.message }).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  for (const reader of readers) reader.close();
  server.closeAllConnections();
  server.close();
});

async function follow(): Promise<EventReader> {
  const { port } = server.address() as AddressInfo;
  const reader = await followEvents({ port, host: '127.0.0.1' });
  readers.push(reader);
  return reader;
}

describe('a stream of events', () => {
  it('is what happens, with identifiers, and not to be kept by anybody on the way', async () => {
    const reader = await follow();
    expect(reader.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    source.put({ id: 'run.1', data: { text: 'one\ntwo' } });
    source.put({ id: 'run\n\n.2', data: { n: 2 } });
    expect(await reader.next()).toEqual({ event: 'message', id: 'run.1', data: '{"text":"one\\ntwo"}' });
    expect(await reader.next()).toEqual({ event: 'message', id: 'run.2', data: '{"n":2}' });
  });

  it('says how much its reader did not get', async () => {
    const reader = await follow();
    for (let n = 0; n < 15; n++) source.put({ data: n });
    expect(await reader.next()).toMatchObject({ event: 'dropped', data: '{"dropped":5}' });
    for (let n = 0; n < 10; n++) expect(await reader.next()).toMatchObject({ data: String(n) });
  });

  it('grows no further than its bound where nobody reads, and goes on when somebody does', async () => {
    source = fakeFeed(100_000);
    const reader = await follow();
    reader.response.pause();
    const data = 'x'.repeat(10_000);
    for (let n = 0; n < 1500; n++) source.put({ data: `${n} ${data}` });
    for (let i = 0; i < 200; i++) await turn();
    expect(Math.max(...lengths)).toBeLessThan(2 * MAX_LAG_BYTES);
    for (let n = 0; n < 1500; n++) {
      const event = await reader.next();
      expect(event?.data.slice(1, 6).startsWith(`${n} `)).toBe(true);
    }
  });

  it('ends a reader that takes nothing at all', async () => {
    source = fakeFeed(100_000);
    const reader = await follow();
    reader.response.pause();
    const data = 'x'.repeat(100_000);
    for (let n = 0; n < 200; n++) source.put({ data });
    for (let i = 0; i < 200; i++) await turn();
    await clock.advance(61_000);
    expect([streams.count, source.state.isClosed]).toEqual([0, true]);
  });

  it('gives a sign of life every 15 seconds', async () => {
    const reader = await follow();
    const chunks: string[] = [];
    reader.response.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
    await clock.advance(15_000);
    while (!chunks.join('').includes(': \n\n')) await once(reader.response, 'data');
    expect(chunks.join('')).toBe('retry: 1000\n\n: \n\n');
  });

  it('ends within a second of losing the right to it, or to what it shows', async () => {
    const reader = await follow();
    await clock.advance(1000);
    expect(asked).toEqual([['audit:read']]);
    isAllowed = false;
    await clock.advance(1000);
    expect(await reader.next()).toMatchObject({ event: 'end', data: '{"reason":"not allowed any more"}' });
    expect(await reader.next()).toBeUndefined();
    expect([streams.count, source.state.isClosed]).toEqual([0, true]);
  });

  it('ends with the node, and no other begins', async () => {
    const reader = await follow();
    streams.close();
    expect(await reader.next()).toMatchObject({ event: 'end', data: '{"reason":"the broker is stopping"}' });
    expect(() => streams.checkRoom('ada')).toThrow('the broker is stopping');
    const late = await follow();
    expect(late.response.headers.reason).toBe('the broker is stopping');
  });

  it('ends where its source does', async () => {
    const reader = await follow();
    source.end('nothing more will come');
    expect(await reader.next()).toMatchObject({ event: 'end' });
  });

  it('is one of a bounded number, also of one user, and makes room when its reader goes', async () => {
    const [first] = [await follow(), await follow()];
    streams.checkRoom('eve');
    expect(() => streams.checkRoom('ada')).toThrow('at most 2 streams of one user are served at a time');
    expect((await follow()).response.headers.reason).toMatch(/^at most 2 streams of one user/);
    first?.close();
    while (streams.count > 1) await turn();
    streams.checkRoom('ada');
  });

  it('is one of a bounded number in all', async () => {
    streams = createEventStreams({ clock, maxStreams: 1 });
    await follow();
    expect(() => streams.checkRoom('eve')).toThrow('at most 1 streams are served at a time');
  });

  it('is not begun by who asks for its head', async () => {
    const { port } = server.address() as AddressInfo;
    const reader = await followEvents({ port, host: '127.0.0.1', method: 'HEAD' });
    expect([reader.response.statusCode, streams.count]).toEqual([200, 0]);
    expect(source.state.isClosed).toBe(true);
  });
});
