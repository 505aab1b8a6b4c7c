import { rename, rm, writeFile } from 'node:fs/promises';
import type { RunningListener } from '../node.ts';

/** Appears complete or not at all: scripts wait for it and read it at once. */
export async function writeReadyFile(
  path: string,
  pid: number,
  listeners: readonly RunningListener[],
): Promise<void> {
  const addresses = Object.fromEntries(listeners.map(({ name, address }) => [name, address]));
  const temporary = `${path}.${pid}.tmp`;
  try {
    await writeFile(temporary, `${JSON.stringify({ pid, listeners: addresses })}\n`);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
