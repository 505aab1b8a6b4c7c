/** Against a real server only: an imitation in this process would prove that it agrees with itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/kernel/clock.ts';
import { openObjectStore } from '../../../src/storage/segments/open.ts';
import { withPrefix } from '../../../src/storage/segments/prefixed.ts';
import { openS3Store } from '../../../src/storage/segments/s3.ts';
import type { SegmentStore } from '../../../src/storage/segments/segment-store.ts';
import { type Fate, startFaultProxy } from '../../support/fault-proxy.ts';
import { openTestBucket, type TestBucket, whyNoS3 } from '../../support/s3.ts';
import { segmentStoreConformance } from './conformance.ts';

if (whyNoS3 !== undefined) {
  describe.skip(`segment store: s3 (${whyNoS3})`, () => {
    it('needs a server', () => {});
  });
} else {
  let bucket: TestBucket;
  beforeAll(async () => {
    bucket = await openTestBucket();
  }, 120_000);
  afterAll(() => bucket?.stop(), 60_000);

  segmentStoreConformance('s3', async () => ({
    store: await bucket.open(),
    other: await bucket.open(),
    stop: async () => {},
  }));

  segmentStoreConformance('s3 below a prefix', async () => ({
    store: withPrefix(await bucket.open(), 'somewhere/below'),
    other: withPrefix(await bucket.open(), 'somewhere/below'),
    stop: async () => {},
  }));

  describe('an S3 store behind a bad network', () => {
    /** The first request with a method that creates meets its fate; those behind it pass. */
    async function onceThrough(fate: Fate, use: (store: SegmentStore) => Promise<void>): Promise<void> {
      let isDone = false;
      const proxy = await startFaultProxy(bucket.endpoint, (method) => {
        if (method !== 'PUT' || isDone) return 'pass';
        isDone = true;
        return fate;
      });
      try {
        await use(await bucket.open({ endpoint: proxy.endpoint, requestTimeoutMs: 500 }));
        expect(isDone).toBe(true);
      } finally {
        await proxy.stop();
      }
    }

    it.each<Fate>(['lose', 'fail after', 'hang', 'twice', 'refuse', 'late'])(
      'knows its own object when the first answer met "%s"',
      async (fate) => {
        const key = `own/${fate.replace(' ', '-')}`;
        await onceThrough(fate, async (store) => {
          expect(await store.create(key, [Buffer.from('same')])).toBe('created');
        });
        const rival = await bucket.open();
        expect(await rival.create(key, [Buffer.from('same')])).toBe('exists');
        expect(Buffer.from((await rival.get(key)) ?? []).toString()).toBe('same');
      },
    );

    it.each<Fate>(['lose', 'fail after', 'hang', 'twice'])(
      'does not take the object of another for its own after "%s"',
      async (fate) => {
        const key = `other/${fate.replace(' ', '-')}`;
        const rival = await bucket.open();
        expect(await rival.create(key, [Buffer.from('same')])).toBe('created');
        await onceThrough(fate, async (store) => {
          expect(await store.create(key, [Buffer.from('same')])).toBe('exists');
        });
      },
    );
  });

  describe('opening the configured object store', () => {
    it('races keys below the prefix and leaves none behind', async () => {
      const store = await openObjectStore({ ...bucket.settings, prefix: 'opened' }, systemClock);
      await store.create('a', [Buffer.from('x')]);
      const keys: string[] = [];
      for await (const { key } of (await bucket.open()).list('opened/')) keys.push(key);
      expect(keys).toEqual(['opened/a']);
      await store.close();
    });

    it('refuses a bucket that is not there, and a wrong secret, with a sentence', async () => {
      await expect(
        openObjectStore({ ...bucket.settings, bucket: 'no-such-bucket', prefix: '' }, systemClock),
      ).rejects.toThrow(/S3 bucket "no-such-bucket", .*NoSuchBucket/);
      await expect(
        openObjectStore({ ...bucket.settings, secretAccessKey: 'wrong', prefix: '' }, systemClock),
      ).rejects.toThrow(/SignatureDoesNotMatch \(403\)/);
    });
  });
}

describe('an object store that cannot be opened', () => {
  const settings = {
    endpoint: 'http://127.0.0.1:1',
    region: 'us-east-1',
    bucket: 'none',
    directory: '',
    prefix: '',
    accessKeyId: 'a',
    secretAccessKey: 'b',
    pathStyle: true,
  };

  it('names bucket, key and reason when the server cannot be reached, after a bounded number of attempts', async () => {
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const { endpoint, bucket, region } = settings;
    const store = await openS3Store({ bucket, endpoint, region, credentials, clock: systemClock });
    const keepAlive = setInterval(() => {}, 1000);
    try {
      await expect(store.create('a/b', [Buffer.from('x')])).rejects.toThrow(
        /S3 bucket "none", create "a\/b": .*ECONNREFUSED/,
      );
    } finally {
      clearInterval(keepAlive);
      await store.close();
    }
  });

  it('says which setting is wrong', async () => {
    const open = (changed: Partial<typeof settings>) =>
      openObjectStore({ ...settings, ...changed }, systemClock);
    await expect(open({ bucket: '' })).rejects.toThrow(/needs storage.object.bucket/);
    await expect(open({ secretAccessKey: '' })).rejects.toThrow(/set both or neither/);
    await expect(open({ prefix: 'Über' })).rejects.toThrow(/"Über" cannot begin the keys/);
  });
});
