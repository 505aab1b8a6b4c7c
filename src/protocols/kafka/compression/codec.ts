/** What a compression is to those who use it. */

/** `too-large`: more than was allowed would come out. */
export type DecompressionFault = 'corrupt' | 'too-large';

export interface Codec {
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array | DecompressionFault;
  compress(bytes: Uint8Array): Uint8Array;
}
