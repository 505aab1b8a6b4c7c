import { deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import * as lz4js from 'lz4js';
import * as snappyjs from 'snappyjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  CODECS,
  type Codec,
  type CodecName,
  loadCodec,
  loadedCodec,
} from '../../../../src/protocols/kafka/compression/compression.ts';
import { xxh32 } from '../../../../src/protocols/kafka/compression/xxh32.ts';

const LIMIT = 1 << 20;
const codecs = new Map<CodecName, Codec>();
const codec = (name: CodecName): Codec => codecs.get(name) as Codec;
const equal = (a: unknown, b: Uint8Array): boolean => a instanceof Uint8Array && Buffer.compare(a, b) === 0;

beforeAll(async () => {
  for (const name of CODECS) codecs.set(name, await loadCodec(name));
});

/** Something of everything: noise, runs, and text that repeats itself near and far. */
const inputs: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.nat(255), fc.nat(3000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
      fc
        .tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.nat(400))
        .map(([text, count]) => new Uint8Array(Buffer.from(text.repeat(count)))),
      fc
        .integer({ min: 60_000, max: 70_000 })
        .map((length) => new Uint8Array(length).map((_, i) => (i * i) >> 7)),
    ),
    { maxLength: 6 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));

const sample = new Uint8Array(
  Buffer.from(JSON.stringify(Array.from({ length: 40 }, (_, id) => ({ id, at: id * 7 })))),
);

describe.each(CODECS)('%s', (name) => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        expect(equal(codec(name).decompress(codec(name).compress(input), LIMIT), input)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('makes repetition small', () => {
    const input = new Uint8Array(100_000).fill(7);
    expect(codec(name).compress(input).length).toBeLessThan(6000);
  });

  it('gives exactly as much as is allowed, and no more', () => {
    for (const input of [sample, new Uint8Array(300_000).fill(1)]) {
      const compressed = codec(name).compress(input);
      expect(equal(codec(name).decompress(compressed, input.length), input)).toBe(true);
      expect(codec(name).decompress(compressed, input.length - 1)).toBe('too-large');
      expect(codec(name).decompress(compressed, 0)).toBe('too-large');
    }
  });

  it('refuses what is cut off', () => {
    const compressed = codec(name).compress(sample);
    for (let length = 0; length < compressed.length; length++) {
      const result = codec(name).decompress(compressed.subarray(0, length), LIMIT);
      // A framed snappy stream may end between two blocks, and nothing compresses to nothing.
      if (result instanceof Uint8Array) expect(result.length).toBe(0);
      else expect(result).toBe('corrupt');
    }
  });

  it('is not thrown off by any changed byte', () => {
    const compressed = codec(name).compress(sample);
    for (let at = 0; at < compressed.length; at++) {
      for (const mask of [1, 0x10, 0x80, 0xff]) {
        const changed = new Uint8Array(compressed);
        changed[at] = (changed[at] as number) ^ mask;
        const result = codec(name).decompress(changed, 4096);
        if (result instanceof Uint8Array) expect(result.length).toBeLessThanOrEqual(4096);
      }
    }
    expect(equal(codec(name).decompress(compressed, LIMIT), sample)).toBe(true);
  });

  it('refuses noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (noise) => {
        const result = codec(name).decompress(noise, 1000);
        if (result instanceof Uint8Array) expect(result.length).toBeLessThanOrEqual(1000);
      }),
      { numRuns: 300 },
    );
  });

  it('is there at once when it has been loaded', () => {
    expect(loadedCodec(name)).toBe(codec(name));
  });
});

describe('against other implementations', () => {
  const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
  const framing = hex('82534e4150505900 00000001 00000001');

  it('gzip reads several members, and is read', () => {
    const members = Buffer.concat([gzipSync('one '), gzipSync('two')]);
    expect(Buffer.from(codec('gzip').decompress(members, 100) as Uint8Array).toString()).toBe('one two');
    expect(equal(gunzipSync(codec('gzip').compress(sample)), sample)).toBe(true);
    expect(codec('gzip').decompress(deflateRawSync(sample), LIMIT)).toBe('corrupt');
  });

  it('snappy reads bare blocks and framed ones, and its blocks are read', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const bare = snappyjs.compress(input);
        expect(equal(codec('snappy').decompress(bare, LIMIT), input)).toBe(true);
        const length = new Uint8Array(4);
        new DataView(length.buffer).setUint32(0, bare.length);
        const framed = new Uint8Array(Buffer.concat([framing, length, bare]));
        expect(equal(codec('snappy').decompress(framed, LIMIT), input)).toBe(true);

        const ours = codec('snappy').compress(input);
        const parts: Uint8Array[] = [];
        for (let at = 16; at < ours.length; ) {
          const size = new DataView(ours.buffer, at).getUint32(0);
          parts.push(snappyjs.uncompress(ours.slice(at + 4, at + 4 + size)));
          at += 4 + size;
        }
        expect(equal(Buffer.concat(parts), input)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('snappy believes no length', () => {
    // A block that says 2^31 bytes, a frame whose block says 2^31 bytes of input, a match before the beginning.
    expect(codec('snappy').decompress(hex('ffffffff07 00 41'), LIMIT)).toBe('corrupt');
    expect(codec('snappy').decompress(new Uint8Array([...framing, ...hex('7fffffff 01 00 41')]), LIMIT)).toBe(
      'corrupt',
    );
    expect(codec('snappy').decompress(hex('05 00 41 0e 02 00'), LIMIT)).toBe('corrupt');
  });

  it('lz4 reads frames and its frames are read', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        expect(equal(codec('lz4').decompress(lz4js.compress(input), LIMIT), input)).toBe(true);
        expect(equal(lz4js.decompress(codec('lz4').compress(input)), input)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('lz4 checks the checksums of header, block and content', () => {
    const frame = (descriptor: string, block: string, rest: string): Uint8Array => {
      const fields = hex(descriptor);
      const sum = (xxh32(fields) >> 8) & 255;
      return new Uint8Array([...hex('04224d18'), ...fields, sum, ...hex(block), ...hex(rest)]);
    };
    const le = (value: number): string => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value);
      return bytes.toString('hex');
    };
    const sum = le(xxh32(Buffer.from('abc')));
    const stored = '03000080 616263';
    const good = frame('7440', `${stored}${sum}`, `00000000${sum}`);
    expect(Buffer.from(codec('lz4').decompress(good, 9) as Uint8Array).toString()).toBe('abc');
    expect(codec('lz4').decompress(frame('7440', `${stored}${le(1)}`, `00000000${sum}`), 9)).toBe('corrupt');
    expect(codec('lz4').decompress(frame('7440', `${stored}${sum}`, `00000000${le(1)}`), 9)).toBe('corrupt');
    const header = new Uint8Array(good);
    header[6] = (header[6] as number) ^ 1;
    expect(codec('lz4').decompress(header, 9)).toBe('corrupt');
  });

  it('xxHash is the published one', () => {
    expect(xxh32(new Uint8Array(0))).toBe(0x02cc_5d05);
    expect(xxh32(Buffer.from('abc'))).toBe(0x32d1_53ff);
    expect(xxh32(Buffer.from('Nobody inspects the spammish repetition'))).toBe(0xe229_3b2f);
  });

  it('zstd takes several frames and passes over frames to be skipped', () => {
    const frame = codec('zstd').compress(Buffer.from('one '));
    const skipped = hex('512a4d18 03000000 010203');
    const all = new Uint8Array([...frame, ...skipped, ...codec('zstd').compress(Buffer.from('two'))]);
    expect(Buffer.from(codec('zstd').decompress(all, 7) as Uint8Array).toString()).toBe('one two');
    expect(codec('zstd').decompress(all, 6)).toBe('too-large');
  });

  it('zstd reads frames that do not say how long they are', () => {
    // A raw block, then one byte repeated 100 times; the window is 1 KiB.
    const frame = hex('28b52ffd 00 00 180000 616263 230300 7a');
    expect(Buffer.from(codec('zstd').decompress(frame, 200) as Uint8Array).toString()).toBe(
      `abc${'z'.repeat(100)}`,
    );
    expect(codec('zstd').decompress(frame, 102)).toBe('too-large');
  });
});

describe('bombs', () => {
  it.each(CODECS)('%s stops at the limit (item 10)', (name) => {
    const bomb = codec(name).compress(new Uint8Array(16 << 20));
    const before = process.memoryUsage();
    expect(codec(name).decompress(bomb, 1 << 20)).toBe('too-large');
    const after = process.memoryUsage();
    expect(after.external - before.external).toBeLessThan(16 << 20);
  });
});
