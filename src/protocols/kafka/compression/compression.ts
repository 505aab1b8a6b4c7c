/**
 * What lives here: the compressions that record batches come in, both ways: gzip, snappy (bare and in Java's framing), LZ4 frames,
 * zstd. Not here: what is inside a batch.
 * Guarantees: bytes that are not what they say are a fault and never a throw; no more than `maxBytes` come out, and memory is never
 * taken on the word of a length alone. Snappy and LZ4 are written here because no library on offer holds these two bounds.
 */
import type { Codec } from './codec.ts';
import { gzip } from './gzip.ts';
import { lz4 } from './lz4-frame.ts';
import { snappy } from './snappy.ts';

export type { Codec, DecompressionFault } from './codec.ts';

/** As the lowest bits of a batch's attributes number them, from 1 on. */
export const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
export type CodecName = (typeof CODECS)[number];

const loaded = new Map<CodecName, Codec>([
  ['gzip', gzip],
  ['snappy', snappy],
  ['lz4', lz4],
]);

/** undefined where `loadCodec` has to be waited for first. */
export const loadedCodec = (name: CodecName): Codec | undefined => loaded.get(name);

export async function loadCodec(name: CodecName): Promise<Codec> {
  const codec = loaded.get(name) ?? (await (await import('./zstd.ts')).createZstd());
  loaded.set(name, codec);
  return codec;
}
