/** Against a real server only: an imitation in this process would prove that it agrees with itself. */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

/** Passes requests on, and cuts the connection instead of passing the answer back when `loses` says so. */
async function startLossyProxy(endpoint: string, loses: (method: string) => boolean): Promise<LossyProxy> {
  const server = createServer((asked, answer) => {
    const { method = '', url = '', headers } = asked;
    const passed = request(new URL(url, endpoint), { method, headers }, (answered) => {
      if (loses(method)) {
        answered.resume();
        answered.on('end', () => asked.socket.destroy());
        return;
      }
      answer.writeHead(answered.statusCode ?? 500, answered.headers);
      answered.pipe(answer);
    });
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

interface LossyProxy {
  readonly endpoint: string;
  stop(): Promise<void>;
}

if (choice.kind === 'skip') {
  describe.skip(`segment store: s3 (${choice.reason})`, () => {
    it('needs a server', () => {});
  });
} else {
  let running: S3Server;
  let bucket: string;
  beforeAll(async () => {
    running = choice.kind === 'start' ? await startRadosgw() : choice.server;
    bucket = await createBucket(running);
  }, 120_000);
  afterAll(() => running?.stop(), 60_000);
  const open = (endpoint: string) =>
    openS3Store({ bucket, endpoint, region: running.region, credentials: running, clock: systemClock });

  segmentStoreConformance('s3', async () => {
    const [store, other] = [await open(running.endpoint), await open(running.endpoint)];
    return {
      store,
      other,
      async stop() {
        await store.close();
        await other.close();
      },
    };
  });

  describe('answers of S3 that are lost', () => {
    it('still name one winner: the repeated request knows its own object from that of another', async () => {
      const put = { lost: 0, seen: 0 };
      const proxy = await startLossyProxy(running.endpoint, (method) => {
        if (method !== 'PUT') return false;
        put.seen++;
        // Every other one, the first included: each create is repeated at least once.
        const isLost = put.seen % 2 === 1;
        if (isLost) put.lost++;
        return isLost;
      });
      const [store, rival] = [await open(proxy.endpoint), await open(running.endpoint)];
      const keepAlive = setInterval(() => {}, 1_000);
      try {
        expect(await store.create('lost/own', [Buffer.from('same')])).toBe('created');
        expect(put).toEqual({ lost: 1, seen: 2 });
        expect(await rival.create('lost/own', [Buffer.from('same')])).toBe('exists');
        expect(await rival.create('lost/other', [Buffer.from('same')])).toBe('created');
        expect(await store.create('lost/other', [Buffer.from('same')])).toBe('exists');
        expect(put.lost).toBe(2);
      } finally {
        clearInterval(keepAlive);
        await store.close();
        await rival.close();
        await proxy.stop();
      }
    });
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
