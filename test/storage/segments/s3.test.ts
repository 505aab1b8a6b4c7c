/** Against a real server only: an imitation in this process would prove that it agrees with itself. */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/kernel/clock.ts';
import { openS3Store } from '../../../src/storage/segments/s3.ts';
import { chooseS3Server, type S3Server, startRadosgw } from '../../support/radosgw.ts';
import { segmentStoreConformance } from './conformance.ts';

const choice = chooseS3Server();

async function createBucket(server: S3Server): Promise<string> {
  const bucket = `robustmq-test-${Date.now()}`;
  const client = new S3Client({ ...server, credentials: server, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return bucket;
}

if (choice.kind === 'skip') {
  describe.skip(`segment store: s3 (${choice.reason})`, () => {
    it('needs a server', () => {});
  });
} else {
  segmentStoreConformance('s3', async () => {
    const server = choice.kind === 'start' ? await startRadosgw() : choice.server;
    const bucket = await createBucket(server);
    const { endpoint, region } = server;
    const options = { bucket, endpoint, region, credentials: server, clock: systemClock };
    const [store, other] = [await openS3Store(options), await openS3Store(options)];
    return {
      store,
      other,
      async stop() {
        await store.close();
        await other.close();
        await server.stop();
      },
    };
  });
}

describe('segments in S3', () => {
  it('names bucket, key and reason when the server cannot be reached, after a bounded number of attempts', async () => {
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const endpoint = 'http://127.0.0.1:1';
    const options = { bucket: 'none', endpoint, region: 'us-east-1', credentials, clock: systemClock };
    const store = await openS3Store(options);
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
});
