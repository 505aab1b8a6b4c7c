/** Streams, their partitions, and what is in them. */
import { setImmediate as turn } from 'node:timers/promises';
import type { NodeView, Page, PageRequest } from '../admin/node-view.ts';
import { OperationError } from '../admin/operation.ts';
import type { PartitionView, StreamDetail, StreamSummary } from '../admin/views.ts';
import type { StreamConfig } from '../config/config.ts';
import { type Partition, PartitionDamaged } from '../kernel/log/partitions.ts';
import type { StreamDescription, StreamPage } from '../kernel/streams/streams.ts';
import { NEVER_EXPIRES } from '../protocols/mqtt/session.ts';
import { headersOf } from './message-properties.ts';
import { firstNames, STEP, wholeNumber } from './pages.ts';
import type { NodeParts } from './parts.ts';

/** Partitions whose first records are read at once. */
const READS_AT_ONCE = 8;
/** In a detail; `partitions` says how many there are, and they have pages of their own. */
const MAX_PARTITIONS = 100;
const ONE_RECORD = { records: 1, bytes: 1 };

function retentionOf({ retention }: StreamConfig): StreamDetail['retention'] {
  const { ageSeconds, size, count, settled } = retention;
  return {
    ageSeconds: ageSeconds === NEVER_EXPIRES ? null : ageSeconds,
    sizeBytes: size === 0 ? null : size,
    count: count === 0 ? null : count,
    settled,
  };
}

export function streamsView(
  parts: NodeParts,
): Pick<NodeView, 'streams' | 'stream' | 'streamPartitions' | 'readStream'> {
  const { config, streams, partitions, mqtt } = parts;
  const { clock } = mqtt;
  const configured = new Map(config.streams.map((each) => [each.name, each]));
  /** Of the first record: it stays what it is as long as the start of the partition does. */
  const oldest = new WeakMap<Partition, { readonly startOffset: number; readonly timeMs: number }>();

  function summary({ name, isCapturing, storage, partitions: all }: StreamDescription): StreamSummary {
    const own = configured.get(name);
    const { durability } = config.storage;
    return {
      name,
      isConfigured: isCapturing,
      capture: [...(own?.capture ?? [])],
      key: own?.key ?? null,
      storage,
      durability: own === undefined ? null : own.durability === 'default' ? durability : own.durability,
      cleanup: own?.cleanup ?? null,
      partitions: all.length,
      records: all.reduce((sum, each) => sum + each.endOffset - each.startOffset, 0),
      bytes: all.reduce((sum, each) => sum + each.bytes, 0),
    };
  }

  /** Null when there is none, or when it cannot be read now: a look at a partition must show the others all the same. */
  async function oldestAtMs(partition: Partition): Promise<number | null> {
    const { name, number, startOffset, endOffset } = partition;
    const known = oldest.get(partition);
    if (known?.startOffset === startOffset) return known.timeMs;
    if (startOffset === endOffset) return null;
    try {
      const page = await streams.read(name, number, startOffset, ONE_RECORD);
      const timeMs = page?.records[0]?.timestampMs ?? -1;
      if (timeMs < 0) return null;
      oldest.set(partition, { startOffset, timeMs });
      return timeMs;
    } catch (error) {
      mqtt.logger.warn({ err: error, stream: name, partition: number }, 'a first record cannot be read');
      return null;
    }
  }

  async function partitionView(partition: Partition): Promise<PartitionView> {
    const { number, startOffset, endOffset, bytes, newestMs } = partition;
    return {
      partition: number,
      startOffset,
      endOffset,
      bytes,
      oldestAtMs: await oldestAtMs(partition),
      newestAtMs: newestMs < 0 || startOffset === endOffset ? null : newestMs,
    };
  }

  async function partitionPage(
    { partitions: all }: StreamDescription,
    { limit, after }: PageRequest,
  ): Promise<Page<PartitionView>> {
    const from = after === undefined ? -1 : wholeNumber(after);
    const rest = all.filter(({ number }) => number > from);
    const wanted = rest.slice(0, limit);
    const items: PartitionView[] = [];
    for (let i = 0; i < wanted.length; i += READS_AT_ONCE) {
      items.push(...(await Promise.all(wanted.slice(i, i + READS_AT_ONCE).map(partitionView))));
    }
    const last = wanted.at(-1);
    return rest.length > limit && last !== undefined ? { items, next: String(last.number) } : { items };
  }

  /** Resolves when there is something at the offset, the time is over, or nobody listens any more. */
  function awaitEnd(
    partition: Partition,
    offset: number,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        stopWatching();
        stopClock();
        signal.removeEventListener('abort', over);
        resolve();
      };
      const stopWatching = partitions.onAppend(partition, () => {
        if (partition.endOffset > offset) over();
      });
      const stopClock = clock.every(waitMs, over);
      signal.addEventListener('abort', over);
    });
  }

  async function read(
    stream: string,
    partition: number,
    offset: number,
    limits: { readonly records: number; readonly bytes: number },
  ): Promise<StreamPage | undefined> {
    try {
      return await streams.read(stream, partition, offset, limits);
    } catch (error) {
      if (!(error instanceof PartitionDamaged)) throw error;
      const where = `reading can go on at offset ${error.resumeAt}`;
      throw new OperationError(500, 'damaged', `${error.message}; ${where}`);
    }
  }

  return {
    async streams({ limit, after }) {
      const names = await firstNames(streams.names(), limit + 1, after);
      const items: StreamSummary[] = [];
      let looked = 0;
      for (const name of names.slice(0, limit)) {
        const description = streams.describe(name);
        if (description === undefined) continue;
        items.push(summary(description));
        looked += description.partitions.length;
        if (looked < 10 * STEP) continue;
        looked = 0;
        await turn();
      }
      const last = names[limit - 1];
      return names.length > limit && last !== undefined ? { items, next: last } : { items };
    },
    async stream(name) {
      const description = streams.describe(name);
      if (description === undefined) return undefined;
      const own = configured.get(name);
      const { items } = await partitionPage(description, { limit: MAX_PARTITIONS });
      return {
        ...summary(description),
        retention: own === undefined ? null : retentionOf(own),
        partitionDetails: items,
      };
    },
    async streamPartitions(name, request) {
      const description = streams.describe(name);
      return description && partitionPage(description, request);
    },
    async readStream({ stream, partition: number, fromOffset, limit, maxBytes, waitMs, signal }) {
      const partition = partitions.get(stream, number);
      if (partition === undefined) return undefined;
      const deadlineMs = clock.monotonicMs() + waitMs;
      let nextOffset = fromOffset;
      for (;;) {
        const page = await read(stream, number, nextOffset, { records: limit, bytes: maxBytes });
        if (page === undefined) return undefined;
        const hasMoved = page.next > nextOffset;
        nextOffset = Math.max(nextOffset, page.next);
        const leftMs = deadlineMs - clock.monotonicMs();
        if (page.records.length > 0 || leftMs <= 0 || signal.aborted) {
          const records = page.records.map(({ offset, timestampMs, record }) => ({
            offset,
            timeMs: timestampMs,
            key: record.key,
            headers: headersOf(record.headers),
            payload: record.value,
          }));
          return { records, nextOffset };
        }
        if (partition.endOffset <= nextOffset) await awaitEnd(partition, nextOffset, leftMs, signal);
        else if (!hasMoved) return { records: [], nextOffset };
      }
    },
  };
}
