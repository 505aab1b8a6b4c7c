/** Segments as objects of an S3-compatible store. Its one demand is a conditional create that is atomic. */
import { randomUUID } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '../../kernel/clock.ts';
import {
  type ByteRange,
  checkBody,
  checkKey,
  checkRange,
  MAX_SEGMENT_BYTES,
  raceForKeys,
  type SegmentStore,
  SegmentStoreError,
} from './segment-store.ts';

export interface S3Options {
  readonly bucket: string;
  readonly region: string;
  /** Of a store that is not Amazon's. */
  readonly endpoint?: string;
  /** The bucket is part of the path and not of the host name; the rule where there is an endpoint. */
  readonly pathStyle?: boolean;
  /** Without it the usual places are searched: environment, profile, role of the instance. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly clock: Clock;
  /** How long the store may be silent before a request counts as lost. */
  readonly requestTimeoutMs?: number;
}

type Sdk = typeof import('@aws-sdk/client-s3');

const NONCE = 'robustmq-nonce';
const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 50;
const CONCURRENT_REMOVES = 8;

interface Failure {
  readonly name: string;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly text: string;
}

function describe(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: 'Error', status: 0, text: String(error) };
  const status =
    '$metadata' in error && typeof error.$metadata === 'object' && error.$metadata !== null
      ? Number('httpStatusCode' in error.$metadata ? error.$metadata.httpStatusCode : 0) || 0
      : 0;
  return {
    name: error.name,
    status,
    text: status === 0 ? `${error.name}: ${error.message}` : `${error.name} (${status})`,
  };
}

/** Worth another attempt: no answer, an overloaded or failing server, or a conditional create that met another. */
const isTransient = ({ name, status }: Failure): boolean =>
  (status === 0 && name !== 'CredentialsProviderError' && name !== 'SegmentStoreError') ||
  status === 409 ||
  status === 429 ||
  status >= 500;

const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    const stop = clock.every(ms, () => {
      stop();
      resolve();
    });
  });

async function loadSdk(): Promise<Sdk> {
  try {
    return await import('@aws-sdk/client-s3');
  } catch (cause) {
    throw new SegmentStoreError(
      'the segment store "s3" needs the package @aws-sdk/client-s3, which is not installed or does not load',
      { cause },
    );
  }
}

function createClient(sdk: Sdk, options: S3Options): S3Client {
  const { region, endpoint, credentials, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const forcePathStyle = options.pathStyle ?? endpoint !== undefined;
  return new sdk.S3Client({
    region,
    forcePathStyle,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    // Attempts are counted here, where it is known what the one before may have done.
    maxAttempts: 1,
    // The checksums that Amazon added later are not understood by every store; the signature covers the body.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
    },
  });
}

export async function openS3Store(options: S3Options): Promise<SegmentStore> {
  const sdk = await loadSdk();
  const client = createClient(sdk, options);
  const { bucket: Bucket, clock } = options;

  /** Tries again what failed for a while; `settle` turns the failures that are answers into one. */
  async function attempt<T>(
    what: string,
    work: () => Promise<T>,
    settle: (failure: Failure) => Promise<{ readonly answer: T } | undefined> = async () => undefined,
  ): Promise<T> {
    for (let made = 1; ; made++) {
      try {
        return await work();
      } catch (error) {
        const failure = describe(error);
        const settled = await settle(failure);
        if (settled !== undefined) return settled.answer;
        if (!isTransient(failure) || made === MAX_ATTEMPTS) {
          throw new SegmentStoreError(`S3 bucket "${Bucket}", ${what}: ${failure.text}`, { cause: error });
        }
        await pause(clock, FIRST_PAUSE_MS * 2 ** (made - 1) * (0.5 + Math.random()));
      }
    }
  }

  const nonceOf = (Key: string): Promise<string | undefined> =>
    attempt(
      `look at "${Key}"`,
      async () => (await client.send(new sdk.HeadObjectCommand({ Bucket, Key }))).Metadata?.[NONCE],
      async ({ status }) => (status === 404 ? { answer: undefined } : undefined),
    );

  const store: SegmentStore = {
    engine: 's3',

    async create(key, body) {
      checkKey(key);
      checkBody(key, body);
      // One view is sent as it is: whole segments come that way, and a copy would double them in memory.
      const Body = body.length === 1 && body[0] !== undefined ? body[0] : Buffer.concat(body);
      const nonce = randomUUID();
      const put = async (): Promise<'created'> => {
        const request = { Bucket, Key: key, Body, IfNoneMatch: '*', Metadata: { [NONCE]: nonce } };
        await client.send(new sdk.PutObjectCommand(request));
        return 'created';
      };
      return attempt<'created' | 'exists'>(`create "${key}"`, put, async ({ status }) => {
        if (status !== 412) return undefined;
        // An earlier attempt whose answer was lost may be what is there: the nonce tells it from everybody else's.
        return { answer: (await nonceOf(key)) === nonce ? 'created' : 'exists' };
      });
    },

    async get(key: string, range?: ByteRange) {
      checkKey(key);
      if (range !== undefined) checkRange(range);
      const Range =
        range === undefined ? undefined : `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}`;
      const fetchBytes = async (): Promise<Uint8Array | undefined> => {
        const { Body, ContentLength } = await client.send(
          new sdk.GetObjectCommand({ Bucket, Key: key, ...(Range === undefined ? {} : { Range }) }),
        );
        if (Body === undefined || ContentLength === undefined) throw new Error('an answer without a body');
        if (ContentLength > (range?.lengthBytes ?? MAX_SEGMENT_BYTES)) {
          if ('destroy' in Body) Body.destroy();
          throw new SegmentStoreError(`"${key}" has ${ContentLength} bytes, more than asked for or allowed`);
        }
        const bytes = await Body.transformToByteArray();
        if (bytes.byteLength !== ContentLength) throw new Error('an answer that was cut short');
        return bytes;
      };
      return attempt<Uint8Array | undefined>(`read "${key}"`, fetchBytes, async ({ name, status }) => {
        if (status === 404 && name !== 'NoSuchBucket') return { answer: undefined };
        return status === 416 ? { answer: new Uint8Array(0) } : undefined;
      });
    },

    async *list(prefix, after) {
      for (let token: string | undefined, more = true; more; ) {
        const page = await attempt(`list "${prefix}"`, () =>
          client.send(
            new sdk.ListObjectsV2Command({
              Bucket,
              Prefix: prefix,
              ...(token === undefined ? {} : { ContinuationToken: token }),
              ...(after === undefined ? {} : { StartAfter: after }),
            }),
          ),
        );
        for (const { Key: key, Size: sizeBytes } of page.Contents ?? []) {
          if (key !== undefined && sizeBytes !== undefined) yield { key, sizeBytes };
        }
        token = page.NextContinuationToken;
        more = page.IsTruncated === true && token !== undefined;
      }
    },

    async remove(keys) {
      keys.forEach(checkKey);
      const waiting = keys.values();
      const worker = async (): Promise<void> => {
        for (const key of waiting) {
          await attempt(`remove "${key}"`, () =>
            client.send(new sdk.DeleteObjectCommand({ Bucket, Key: key })),
          );
        }
      };
      await Promise.all(Array.from({ length: CONCURRENT_REMOVES }, worker));
    },

    probe: () => raceForKeys(store, randomUUID()),
    close: async () => client.destroy(),
  };
  return store;
}
