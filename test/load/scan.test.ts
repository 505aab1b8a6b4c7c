import fc from 'fast-check';
import mqttPacket, { type Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { PacketType, type Scanned, type ScanState, scan } from '../../src/load/scan.ts';
import { mark } from '../../src/load/stamp.ts';
import { createTally, Observe } from '../../src/load/tally.ts';

const PAYLOAD_BYTES = 16;

function harness() {
  const tally = createTally({ observe: Observe.Stamp, payloadBytes: PAYLOAD_BYTES, maxFrameBytes: 4096 });
  tally.measureFromMs = 0;
  const controls: number[] = [];
  const state: ScanState = {
    inFlight: 1000,
    sentAtMs: new Float64Array(64),
    onControl: (type) => controls.push(type),
  };
  const result: Scanned = { consumed: 0, failure: undefined };
  /** Feeds bytes as a connection does: what is incomplete comes again, in front of the next. */
  let rest = new Uint8Array(0);
  const feed = (chunk: Uint8Array, nowMs = 100): void => {
    const bytes = Uint8Array.from([...rest, ...chunk]);
    scan(bytes, new DataView(bytes.buffer), 0, bytes.length, state, tally, nowMs, result);
    rest = bytes.slice(result.consumed);
  };
  return { tally, state, result, controls, feed, unread: () => rest.length };
}

function publish(qos: 0 | 1 | 2, messageId: number, stampMs: number): Packet {
  const payload = Buffer.alloc(PAYLOAD_BYTES);
  mark(new DataView(payload.buffer, payload.byteOffset, PAYLOAD_BYTES), PAYLOAD_BYTES);
  payload.writeDoubleBE(stampMs, 8);
  return { cmd: 'publish', topic: 'a/b', qos, messageId, payload, dup: false, retain: false };
}

const packet = fc.oneof(
  fc
    .record({
      qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
      id: fc.integer({ min: 1, max: 65_535 }),
    })
    .map(({ qos, id }) => publish(qos, id, 40)),
  fc
    .record({
      cmd: fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const, 'pubcomp' as const),
      messageId: fc.integer({ min: 1, max: 65_535 }),
    })
    .map((value): Packet => value),
  fc.constant<Packet>({ cmd: 'pingresp' }),
);

describe('scanning what a broker sends', () => {
  it('counts and answers the same, however the stream is cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(packet, { maxLength: 30 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (packets, cuts) => {
          const bytes = Buffer.concat(packets.map((one) => mqttPacket.generate(one, { protocolVersion: 4 })));
          const { tally, state, feed, unread } = harness();
          const places = [
            0,
            ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b),
            bytes.length,
          ];
          for (const [i, place] of places.entries()) feed(bytes.subarray(place, places[i + 1] ?? place));

          const named = (...names: string[]) => packets.filter((one) => names.includes(one.cmd));
          expect(unread()).toBe(0);
          expect(tally.received).toBe(named('publish').length);
          expect(tally.acknowledged).toBe(named('puback', 'pubcomp').length);
          expect(state.inFlight).toBe(1000 - tally.acknowledged);
          expect(tally.delivery.count).toBe(tally.received);

          const answers = packets.flatMap((one): Packet[] => {
            if (one.cmd === 'publish' && one.qos > 0) {
              return [{ cmd: one.qos === 1 ? 'puback' : 'pubrec', messageId: one.messageId ?? 0 }];
            }
            if (one.cmd === 'pubrec') return [{ cmd: 'pubrel', messageId: one.messageId ?? 0 }];
            return one.cmd === 'pubrel' ? [{ cmd: 'pubcomp', messageId: one.messageId ?? 0 }] : [];
          });
          const expected = Buffer.concat(answers.map((one) => mqttPacket.generate(one)));
          expect(Buffer.from(tally.acks.subarray(0, tally.ackBytes))).toEqual(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('takes latency from the intended send time, and only of messages meant for the measured time', () => {
    const { tally, feed } = harness();
    tally.measureFromMs = 50;
    feed(mqttPacket.generate(publish(0, 0, 40)), 100);
    feed(mqttPacket.generate(publish(0, 0, 60)), 100);
    expect(tally.received).toBe(2);
    expect(tally.delivery.count).toBe(1);
    expect(tally.delivery.maxMicros).toBe(40_000);
  });

  it('takes no latency from payloads of others', () => {
    const { tally, feed } = harness();
    for (const payload of ['', 'x', 'a'.repeat(15), 'b'.repeat(16), 'c'.repeat(100)]) {
      feed(mqttPacket.generate({ cmd: 'publish', topic: 't', qos: 0, payload, dup: false, retain: false }));
    }
    expect(tally.received).toBe(5);
    expect(tally.delivery.count).toBe(0);
  });

  it('counts refusals, and a refused QoS 2 message opens the window without PUBREL', () => {
    const { tally, state, feed } = harness();
    feed(Uint8Array.of(0x50, 4, 0, 9, 0x97, 0, 0x40, 4, 0, 9, 0x97, 0));
    expect(tally.refused).toBe(2);
    expect(tally.ackBytes).toBe(0);
    expect(state.inFlight).toBe(998);
  });

  it('hands on what is rare and refuses a length of five bytes', () => {
    const { controls, feed, result } = harness();
    feed(Uint8Array.of(0x20, 2, 0, 0, 0xd0, 0, 0xe0, 0));
    expect(controls).toEqual([PacketType.Connack, PacketType.Disconnect]);
    feed(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f));
    expect(result.failure).toContain('remaining length');
  });
});
