/**
 * The S3 server of a test run, when there is one: a bucket of its own for each file of tests. As vitest's global
 * set-up this module starts one server for all of them.
 */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { systemClock } from '../../src/kernel/clock.ts';
import { openS3Store } from '../../src/storage/segments/s3.ts';
import type { SegmentStore } from '../../src/storage/segments/segment-store.ts';
import { chooseS3Server, type S3Server, startRadosgw } from './radosgw.ts';

export interface TestBucket {
  readonly endpoint: string;
  /** A client of its own, as another process would have. */
  open(options?: {
    readonly endpoint?: string;
    readonly requestTimeoutMs?: number;
    readonly bucket?: string;
  }): Promise<SegmentStore>;
  readonly settings: {
    readonly endpoint: string;
    readonly region: string;
    readonly bucket: string;
    readonly directory: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly pathStyle: boolean;
  };
  stop(): Promise<void>;
}

const choice = chooseS3Server();

/** Why tests with S3 are skipped; undefined when they run. */
export const whyNoS3: string | undefined = choice.kind === 'skip' ? choice.reason : undefined;

export async function openTestBucket(): Promise<TestBucket> {
  if (choice.kind === 'skip') throw new Error(choice.reason);
  const server = choice.kind === 'start' ? await startRadosgw() : choice.server;
  const { endpoint, region, accessKeyId, secretAccessKey } = server;
  const bucket = `robustmq-test-${process.pid}-${Date.now()}`;
  const client = new S3Client({ endpoint, region, credentials: server, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  const opened: SegmentStore[] = [];
  return {
    endpoint,
    settings: { endpoint, region, bucket, directory: '', accessKeyId, secretAccessKey, pathStyle: true },
    async open(options = {}) {
      const store = await openS3Store({
        bucket,
        endpoint,
        region,
        credentials: server,
        clock: systemClock,
        ...options,
      });
      opened.push(store);
      return store;
    },
    async stop() {
      for (const store of opened) await store.close();
      await server.stop();
    },
  };
}

export default async function startForAll(): Promise<(() => Promise<void>) | undefined> {
  if (choice.kind !== 'start') return undefined;
  const server: S3Server = await startRadosgw();
  process.env.ROBUSTMQ_TEST_S3 = server.endpoint;
  process.env.AWS_ACCESS_KEY_ID = server.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = server.secretAccessKey;
  process.env.AWS_REGION = server.region;
  return () => server.stop();
}
