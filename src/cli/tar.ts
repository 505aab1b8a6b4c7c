/** An archive of files that are texts: the form `ustar`, which every tar reads. */
export interface ArchiveFile {
  /** At most 100 ASCII characters. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const BLOCK = 512;
const padding = (bytes: number): Buffer => Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
const octal = (value: number, length: number): string =>
  `${Math.floor(value)
    .toString(8)
    .padStart(length - 1, '0')}\0`;

function header(name: string, bytes: number, timeMs: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const put = (text: string, at: number): void => void block.write(text, at, 'latin1');
  put(name, 0);
  put(octal(0o600, 8), 100);
  put(octal(0, 8), 108);
  put(octal(0, 8), 116);
  put(octal(bytes, 12), 124);
  put(octal(timeMs / 1000, 12), 136);
  // The sum is made with blanks in its own place.
  put('        ', 148);
  put('0', 156);
  put('ustar\0', 257);
  put('00', 263);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

export function tarOf(files: readonly ArchiveFile[], timeMs: number): Uint8Array {
  const parts = files.flatMap(({ name, bytes }) => {
    if (name.length > 100) throw new Error(`${name} is too long a name for an archive`);
    return [header(name, bytes.length, timeMs), bytes, padding(bytes.length)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}
