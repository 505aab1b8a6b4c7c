/**
 * The cold tier: immutable objects under a key, created once, read in ranges, removed when nobody needs them. Here are
 * the interface, the grammar of keys, and the self-test that each engine must pass before it is used; what is in an
 * object, and when it is made or removed, is decided above.
 *
 * An engine guarantees: of any number of concurrent creates of one key, exactly one is `created`, whatever process or
 * host they come from; an answer (`created` and `exists` alike) is given only when the object is durable; an object is
 * seen whole or not at all, and never changes. A rejected `create` leaves open whether the object is there.
 */

export interface SegmentInfo {
  readonly key: string;
  readonly sizeBytes: number;
}

export interface ByteRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface SegmentStore {
  readonly engine: 'directory' | 's3';
  create(key: string, body: readonly Uint8Array[]): Promise<'created' | 'exists'>;
  /** The object or the part of it that the range covers (empty behind its end); undefined when there is none. */
  get(key: string, range?: ByteRange): Promise<Uint8Array | undefined>;
  /** Objects whose keys start with `prefix`, in the order of their keys' bytes, only those after `after`. */
  list(prefix: string, after?: string): AsyncIterable<SegmentInfo>;
  /** Objects that are not there are passed over. */
  remove(keys: readonly string[]): Promise<void>;
  /** Rejects with a sentence when the store cannot be trusted to create a key only once. */
  probe(): Promise<void>;
  close(): Promise<void>;
}

/** The store did what it must not, or could not do what it must. The message is a sentence for the operator. */
export class SegmentStoreError extends Error {
  override readonly name = 'SegmentStoreError';
}

/** One PUT of any S3-compatible store takes this much, and so does one buffer. */
export const MAX_SEGMENT_BYTES = 1024 * 1024 * 1024;
const MAX_KEY_BYTES = 512;
const KEY = /^[a-z0-9][a-z0-9._-]{0,127}(?:\/[a-z0-9][a-z0-9._-]{0,127})*$/;

/** Lower case only: a file system may not tell `A` from `a`, and two keys must never become one. */
export function checkKey(key: string): void {
  if (key.length > MAX_KEY_BYTES || !KEY.test(key)) {
    throw new RangeError(`not a segment key: ${JSON.stringify(key.slice(0, 80))}`);
  }
}

export function checkRange({ offset, lengthBytes }: ByteRange): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(lengthBytes) || lengthBytes < 1) {
    throw new RangeError(`not a byte range: ${offset}+${lengthBytes}`);
  }
}

export function checkBody(key: string, body: readonly Uint8Array[]): number {
  const sizeBytes = body.reduce((sum, view) => sum + view.byteLength, 0);
  if (sizeBytes > MAX_SEGMENT_BYTES) {
    throw new RangeError(
      `segment "${key}" has ${sizeBytes} bytes, more than the ${MAX_SEGMENT_BYTES} allowed`,
    );
  }
  return sizeBytes;
}

/** Keys are ASCII, so the order of code units is the order of bytes. */
export const compareKeys = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const RACERS = 16;
const ROUNDS = 3;

/**
 * Lets racers create one key at the same moment. Many stores that speak S3 accept the condition and do not keep it, or
 * keep it only while nobody races; such a store would let two owners write one log.
 */
export async function raceForKeys(store: SegmentStore, uniqueName: string): Promise<void> {
  const refuse = (finding: string): never => {
    throw new SegmentStoreError(
      `the segment store "${store.engine}" is refused: ${finding}; it needs a conditional create that is atomic`,
    );
  };
  const text = new TextDecoder();
  for (let round = 0; round < ROUNDS; round++) {
    const key = `probe/${uniqueName}-${round}`;
    try {
      const bodies = Array.from({ length: RACERS }, (_, racer) => new TextEncoder().encode(`racer ${racer}`));
      const answers = await Promise.all(bodies.map((body) => store.create(key, [body])));
      const winners = bodies.filter((_, racer) => answers[racer] === 'created');
      const [winner] = winners;
      if (winner === undefined || winners.length !== 1) {
        return refuse(`${winners.length} of ${RACERS} racers were told that they had created the same key`);
      }
      if ((await store.create(key, [new Uint8Array(1)])) !== 'exists') {
        return refuse('it created a key that was there already');
      }
      const found = await store.get(key);
      if (found === undefined || text.decode(found) !== text.decode(winner)) {
        return refuse('it does not return what the racer wrote that it told to have created the key');
      }
    } finally {
      await store.remove([key]);
    }
  }
}
