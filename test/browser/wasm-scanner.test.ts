import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createFramer, FRAME_ROW, type ScanFrames, scanFrames } from '../../src/browser/frames.ts';
import { createWasmScanner, loadScanner } from '../../src/browser/wasm-scanner.ts';

let wasmScan: ScanFrames;
beforeAll(async () => {
  const bytes = readFileSync(new URL('../../build/frames.wasm', import.meta.url));
  wasmScan = await createWasmScanner(
    async (imports) => (await WebAssembly.instantiate(bytes, imports)).instance,
  );
});

function packet(first: number, bodyBytes: number): Uint8Array {
  const header = [first];
  let rest = bodyBytes;
  do {
    header.push(rest > 127 ? (rest & 127) | 128 : rest);
    rest >>>= 7;
  } while (rest > 0);
  const bytes = new Uint8Array(header.length + bodyBytes).fill(first);
  bytes.set(header);
  return bytes;
}

/** Around every length of the length itself, and around the scanner's window of 64 KiB. */
const bodyBytes = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 16_380, max: 16_390 }) },
  { weight: 1, arbitrary: fc.integer({ min: 65_520, max: 65_550 }) },
  { weight: 1, arbitrary: fc.integer({ min: 100_000, max: 140_000 }) },
);
const packets = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 255 }), bodyBytes), { maxLength: 12 })
  .map((list) => new Uint8Array(Buffer.concat(list.map(([first, length]) => packet(first, length)))));
/** Many more tiny packets than a table has rows. */
const crowd = fc
  .integer({ min: 200, max: 900 })
  .map((count) => new Uint8Array(count * 2).map((_, index) => (index % 2 === 0 ? 0xd0 : 0)));
const mutated = fc
  .tuple(packets, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }), fc.nat(9))
  .map(([stream, changes, cut]) => {
    const bytes = stream.slice(0, Math.max(0, stream.length - cut));
    for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
    return bytes;
  });
const stream = fc.oneof(packets, crowd, mutated, fc.uint8Array({ maxLength: 2000 }));
const limit = fc.constantFrom(50, 1000, 70_000, 1_048_576, 268_435_460, Number.POSITIVE_INFINITY);

describe('the WebAssembly scanner', () => {
  it('finds what scanFrames finds, in whole, cut, mutated and random streams (item 5)', () => {
    fc.assert(
      fc.property(stream, limit, fc.constantFrom(1, 3, 255, 256, 257, 600), (bytes, maxBytes, rows) => {
        const tables = [new Int32Array(rows * FRAME_ROW), new Int32Array(rows * FRAME_ROW)] as const;
        expect(wasmScan(bytes, tables[0], maxBytes)).toEqual(scanFrames(bytes, tables[1], maxBytes));
        expect(tables[0]).toEqual(tables[1]);
      }),
      { numRuns: 500 },
    );
  });

  it('gives a framer every packet whole, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.oneof(packets, crowd), fc.integer({ min: 100, max: 90_000 }), (bytes, chunkBytes) => {
        const framers = [createFramer(1e6, wasmScan), createFramer(1e6)];
        const ends = framers.map((framer) => {
          const lengths: number[] = [];
          for (let at = 0; at < bytes.length; at += chunkBytes) {
            const reason = framer.frames(bytes.subarray(at, at + chunkBytes), (_bytes, start, _body, end) =>
              lengths.push(end - start),
            );
            expect(reason).toBe(0);
          }
          return lengths;
        });
        expect(ends[0]).toEqual(ends[1]);
        expect(ends[0]?.reduce((sum, length) => sum + length, 0)).toBe(bytes.length);
      }),
      { numRuns: 100 },
    );
  });

  it('gives way to scanFrames where it cannot be had', async () => {
    // Node fetches no files.
    expect(await loadScanner()).toBe(scanFrames);
  });
});
