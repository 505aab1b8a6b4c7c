/**
 * Addresses of Unix sockets inside a directory. The system takes some hundred bytes of a path only, which a directory
 * deep in a tree exceeds: Linux reaches it through a descriptor of the directory instead.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The smallest limit there is (macOS: 104 bytes with the terminator). */
const MAX_PATH_BYTES = 103;

export interface SocketDirectory {
  /** To listen on or to connect to, until `release`. */
  pathOf(name: string): string;
  release(): void;
}

/** `longestName`: bytes of the longest name that will be asked for. Throws a sentence where nothing helps. */
export function openSocketDirectory(directory: string, longestName: number): SocketDirectory {
  const absolute = resolve(directory);
  if (Buffer.byteLength(absolute) + 1 + longestName <= MAX_PATH_BYTES) {
    return { pathOf: (name) => join(absolute, name), release: () => {} };
  }
  if (process.platform !== 'linux') {
    throw new Error(`${absolute} is too long a path for the sockets in it; choose a shorter one`);
  }
  const descriptor = openSync(absolute, constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    pathOf: (name) => `/proc/self/fd/${descriptor}/${name}`,
    release: () => closeSync(descriptor),
  };
}
