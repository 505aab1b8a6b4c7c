import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/load/connection.ts';
import { createPublishing, type PublishingOptions, sentAtLength } from '../../src/load/publishing.ts';
import { createTally, Observe } from '../../src/load/tally.ts';

const PAYLOAD_BYTES = 16;

/** Connections that note when what they were given was due, and whose buffers are in use when the test says so. */
function harness(changes: Partial<PublishingOptions>) {
  let nowMs = 1_000_000;
  const tally = createTally({ observe: Observe.Stamp, payloadBytes: PAYLOAD_BYTES, maxFrameBytes: 4096 });
  const options: PublishingOptions = {
    publishers: 1,
    version: 4,
    qos: 0,
    retain: false,
    payloadBytes: PAYLOAD_BYTES,
    topicOf: (index) => `t/${index}`,
    fanOf: () => 0,
    window: 1000,
    inFlight: 10,
    rate: 0,
    tickMicros: 0,
    limit: Number.POSITIVE_INFINITY,
    isSampled: false,
    now: () => nowMs,
    ...changes,
  };
  const publishing = createPublishing(options, tally);
  const dues: number[][] = [];
  const isBusy: boolean[] = [];
  for (let index = 0; index < options.publishers; index++) {
    dues[index] = [];
    const connection: Connection = {
      index,
      writer: {
        flushed: () => isBusy[index] !== true,
        write(bytes) {
          const { stride, timeOffset } = connection.block ?? { stride: 1, timeOffset: 0 };
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
          for (let at = 0; at < bytes.length; at += stride)
            dues[index]?.push(view.getFloat64(at + timeOffset));
        },
      },
      ready: true,
      isOver: false,
      connack: { code: 0, receiveMaximum: 65_535, keepAliveSeconds: undefined },
      pingDueMs: 0,
      tail: new Uint8Array(0),
      tailBytes: 0,
      packetId: 0,
      sent: 0,
      block: undefined,
      inFlight: 0,
      sentAtMs: options.qos > 0 ? new Float64Array(sentAtLength(options.inFlight)) : undefined,
      onControl: () => undefined,
      destroy: () => undefined,
      end: () => Promise.resolve(),
    };
    publishing.add(connection);
  }
  return {
    publishing,
    tally,
    dues,
    isBusy,
    advance: (ms: number) => {
      nowMs += ms;
    },
    now: () => nowMs,
  };
}

describe('publishing at a rate', () => {
  it('sends each message with the time at which it was due, whatever the pauses and stalls', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.array(fc.record({ ms: fc.double({ min: 0, max: 300, noNaN: true }), busy: fc.nat(31) }), {
          maxLength: 20,
        }),
        (publishers, rate, moves) => {
          const { publishing, dues, isBusy, advance, now } = harness({ publishers, rate });
          const startMs = now();
          publishing.start();
          for (const { ms, busy } of moves) {
            advance(ms);
            for (let index = 0; index < publishers; index++) isBusy[index] = ((busy >> index) & 1) === 1;
            publishing.step();
          }
          isBusy.fill(false);
          // A block is written at a time.
          for (let i = 0; i < 100 && publishing.step() === 0; i++);
          for (const [index, own] of dues.entries()) {
            for (const [i, dueMs] of own.entries()) {
              expect(dueMs).toBeCloseTo(startMs + ((index + i * publishers) * 1000) / rate, 3);
            }
          }
          expect(publishing.behind()).toBe(0);
          const total = dues.reduce((sum, own) => sum + own.length, 0);
          expect(Math.abs(total - (((now() - startMs) * rate) / 1000 + 1))).toBeLessThan(1.001);
        },
      ),
      // A message due in the last bit of the time that it is now.
      { numRuns: 100, examples: [[2, 4990, [{ ms: 299.9999999999418, busy: 6 }]]] },
    );
  });

  it('says when the next one is due, and nothing where an acknowledgement has to come first', () => {
    const { publishing, advance } = harness({ rate: 100, qos: 1, inFlight: 2 });
    publishing.start();
    expect(publishing.step()).toBeCloseTo(10, 3);
    expect(publishing.sent()).toBe(1);
    advance(4);
    expect(publishing.step()).toBeCloseTo(6, 3);
    advance(60);
    publishing.step();
    expect(publishing.sent()).toBe(2);
    expect(publishing.behind()).toBe(5);
  });

  it('ends at the limit', () => {
    const { publishing, advance } = harness({ rate: 1000, limit: 7 });
    publishing.start();
    advance(1000);
    expect(publishing.step()).toBeUndefined();
    expect(publishing.sent()).toBe(7);
    expect(publishing.behind()).toBe(0);
  });
});

describe('publishing as fast as it goes', () => {
  it('never has more deliveries on their way than the window', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 7, max: 200 }),
        fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 20 }),
        (publishers, fan, window, arrivals) => {
          const { publishing, tally } = harness({ publishers, window, fanOf: () => fan });
          publishing.start();
          for (const arrived of arrivals) {
            publishing.step();
            expect(publishing.expected() - tally.received).toBeLessThanOrEqual(window);
            tally.received = Math.min(publishing.expected(), tally.received + arrived);
          }
          tally.received = publishing.expected();
          const before = publishing.sent();
          publishing.step();
          expect(publishing.sent()).toBeGreaterThan(before);
        },
      ),
    );
  });

  it('goes on at once where nothing comes back, and stamps one message of each write when it samples', () => {
    const { publishing, dues, now } = harness({ isSampled: true });
    publishing.start();
    expect(publishing.step()).toBe(0);
    const stamped = (dues[0] ?? []).filter((dueMs) => dueMs === now());
    expect(stamped).toHaveLength(1);
    expect(dues[0]?.length).toBeGreaterThan(1);
  });
});
