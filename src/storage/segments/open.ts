import type { Clock } from '../../kernel/clock.ts';
import { openDirectoryStore } from './directory.ts';
import { withPrefix } from './prefixed.ts';
import { openS3Store } from './s3.ts';
import { type SegmentStore, SegmentStoreError } from './segment-store.ts';

/** The section `storage.object` of the configuration; texts that were left out are empty. */
export interface ObjectStoreSettings {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly directory: string;
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
  const store = await open(settings, clock);
  try {
    await store.probe();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** For looking at what is there: no self-test, which would have to write. */
export async function openObjectStoreForReading(
  settings: ObjectStoreSettings,
  clock: Clock,
): Promise<SegmentStore> {
  const store = await open(settings, clock);
  const refuse = (): Promise<never> =>
    Promise.reject(new SegmentStoreError('the object store was opened for reading only'));
  return { ...store, create: refuse, remove: refuse, probe: refuse };
}

/** For people: where it is, without what opens it. */
export function describeObjectStore({ endpoint, bucket, directory, prefix }: ObjectStoreSettings): string {
  if (directory === '' && bucket === '') return '';
  const host = URL.canParse(endpoint) ? ` at ${new URL(endpoint).origin}` : '';
  const place = directory === '' ? `the bucket ${bucket}${host}` : `the directory ${directory}`;
  return prefix === '' ? place : `${place}, under ${prefix}`;
}

async function open(settings: ObjectStoreSettings, clock: Clock): Promise<SegmentStore> {
  return withPrefix(await openEngine(settings, clock), settings.prefix);
}

async function openEngine(settings: ObjectStoreSettings, clock: Clock): Promise<SegmentStore> {
  const { endpoint, region, bucket, directory, accessKeyId, secretAccessKey, pathStyle } = settings;
  if (directory !== '') return openDirectoryStore({ folder: directory, clock });
  if (bucket === '') {
    throw new SegmentStoreError('an object store needs storage.object.bucket or storage.object.directory');
  }
  if ((accessKeyId === '') !== (secretAccessKey === '')) {
    throw new SegmentStoreError(
      'storage.object.accessKeyId and storage.object.secretAccessKey are set both or neither',
    );
  }
  return openS3Store({
    bucket,
    region,
    clock,
    // Buckets of Amazon answer under their host names; a path is for those that have an address.
    pathStyle: pathStyle && endpoint !== '',
    ...(endpoint === '' ? {} : { endpoint }),
    ...(accessKeyId === '' ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  });
}
