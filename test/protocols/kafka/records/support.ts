import { readFileSync } from 'node:fs';
import { encodeHeaders, type LogRecord, NO_HEADERS } from '../../../../src/storage/records/record.ts';
import { createLogKernel } from '../../../../src/wasm/create-log.ts';

export const kernel = createLogKernel({ maxBatchBytes: 1 << 20, memoryLimitBytes: 8 << 20 });

/** Batches that Apache Kafka's own Java classes (4.2.0) made of `goldenRecords`, with what their names say. */
export const golden: ReadonlyMap<string, Buffer> = new Map(
  readFileSync(new URL('golden-batches.txt', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [name = '', hex = ''] = line.split(' ');
      return [name, Buffer.from(hex, 'hex')];
    }),
);
export const goldenBatch = (name: string): Buffer => Buffer.from(golden.get(name) ?? []);

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

const START = 1_700_000_000_000;
export const goldenRecords: readonly LogRecord[] = [
  {
    timestampMs: START,
    key: bytes('key'),
    value: bytes('value'),
    headers: encodeHeaders([
      { name: bytes('h1'), value: bytes('x') },
      { name: bytes('h2'), value: null },
    ]),
  },
  { timestampMs: START + 5, key: null, value: bytes(''), headers: NO_HEADERS },
  { timestampMs: START - 10, key: bytes(''), value: null, headers: NO_HEADERS },
  ...Array.from({ length: 20 }, (_, i) => ({
    timestampMs: START + i * 1000,
    key: bytes(`sensor-${i}`),
    value: bytes(`{"id":${i},"reading":${i * 7}}`),
    headers: NO_HEADERS,
  })),
];

/** A record as plain data. */
export const plain = ({ timestampMs, key, value, headers }: LogRecord) => ({
  timestampMs,
  key: key && Buffer.from(key).toString('latin1'),
  value: value && Buffer.from(value).toString('latin1'),
  headers: `${headers.count} ${Buffer.from(headers.bytes).toString('hex')}`,
});
