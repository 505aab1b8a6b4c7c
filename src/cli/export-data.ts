/** `robustmq export data`: records of a topic or a stream, or retained messages, one JSON object a line. */
import { OPERATIONS } from '../admin/operations.ts';
import type { RecordView } from '../admin/views.ts';
import type { AdminClient } from './admin-client.ts';
import { type AdminOptions, formOf, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { createProgress, type Progress } from './progress.ts';

export interface ExportDataOptions extends AdminOptions {
  readonly topic?: string;
  readonly stream?: string;
  readonly retained?: string;
  readonly partition?: number;
  readonly offset?: number;
}

const PAGE = 1000;
/** So much that nothing is cut; the broker bounds what it answers at once. */
const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;
const WAIT_MS = 60_000;

interface Source {
  /** Offsets of each partition: from the first to behind the last that there is now. */
  partitions(): Promise<
    readonly { readonly partition: number; readonly startOffset: number; readonly endOffset: number }[]
  >;
  read(
    partition: number,
    offset: number,
  ): Promise<{ readonly items: readonly RecordView[]; readonly nextOffset: number }>;
}

export async function exportData(options: ExportDataOptions, io: Io): Promise<number> {
  const { topic, stream, retained } = options;
  const form = formOf(options);
  if (form === 'json' || form === 'yaml') {
    throw new CliError(
      ExitCode.Usage,
      `data are lines of JSON, which is -o ndjson, and not one ${form} value`,
    );
  }
  if ([topic, stream, retained].filter((each) => each !== undefined).length !== 1) {
    throw new CliError(ExitCode.Usage, 'one of --topic, --stream and --retained says what to export');
  }
  const isPlaced = options.partition !== undefined || options.offset !== undefined;
  if (retained !== undefined && isPlaced) {
    throw new CliError(ExitCode.Usage, 'retained messages have neither partitions nor offsets');
  }
  if (options.offset !== undefined && options.partition === undefined) {
    throw new CliError(ExitCode.Usage, '--offset is one of a partition: give --partition');
  }
  return withAdmin(options, io, async (client) => {
    const progress = createProgress(io, { what: 'exported', total: undefined, unit: 'items' });
    const count =
      retained === undefined
        ? await exportRecords(
            topic === undefined ? streamSource(client, stream ?? '') : topicSource(client, topic),
            topic ?? stream ?? '',
            options,
            progress,
            io,
          )
        : await exportRetained(client, retained, progress, io);
    progress.end(`${count} ${retained === undefined ? 'records' : 'retained messages'}`);
    return ExitCode.Ok;
  });
}

async function exportRecords(
  source: Source,
  topic: string,
  { partition, offset }: ExportDataOptions,
  progress: Progress,
  io: Io,
): Promise<number> {
  const wanted = (await source.partitions()).filter(
    (each) => partition === undefined || each.partition === partition,
  );
  if (wanted.length === 0) throw new CliError(ExitCode.Failed, `${topic} has no partition ${partition}`);
  let count = 0;
  for (const { partition: number, startOffset, endOffset } of wanted) {
    for (let at = Math.max(startOffset, offset ?? 0); at < endOffset; ) {
      const { items, nextOffset } = await source.read(number, at);
      // What came since it began is not part of it, and neither is what is not decided yet.
      const own = items.filter((each) => each.offset < endOffset);
      if (own.length > 0) await write(io.out, own.map((each) => lineOf(topic, each)).join(''));
      count += own.length;
      progress.add(own.length);
      if (nextOffset <= at) break;
      at = nextOffset;
    }
  }
  return count;
}

function lineOf(topic: string, { payloadBytes, payloadIsCut, ...record }: RecordView): string {
  if (payloadIsCut) {
    throw new CliError(
      ExitCode.Failed,
      `${topic}, partition ${record.partition}, offset ${record.offset}: a payload of ${payloadBytes} bytes is larger than what the broker shows`,
    );
  }
  return `${JSON.stringify({ kind: 'record', topic, ...record })}\n`;
}

const topicSource = (client: AdminClient, name: string): Source => ({
  async partitions() {
    const { partitions, partitionDetails } = await client.call(OPERATIONS.topicsShow, { name });
    if (partitions > partitionDetails.length) {
      throw new CliError(ExitCode.Failed, `${name} has ${partitions} partitions; name one with --partition`);
    }
    return partitionDetails;
  },
  read: (partition, offset) =>
    client.call(OPERATIONS.recordsRead, { name, partition, offset, limit: PAGE }, { waitMs: WAIT_MS }),
});

const streamSource = (client: AdminClient, name: string): Source => ({
  async partitions() {
    const { partitions, partitionDetails } = await client.call(OPERATIONS.streamsShow, { name });
    const all = [...partitionDetails];
    for (
      let cursor: string | undefined, isFirst = all.length < partitions;
      isFirst || cursor !== undefined;
    ) {
      if (isFirst) all.length = 0;
      isFirst = false;
      const page = await client.call(OPERATIONS.streamsPartitions, {
        name,
        limit: PAGE,
        ...(cursor === undefined ? {} : { cursor }),
      });
      all.push(...page.items);
      cursor = page.nextCursor;
    }
    return all;
  },
  read: (partition, offset) =>
    client.call(
      OPERATIONS.streamsRead,
      { name, partition, offset, limit: PAGE, payloadBytes: MAX_PAYLOAD_BYTES },
      { waitMs: WAIT_MS },
    ),
});

async function exportRetained(
  client: AdminClient,
  filter: string,
  progress: Progress,
  io: Io,
): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await client.call(OPERATIONS.retainedList, {
      filter,
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const { topic } of page.items) {
      const message = await shown(client, topic);
      // Removed meanwhile.
      if (message === undefined) continue;
      const { payloadBytes: _, payloadIsCut: __, ...rest } = message;
      await write(io.out, `${JSON.stringify({ kind: 'retained', ...rest })}\n`);
      count++;
      progress.add(1);
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return count;
}

async function shown(client: AdminClient, topic: string) {
  try {
    return await client.call(OPERATIONS.retainedShow, { topic, payloadBytes: MAX_PAYLOAD_BYTES });
  } catch (error) {
    if (error instanceof CliError && error.exitCode === ExitCode.Failed) return undefined;
    throw error;
  }
}
