/** gzip as node:zlib has it, which also reads several members one after another. */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Codec } from './codec.ts';

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';

export const gzip: Codec = {
  decompress(bytes, maxBytes) {
    try {
      return gunzipSync(bytes, { maxOutputLength: Math.max(1, maxBytes) });
    } catch (error) {
      return isTooLarge(error) ? 'too-large' : 'corrupt';
    }
  },
  compress: (bytes) => gzipSync(bytes),
};
