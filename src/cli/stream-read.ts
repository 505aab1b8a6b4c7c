/** `robustmq stream read`: records of one partition or of all, up to where they end now or as they come. */
import { setMaxListeners } from 'node:events';
import { OPERATIONS } from '../admin/operations.ts';
import type { PartitionView, RecordView } from '../admin/views.ts';
import type { AdminClient } from './admin-client.ts';
import { printable, printList, time } from './admin-output.ts';
import { type AdminOptions, formOf, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';

export interface StreamReadOptions extends AdminOptions {
  readonly partition?: number;
  readonly offset: number | 'start' | 'end';
  readonly limit?: number;
  readonly follow?: boolean;
}

const MAX_PAGE = 1000;
/** So much that no record is cut; the broker bounds what it answers at once. */
const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;
const FOLLOW_WAIT_MS = 25_000;
/** Requests that wait at the broker at once: it takes 64 from everybody together. */
const MAX_WAITING = 16;
/** With more partitions than that each request waits for several of them in turn. */
const SHARED_WAIT_MS = 500;

export function streamRead(name: string, options: StreamReadOptions, io: Io): Promise<number> {
  const form = formOf(options);
  if (options.follow === true && (form === 'json' || form === 'yaml')) {
    throw new CliError(ExitCode.Usage, `--follow never comes to the end of one ${form} value; use -o ndjson`);
  }
  return withAdmin(options, io, async (client) => {
    const partitions = (await allPartitions(client, name)).filter(
      ({ partition }) => options.partition === undefined || partition === options.partition,
    );
    if (partitions.length === 0) {
      throw new CliError(ExitCode.Failed, `the stream ${name} has no partition ${options.partition}`);
    }
    const stop = new AbortController();
    setMaxListeners(2 * MAX_WAITING, stop.signal);
    const unsubscribe = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
      io.onSignal(signal, () => stop.abort()),
    );
    const collected: RecordView[] = [];
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    const take = async (record: RecordView): Promise<void> => {
      if (left === 0) return;
      left--;
      if (left === 0) stop.abort();
      if (form === 'json' || form === 'yaml') collected.push(record);
      else await write(io.out, form === 'ndjson' ? `${JSON.stringify(record)}\n` : line(record));
    };
    try {
      const reads = { client, name, take, left: () => left, signal: stop.signal };
      if (options.follow === true) {
        // The first that fails ends the others, too.
        const shares = shared(partitions.map((each) => placeOf(each, options.offset)));
        await Promise.all(shares.map((each) => follow(reads, each).catch(failing(stop))));
      } else {
        for (const each of partitions) await readToEnd(reads, placeOf(each, options.offset), each.endOffset);
      }
    } finally {
      for (const each of unsubscribe) each();
    }
    if (form === 'json' || form === 'yaml') await printList(collected, [], form, io);
    return ExitCode.Ok;
  });
}

interface Reads {
  readonly client: AdminClient;
  readonly name: string;
  readonly take: (record: RecordView) => Promise<void>;
  readonly left: () => number;
  readonly signal: AbortSignal;
}

function failing(stop: AbortController): (error: unknown) => never {
  return (error) => {
    stop.abort();
    throw error;
  };
}

/** How far a partition was read. */
interface Place {
  readonly partition: number;
  offset: number;
}

const placeOf = (
  { partition, startOffset, endOffset }: PartitionView,
  offset: number | 'start' | 'end',
): Place => ({
  partition,
  offset: offset === 'start' ? startOffset : offset === 'end' ? endOffset : offset,
});

async function allPartitions(client: AdminClient, name: string): Promise<PartitionView[]> {
  const all: PartitionView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.call(OPERATIONS.streamsPartitions, {
      name,
      limit: MAX_PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const each of page.items) all.push(each);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return all;
}

/** Dealt out to as many as may wait at once. */
function shared(places: readonly Place[]): Place[][] {
  const count = Math.min(MAX_WAITING, places.length);
  return Array.from({ length: count }, (_, i) => places.filter((_place, n) => n % count === i));
}

async function readToEnd(reads: Reads, place: Place, end: number): Promise<void> {
  while (place.offset < end && !reads.signal.aborted) {
    if (!(await readOnce(reads, place, Math.min(end - place.offset, MAX_PAGE), 0))) return;
  }
}

async function follow(reads: Reads, places: readonly Place[]): Promise<void> {
  const [only, ...more] = places;
  while (only !== undefined && more.length === 0 && !reads.signal.aborted) {
    await readOnce(reads, only, MAX_PAGE, FOLLOW_WAIT_MS);
  }
  for (let turn = 0; !reads.signal.aborted; turn++) {
    let hasMoved = false;
    for (const place of places) hasMoved = (await readOnce(reads, place, MAX_PAGE, 0)) || hasMoved;
    const next = places[turn % places.length];
    if (!hasMoved && next !== undefined) await readOnce(reads, next, MAX_PAGE, SHARED_WAIT_MS);
  }
}

/** Takes one page, and says whether there was something; never once the user has enough. */
async function readOnce(
  { client, name, take, left, signal }: Reads,
  place: Place,
  most: number,
  waitMs: number,
): Promise<boolean> {
  if (signal.aborted) return false;
  const { partition, offset } = place;
  const limit = Math.min(most, left());
  const input = { name, partition, offset, limit, payloadBytes: MAX_PAYLOAD_BYTES, waitMs };
  try {
    const { items, nextOffset } = await client.call(OPERATIONS.streamsRead, input, { signal, waitMs });
    for (const item of items) await take(item);
    place.offset = Math.max(offset, nextOffset);
    return place.offset > offset;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

function line({ partition, offset, timeMs, key, keyBase64, payload, payloadBase64 }: RecordView): string {
  const name = key ?? keyBase64 ?? '-';
  const body = payload ?? payloadBase64 ?? '';
  return `${partition}:${offset}  ${time(timeMs)}  ${printable(name)}  ${printable(body)}\n`;
}
