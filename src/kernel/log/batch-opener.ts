/** How compressed batches are opened and closed again. Compression is not the kernel's: the composition root hands it in. */
import { type Codec, type ReadBatch, readRecordBatch } from '../../storage/records/record-batch.ts';
import type { LogKernel } from '../../wasm/log.ts';

export type Opened = ReadBatch | { readonly batch?: undefined; readonly fault: string };

export interface BatchOpener {
  /** The batch with its records, as if it had never been compressed; no more comes out than a batch may have. */
  open(bytes: Uint8Array): Promise<Opened>;
  /** The records of an open batch compressed. */
  close(bytes: Uint8Array, codec: Codec): Promise<Uint8Array>;
}

/** Compressed batches stay closed, and are told to be. */
export function withoutCodecs(kernel: LogKernel): BatchOpener {
  return {
    async open(bytes) {
      const read = readRecordBatch(kernel, bytes);
      return read.batch?.isCompressed ? { fault: `no codec for ${read.batch.codec}` } : read;
    },
    close: async (bytes) => bytes,
  };
}
