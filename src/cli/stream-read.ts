/** `robustmq stream read`: records of one partition or of all, up to where they end now or as they come. */
import { OPERATIONS } from '../admin/operations.ts';
import type { RecordView, StreamDetail } from '../admin/views.ts';
import type { AdminClient } from './admin-client.ts';
import { printable, time } from './admin-output.ts';
import { type AdminOptions, formOf, withAdmin } from './admin-verbs.ts';
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

type Partition = StreamDetail['partitionDetails'][number];

export function streamRead(name: string, options: StreamReadOptions, io: Io): Promise<number> {
  const form = formOf(options);
  if (options.follow === true && form === 'json') {
    throw new CliError(ExitCode.Usage, '--follow never comes to the end of one JSON value; use -o ndjson');
  }
  return withAdmin(options, io, async (client) => {
    const { partitionDetails } = await client.call(OPERATIONS.streamsShow, { name });
    const partitions = partitionDetails.filter(
      ({ partition }) => options.partition === undefined || partition === options.partition,
    );
    if (partitions.length === 0) {
      throw new CliError(ExitCode.Failed, `the stream ${name} has no partition ${options.partition}`);
    }
    const stop = new AbortController();
    const unsubscribe = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
      io.onSignal(signal, () => stop.abort()),
    );
    const collected: RecordView[] = [];
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    const take = async (record: RecordView): Promise<void> => {
      if (left === 0) return;
      left--;
      if (left === 0) stop.abort();
      if (form === 'json') collected.push(record);
      else await write(io.out, form === 'ndjson' ? `${JSON.stringify(record)}\n` : line(record));
    };
    try {
      const reads = { client, name, take, left: () => left, signal: stop.signal };
      if (options.follow === true) {
        // The first that fails ends the others, too.
        const all = partitions.map((each) => follow(reads, each, startOf(each, options.offset)));
        await Promise.all(all.map((each) => each.catch(failing(stop))));
      } else {
        for (const each of partitions) await readToEnd(reads, each, startOf(each, options.offset));
      }
    } finally {
      for (const each of unsubscribe) each();
    }
    if (form === 'json') await write(io.out, `${JSON.stringify(collected, undefined, 2)}\n`);
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

const startOf = ({ startOffset, endOffset }: Partition, offset: number | 'start' | 'end'): number =>
  offset === 'start' ? startOffset : offset === 'end' ? endOffset : offset;

async function readToEnd(reads: Reads, { partition, endOffset }: Partition, from: number): Promise<void> {
  for (let offset = from; offset < endOffset && !reads.signal.aborted; ) {
    const next = await readOnce(reads, partition, offset, Math.min(endOffset - offset, MAX_PAGE), 0);
    if (next <= offset) return;
    offset = next;
  }
}

async function follow(reads: Reads, { partition }: Partition, from: number): Promise<void> {
  for (let offset = from; !reads.signal.aborted; ) {
    offset = Math.max(offset, await readOnce(reads, partition, offset, MAX_PAGE, FOLLOW_WAIT_MS));
  }
}

/** Where to go on; the same offset when the user has enough. */
async function readOnce(
  { client, name, take, left, signal }: Reads,
  partition: number,
  offset: number,
  most: number,
  waitMs: number,
): Promise<number> {
  const limit = Math.min(most, left());
  const input = { name, partition, offset, limit, payloadBytes: MAX_PAYLOAD_BYTES, waitMs };
  try {
    const { items, nextOffset } = await client.call(OPERATIONS.streamsRead, input, { signal, waitMs });
    for (const item of items) await take(item);
    return nextOffset;
  } catch (error) {
    if (signal.aborted) return offset;
    throw error;
  }
}

function line({ partition, offset, timeMs, key, keyBase64, payload, payloadBase64 }: RecordView): string {
  const name = key ?? keyBase64 ?? '-';
  const body = payload ?? payloadBase64 ?? '';
  return `${partition}:${offset}  ${time(timeMs)}  ${printable(name)}  ${printable(body)}\n`;
}
