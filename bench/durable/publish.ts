/** One publisher that sends a number of QoS 1 messages as fast as their acknowledgements allow. */
import { encodeConnect, encodePublishBlock, patchPacketIds } from '../../src/load/codec.ts';
import { createShared, isFlushed, openConnection } from '../../src/load/connection.ts';
import { stampNow } from '../../src/load/stamp.ts';
import { createTally, Observe } from '../../src/load/tally.ts';

const BLOCK = 250;
/** Below the bound that brokers put on unacknowledged messages by default. */
const WINDOW = 1000;
const STALL_MS = 30_000;
const DIGITS = 7;

export interface Batch {
  readonly port: number;
  readonly prefix: string;
  readonly count: number;
  /** Topics `prefix/0000000` and on; message i goes to topic i modulo this. */
  readonly topics: number;
  readonly payloadBytes: number;
  readonly retain: boolean;
}

export interface Published {
  readonly seconds: number;
  readonly refused: number;
}

export function topicOf(prefix: string, index: number): string {
  return `${prefix}/${String(index).padStart(DIGITS, '0')}`;
}

/** Resolves when the last one is acknowledged; rejects when nothing moves for long, or the connection ends. */
export async function publishAll(batch: Batch): Promise<Published> {
  const { port, prefix, count, topics, payloadBytes, retain } = batch;
  const maxFrameBytes = payloadBytes + 4096;
  const tally = createTally({ observe: Observe.Nothing, payloadBytes, maxFrameBytes });
  let failure: string | undefined;
  let wake = (): void => {};
  const shared = createShared(tally, maxFrameBytes, {
    now: stampNow,
    onProgress: () => wake(),
    onFailure({ reason }) {
      failure ??= reason;
      wake();
    },
  });
  const version = 4;
  const connection = openConnection(
    {
      endpoint: { host: '127.0.0.1', port },
      version,
      connectPacket: encodeConnect(version, 'bench-publisher', 0),
      name: 'bench-publisher',
      index: 0,
      onReady: () => wake(),
    },
    shared,
  );
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('nothing moves')), STALL_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (failure !== undefined) throw new Error(failure);
    }
  };
  try {
    await until(() => connection.ready);
    const startedMs = performance.now();
    const topic = topicOf(prefix, 0);
    const block = encodePublishBlock({ topic, version, qos: 1, retain, payloadBytes }, BLOCK);
    const digitsAt = block.packetIdOffset - DIGITS;
    for (let sent = 0; sent < count; ) {
      await until(() => connection.inFlight <= WINDOW - BLOCK && isFlushed(connection));
      const now = Math.min(BLOCK, count - sent);
      for (let i = 0; i < now; i++) {
        let rest = (sent + i) % topics;
        for (let at = i * block.stride + digitsAt + DIGITS - 1; at >= i * block.stride + digitsAt; at--) {
          block.bytes[at] = 0x30 + (rest % 10);
          rest = Math.floor(rest / 10);
        }
      }
      connection.packetId = patchPacketIds(block, now, connection.packetId);
      connection.inFlight += now;
      connection.writer?.write(block.bytes.subarray(0, now * block.stride));
      sent += now;
    }
    await until(() => connection.inFlight === 0);
    return { seconds: (performance.now() - startedMs) / 1000, refused: tally.refused };
  } finally {
    failure = 'ended';
    connection.destroy();
  }
}
