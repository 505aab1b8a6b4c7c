import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFrameInput, foreignProtocol } from '../../../src/protocols/kafka/input.ts';
import { createRequestMemory } from '../../../src/protocols/kafka/request-memory.ts';

const MIN = 8;
const MAX = 100_000;

function framed(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(payload.length);
  return Buffer.concat([head, payload]);
}

describe('input', () => {
  it('gives the frames that were sent, however the bytes are cut, in memory of their own', () => {
    const payload = fc.oneof(
      fc.uint8Array({ minLength: MIN, maxLength: 64 }),
      fc.integer({ min: MIN, max: 6000 }).map((size) => new Uint8Array(size).fill(size & 255)),
    );
    fc.assert(
      fc.property(
        fc.array(payload, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 20 }),
        (payloads, cuts) => {
          const input = createFrameInput(MIN, () => MAX, createRequestMemory());
          const bytes = Buffer.concat(payloads.map(framed));
          const window = new Uint8Array(30_000);
          const frames: Buffer[] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const piece = bytes.subarray(at, at + (cuts[i % cuts.length] as number));
            window.set(piece);
            expect(input.push(window.subarray(0, piece.length), (frame) => frames.push(frame))).toBe(true);
            // What the next read puts there is not seen by those before.
            window.fill(0xee, 0, piece.length);
            at += piece.length;
          }
          expect(frames.map((frame) => frame.toString('latin1'))).toEqual(
            payloads.map((each) => Buffer.from(each).toString('latin1')),
          );
          expect(input.heldBytes).toBe(0);
        },
      ),
    );
  });

  it('believes no length: memory is a small multiple of what has come (item 9)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 5000, max: MAX }), fc.nat({ max: 4999 }), (size, arrived) => {
        const input = createFrameInput(MIN, () => MAX, createRequestMemory());
        const bytes = framed(new Uint8Array(size)).subarray(0, 4 + arrived);
        input.push(bytes, () => expect.unreachable());
        expect(input.heldBytes).toBeLessThanOrEqual(Math.max(4096, 8 * arrived));
      }),
    );
  });

  it.each([-(2 ** 31), -1, 0, MIN - 1, MAX + 1, 2 ** 31 - 1])('refuses a length of %i', (size) => {
    const input = createFrameInput(MIN, () => MAX, createRequestMemory());
    const head = Buffer.alloc(4);
    head.writeInt32BE(size);
    expect(input.push(head, () => expect.unreachable())).toBe(false);
    expect(input.refusedLength).toBe(size);
    expect(input.heldBytes).toBe(0);
  });
});

describe('another protocol', () => {
  it('is known by its first bytes', () => {
    const start = (bytes: Uint8Array): number => Buffer.from(bytes).readInt32BE(0);
    expect(foreignProtocol(start(Buffer.from('GET /')))).toBe('HTTP');
    expect(foreignProtocol(start(Buffer.from('POST /')))).toBe('HTTP');
    expect(foreignProtocol(start(Uint8Array.of(0x16, 3, 1, 2)))).toContain('TLS');
    expect(foreignProtocol(start(Uint8Array.of(0x10, 0x20, 0, 4)))).toBe('MQTT');
    expect(foreignProtocol(-1)).toBeUndefined();
  });
});
