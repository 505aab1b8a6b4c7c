/**
 * Payloads with a checksum of their own: record batches, whose bytes 17 to 20 are the CRC-32C of all that is behind. It was checked
 * when the batch came, so that a block which has such a payload sums up the front of it only, and the rest is told by the front.
 */
import { createLogKernel } from '../../wasm/create-log.ts';
import type { LogKernel } from '../../wasm/log.ts';

const SUM_AT = 17;
/** The part that is in the sum of the block. */
export const OWN_SUM_FROM = 21;

const CHUNK_BYTES = 64 * 1024;
const MEMORY_BYTES = 1024 * 1024;
/** One for the process, from the first such payload on: it keeps nothing from one call to the next. */
let kernel: LogKernel | undefined;

/** Precondition: there are more than `OWN_SUM_FROM` bytes. */
export function hasRightSum(payload: Uint8Array): boolean {
  kernel ??= createLogKernel({ maxBatchBytes: CHUNK_BYTES, memoryLimitBytes: MEMORY_BYTES });
  const stated = new DataView(payload.buffer, payload.byteOffset).getUint32(SUM_AT);
  return kernel.crc32c(payload.subarray(OWN_SUM_FROM)) === stated;
}
