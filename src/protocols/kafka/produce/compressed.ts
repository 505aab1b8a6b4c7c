/** Batches as topics with a compression of their own have them, whatever the producer chose. */
import type { LogKernel } from '../../../wasm/log.ts';
import { type CodecName, loadedCodec } from '../compression/compression.ts';
import { ErrorCode } from '../messages/errors.ts';
import { closeBatch, codecNeeded, openBatch } from '../records/open.ts';
import type { Topic } from '../topics/topics.ts';

/** Undefined where batches stay as they come. */
export function ownCompression({ settings }: Pick<Topic, 'settings'>): CodecName | 'none' | undefined {
  return settings.compression === 'producer' ? undefined : settings.compression;
}

/** The batch in the compression of its topic: itself where it has that. The codecs that are needed are loaded. */
export function inOwnCompression(kernel: LogKernel, topic: Topic, batch: Uint8Array): Uint8Array | ErrorCode {
  const wanted = ownCompression(topic);
  const given = codecNeeded(batch);
  if (wanted === undefined || wanted === (given ?? 'none')) return batch;
  const opened = openBatch(kernel, batch, given && loadedCodec(given));
  if (opened.batch === undefined) return ErrorCode.CORRUPT_MESSAGE;
  if (wanted === 'none') return opened.batch.bytes;
  const codec = loadedCodec(wanted);
  return codec === undefined ? batch : closeBatch(kernel, opened.batch, wanted, codec);
}
