/** Streams and their records. */
import {
  DEFAULT_PAGE,
  found,
  named,
  operation,
  pageOf,
  pageRequest,
  paging,
  same,
  shownPage,
} from '../operation.ts';
import { integer, string } from '../schema.ts';
import { DEFAULT_PAYLOAD_BYTES, payloadBytes, showRecord } from '../show.ts';
import { pageOfRecords, partitionView, streamDetail, streamSummary } from '../views.ts';

/** JSON of more would keep the broker from its clients for too long. */
const MAX_READ_BYTES = 1024 * 1024;
const MAX_WAIT_MS = 30_000;
const streamName = string('Name of a stream.');

export const streamOperations = {
  streamsList: operation({
    id: 'streams.list',
    verb: {
      words: 'stream list',
      examples: ['stream list'],
      columns: ['name', 'partitions', 'records', 'bytes', 'key', 'storage', 'cleanup', 'capture'],
      usualLimit: 1000,
    },
    method: 'GET',
    path: '/streams',
    summary: 'Streams.',
    scope: 'streams:read',
    audit: 'none',
    queryParameters: paging,
    output: pageOf(streamSummary),
    run: async (node, input) =>
      shownPage('streams.list', await node.streams(pageRequest('streams.list', input)), same),
  }),
  streamsShow: operation({
    id: 'streams.show',
    verb: { words: 'stream show', examples: ['stream show telemetry'] },
    method: 'GET',
    path: '/streams/{name}',
    summary: 'A stream with its partitions.',
    scope: 'streams:read',
    audit: 'none',
    pathParameters: { name: streamName },
    output: streamDetail,
    run: async (node, { name }) => found(await node.stream(name), named('stream', name)),
  }),
  streamsPartitions: operation({
    id: 'streams.partitions',
    method: 'GET',
    path: '/streams/{name}/partitions',
    summary: 'Partitions of a stream.',
    scope: 'streams:read',
    audit: 'none',
    pathParameters: { name: streamName },
    queryParameters: paging,
    output: pageOf(partitionView),
    async run(node, { name, ...input }) {
      const page = await node.streamPartitions(name, pageRequest('streams.partitions', input));
      return shownPage('streams.partitions', found(page, named('stream', name)), same);
    },
  }),
  streamsRead: operation({
    id: 'streams.read',
    method: 'GET',
    path: '/streams/{name}/partitions/{partition}/records',
    summary: 'Records of a partition from an offset on.',
    scope: 'messages:read',
    audit: 'data',
    pathParameters: { name: streamName, partition: integer('Partition.', { max: 65_535 }) },
    queryParameters: {
      offset: integer('Where to begin; the first record where it is missing.'),
      limit: paging.limit,
      payloadBytes,
      waitMs: integer('How long to wait for a record when there is none yet.', { max: MAX_WAIT_MS }),
    },
    output: pageOfRecords,
    async run(node, { name, partition, offset, limit, payloadBytes: most, waitMs }, { signal }) {
      const page = await node.readStream({
        stream: name,
        partition,
        fromOffset: offset ?? 0,
        limit: limit ?? DEFAULT_PAGE,
        maxBytes: MAX_READ_BYTES,
        waitMs: waitMs ?? 0,
        signal,
      });
      const { records, nextOffset } = found(page, `${named('stream', name)} with a partition ${partition}`);
      const maxBytes = most ?? DEFAULT_PAYLOAD_BYTES;
      return { items: records.map((record) => showRecord(partition, record, maxBytes)), nextOffset };
    },
  }),
};
