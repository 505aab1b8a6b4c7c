import { BLOCK_HEADER_BYTES, bytesOf, crcOf, encodeBlockHeader } from './block.ts';
import { type AppendOptions, WalBusy, WalFenced, type WalWriter } from './wal-store.ts';

export interface WriterIdentity {
  readonly walId: string;
  readonly epoch: number;
  readonly nonce: Uint8Array;
  readonly maxBlockBytes: number;
  readonly maxInFlight: number;
}

/** Creates block number `seq`; what is there instead when the number is taken. */
export type PutBlock = (seq: number, body: readonly Uint8Array[]) => Promise<Uint8Array | 'created'>;

/** The one writer of a sealed epoch: puts blocks side by side, acknowledges them one after the other. */
export function createSealedWriter(identity: WriterIdentity, put: PutBlock): WalWriter {
  const { walId, epoch, nonce, maxBlockBytes, maxInFlight } = identity;
  let next = 0;
  let seq = 0;
  let synced = 0;
  let inFlight = 0;
  let failure: Error | undefined;
  let acknowledged: Promise<void> = Promise.resolve();

  async function place(number: number, views: readonly Uint8Array[]): Promise<void> {
    const there = await put(number, views);
    // My own request, executed before its answer was lost, is no defeat.
    if (there === 'created' || Buffer.compare(there.subarray(0, nonce.byteLength), nonce) === 0) return;
    throw new WalFenced(walId, epoch, 'was sealed by another owner');
  }

  async function run(placed: Promise<void>, position: number, end: number): Promise<number> {
    acknowledged = Promise.all([acknowledged, placed]).then(() => {
      if (failure !== undefined) throw failure;
      synced = end;
    });
    acknowledged.catch(() => {});
    try {
      await acknowledged;
      return position;
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
      throw failure;
    } finally {
      inFlight--;
    }
  }

  return {
    epoch,
    maxInFlight,
    get next() {
      return next;
    },
    get inFlight() {
      return inFlight;
    },
    append(body, { isAnchor = false, sum = crcOf(body) }: AppendOptions) {
      if (failure !== undefined) return Promise.reject(failure);
      if (inFlight >= maxInFlight) {
        return Promise.reject(new WalBusy(`${maxInFlight} appends are under way, and no more may be`));
      }
      const bodyBytes = bytesOf(body);
      if (bodyBytes > maxBlockBytes) {
        return Promise.reject(new Error(`a block of ${bodyBytes} bytes: ${maxBlockBytes} at most`));
      }
      const position = next;
      const begins = isAnchor || position === 0;
      const header = encodeBlockHeader({ epoch, position, bodyBytes, isAnchor: begins, synced, sum });
      next += BLOCK_HEADER_BYTES + bodyBytes;
      inFlight++;
      return run(place(seq++, [header, ...body]), position, next);
    },
    async close() {
      await acknowledged.catch(() => {});
      failure ??= new Error('the writer is closed');
    },
  };
}
