/** Whether two secrets are the same, in a time that says only whether their lengths are. */
import { timingSafeEqual } from 'node:crypto';

export const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b);
