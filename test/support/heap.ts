/** Memory of this process after a full collection, for tests that say it does not grow. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');
if (typeof collect !== 'function') throw new Error('no access to the collector');
const collectGarbage = (): void => collect();

export interface MemoryUse {
  readonly heapBytes: number;
  readonly residentBytes: number;
}

export function memoryUse(): MemoryUse {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + external, residentBytes: rss };
}
