/** Opens and closes batches for the kernel's partitions, which know nothing of compression. Codecs are loaded when they are met. */
import type { BatchOpener } from '../../../kernel/log/partitions.ts';
import { readRecordBatch } from '../../../storage/records/record-batch.ts';
import type { LogKernel } from '../../../wasm/log.ts';
import { loadCodec } from '../compression/compression.ts';
import { closeBatch, codecNeeded, openBatch } from './open.ts';

export function createBatchOpener(kernel: LogKernel): BatchOpener {
  return {
    async open(bytes) {
      const name = codecNeeded(bytes);
      return openBatch(kernel, bytes, name && (await loadCodec(name)));
    },
    async close(bytes, name) {
      const { batch, fault } = readRecordBatch(kernel, bytes);
      if (batch === undefined) throw new TypeError(`a batch that is not valid: ${fault}`);
      return name === 'none' ? bytes : closeBatch(kernel, batch, name, await loadCodec(name));
    },
  };
}
