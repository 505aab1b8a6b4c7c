import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connect, flush, planeOf } from './data-plane-driver.ts';

const MiB = 1024 * 1024;

describe('packets that the host encodes', () => {
  it('head and payload come out as one run of bytes, whatever the length of the payload', () => {
    const plane = planeOf();
    connect(plane, 0);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.constantFrom(0, 1, 31, 32, 33, 262_143, 262_144, 700_000),
        fc.nat(255),
        (head, length, fill) => {
          const payload = Buffer.alloc(length, fill);
          plane.scratch.set(head);
          expect(plane.appendPacket(0, head.length, payload)).toBe(true);
          expect(Buffer.compare(flush(plane).get(0) ?? Buffer.alloc(0), Buffer.concat([head, payload]))).toBe(
            0,
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('a connection whose memory ends inside a packet is broken, and nothing of the packet is sent again', () => {
    const plane = planeOf({ memoryBytes: 16 * MiB });
    connect(plane, 0, { maxHeldBytes: 64 * MiB });
    connect(plane, 1, { maxHeldBytes: 64 * MiB });
    expect(plane.appendPacket(0, 4, Buffer.alloc(64 * MiB))).toBe(false);
    expect(plane.collect(0)).toBeUndefined();
    plane.close(0);
    expect(plane.append(1, Buffer.alloc(64 * MiB))).toBe(false);
    expect(plane.collect(1)).toBeUndefined();
  });
});
