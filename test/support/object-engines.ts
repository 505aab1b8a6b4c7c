/** The write-ahead log of sealed epochs over every kind of object store, for suites that all engines pass. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { openDirectoryStore } from '../../src/storage/segments/directory.ts';
import { withPrefix } from '../../src/storage/segments/prefixed.ts';
import type { SegmentStore } from '../../src/storage/segments/segment-store.ts';
import { createSealedWal } from '../../src/storage/wal/sealed-wal.ts';
import { createSegmentObjects } from '../../src/storage/wal/segment-objects.ts';
import type { WalStore } from '../../src/storage/wal/wal-store.ts';
import { openTestBucket, type TestBucket, whyNoS3 } from './s3.ts';

/** Opens the store with its first request. */
function whenOpen(store: () => Promise<SegmentStore>): SegmentStore {
  let opened: Promise<SegmentStore> | undefined;
  const use = (): Promise<SegmentStore> => {
    opened ??= store();
    return opened;
  };
  return {
    engine: 'directory',
    create: async (key, body) => (await use()).create(key, body),
    get: async (key, range) => (await use()).get(key, range),
    async *list(prefix, after) {
      yield* (await use()).list(prefix, after);
    },
    remove: async (keys) => (await use()).remove(keys),
    probe: async () => (await use()).probe(),
    close: async () => (await use()).close(),
  };
}

type Engine = () => () => WalStore;

const over = (store: SegmentStore): WalStore =>
  createSealedWal({ objects: createSegmentObjects(store), maxBlockBytes: 1000, maxInFlight: 4 });

/** Each engine makes an empty store; each call of what it returns is one more process with a view of it. */
export function objectEngines(): Readonly<Record<string, Engine>> {
  let root: Promise<string> | undefined;
  let bucket: Promise<TestBucket> | undefined;
  let count = 0;
  afterAll(async () => {
    if (root !== undefined) await rm(await root, { recursive: true, force: true });
    await (await bucket)?.stop();
  }, 60_000);

  const engines: Record<string, Engine> = {
    'objects in a directory': () => {
      root ??= mkdtemp(join(tmpdir(), 'robustmq-wal-'));
      const at = root;
      const name = `${++count}`;
      return () =>
        over(whenOpen(async () => openDirectoryStore({ folder: join(await at, name), clock: systemClock })));
    },
  };
  if (whyNoS3 === undefined) {
    engines['objects in S3'] = () => {
      bucket ??= openTestBucket();
      const at = bucket;
      const prefix = `${++count}`;
      const client = whenOpen(async () => (await at).open());
      return () => over(withPrefix(client, prefix));
    };
  }
  return engines;
}
