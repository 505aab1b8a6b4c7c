/**
 * Where the chain has come to, beside its files: the last entry that is durable. It is never ahead of them, so that entries
 * that it knows and they do not were taken away. Not made durable itself: after a loss of power it may be behind.
 */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainHead, formatHead, parseHead } from './chain.ts';

export interface HeadFile {
  /** Never rejects: a log without it can be written and read. */
  note(head: ChainHead): Promise<void>;
  close(): Promise<void>;
}

const NAME = 'head';
const OWNER_ONLY = 0o600;
/** All the same length: what was there before is overwritten whole. */
const LENGTH = 64;

/** undefined where there is none, or it cannot be read. */
export async function readHead(directory: string): Promise<ChainHead | undefined> {
  try {
    return parseHead(await readFile(join(directory, NAME), 'utf8'));
  } catch {
    return undefined;
  }
}

export function openHeadFile(directory: string): HeadFile {
  const file = open(join(directory, NAME), 'r+', OWNER_ONLY).catch(() =>
    open(join(directory, NAME), 'w+', OWNER_ONLY),
  );
  file.catch(() => {});
  return {
    async note(head) {
      try {
        await (await file).write(`${formatHead(head)}\n`.padEnd(LENGTH, ' '), 0);
      } catch {
        // The entries themselves are durable, and a disk that fails shows there.
      }
    },
    async close() {
      try {
        const handle = await file;
        await handle.datasync();
        await handle.close();
      } catch {
        // As above.
      }
    },
  };
}
