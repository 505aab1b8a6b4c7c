/** Item 3 of the security checklist: numbers of variable length, over all of their range, and those that are none. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { FRAME_ROW, MALFORMED_PACKET, type ScanFrames, scanFrames } from '../../../src/browser/frames.ts';
import { createWasmScanner } from '../../../src/browser/wasm-scanner.ts';
import { WireError } from '../../../src/protocols/kafka/schema/fault.ts';
import { WireReader } from '../../../src/protocols/kafka/schema/reader.ts';
import { WireWriter } from '../../../src/protocols/kafka/schema/writer.ts';
import { varintBytes, writeVarint } from '../../../src/protocols/mqtt/codec/writer.ts';

const LARGEST = 268_435_455;
const table = new Int32Array(FRAME_ROW * 4);
let scanners: readonly ScanFrames[];
beforeAll(async () => {
  const bytes = readFileSync(new URL('../../../build/frames.wasm', import.meta.url));
  const wasm = await createWasmScanner(
    async (imports) => (await WebAssembly.instantiate(bytes, imports)).instance,
  );
  scanners = [scanFrames, wasm];
});

const edges = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, LARGEST - 1, LARGEST];
const lengths = fc.oneof(fc.constantFrom(...edges), fc.integer({ min: 0, max: LARGEST }));

describe('Remaining Length (item 3)', () => {
  it('is read as it was written, in as few bytes as there can be, by the scanner in WebAssembly as by the other', () => {
    fc.assert(
      fc.property(lengths, (length) => {
        const head = new Uint8Array(1 + varintBytes(length));
        head[0] = 0x30;
        expect(writeVarint(head, 1, length)).toBe(head.length);
        expect(head.length - 1).toBe(length === 0 ? 1 : Math.ceil((32 - Math.clz32(length)) / 7));
        for (const scan of scanners) {
          const { needBytes, reason } = scan(head, table, Number.POSITIVE_INFINITY);
          expect(reason).toBe(0);
          // With no bytes to follow it is whole already.
          expect(needBytes).toBe(length === 0 ? 0 : head.length + length);
        }
      }),
    );
  });

  it('of more bytes than it needs, or more than four, is malformed', () => {
    const longer = lengths
      .filter((length) => length < 2_097_152)
      .map((length) => {
        const head = new Uint8Array(2 + varintBytes(length));
        head[0] = 0x30;
        const end = writeVarint(head, 1, length);
        head[end - 1] = (head[end - 1] ?? 0) | 0x80;
        return head;
      });
    const endless = fc.tuple(
      ...Array.from({ length: 4 }, () => fc.integer({ min: 0x80, max: 0xff })),
      fc.integer({ min: 0, max: 0xff }),
    );
    const wrong = fc.oneof(
      longer,
      endless.map((bytes) => Uint8Array.of(0x30, ...bytes)),
    );
    fc.assert(
      fc.property(wrong, (bytes) => {
        for (const scan of scanners) {
          expect(scan(bytes, table, Number.POSITIVE_INFINITY).reason).toBe(MALFORMED_PACKET);
        }
      }),
    );
  });
});

describe('lengths of Kafka (item 3)', () => {
  const values = fc.oneof(fc.constantFrom(0, 127, 128, 16_384, 2 ** 28, 2 ** 31 - 1), fc.nat(2 ** 31 - 1));

  it('are read as they were written', () => {
    fc.assert(
      fc.property(values, (value) => {
        const writer = new WireWriter();
        writer.uvarint(value);
        expect(new WireReader(Buffer.concat(writer.finish())).uvarint()).toBe(value);
      }),
    );
  });

  it('above what a length can be, or without an end, are a fault', () => {
    const read = (bytes: readonly number[]) => (): number => new WireReader(Uint8Array.from(bytes)).uvarint();
    for (const bytes of [
      [0x80, 0x80, 0x80, 0x80, 0x08],
      [0xff, 0xff, 0xff, 0xff, 0xff],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      [0x80],
      [],
    ]) {
      expect(read(bytes)).toThrow(WireError);
    }
  });
});
