import type { Clock } from '../../kernel/clock.ts';
import { withPrefix } from './prefixed.ts';
import { openS3Store } from './s3.ts';
import { type SegmentStore, SegmentStoreError } from './segment-store.ts';

/** The section `storage.object` of the configuration; texts that were left out are empty. */
export interface ObjectStoreSettings {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly pathStyle: boolean;
}

/**
 * Opens the configured object store, and refuses it with a sentence unless it passes the racing self-test: one that
 * lets two creators of a key both win would let two owners write one log.
 */
export async function openObjectStore(settings: ObjectStoreSettings, clock: Clock): Promise<SegmentStore> {
  const { endpoint, region, bucket, prefix, accessKeyId, secretAccessKey, pathStyle } = settings;
  if (bucket === '') throw new SegmentStoreError('an object store needs storage.object.bucket');
  if ((accessKeyId === '') !== (secretAccessKey === '')) {
    throw new SegmentStoreError(
      'storage.object.accessKeyId and storage.object.secretAccessKey are set both or neither',
    );
  }
  const store = await openS3Store({
    bucket,
    region,
    clock,
    // Buckets of Amazon answer under their host names; a path is for those that have an address.
    pathStyle: pathStyle && endpoint !== '',
    ...(endpoint === '' ? {} : { endpoint }),
    ...(accessKeyId === '' ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  });
  try {
    const mine = withPrefix(store, prefix);
    await mine.probe();
    return mine;
  } catch (error) {
    await store.close();
    throw error;
  }
}
