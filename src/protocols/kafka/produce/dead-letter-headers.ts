/** What headers say of a record that is given up: why, and where it was. */
import { decodeHeaders, type LogRecord, type RecordHeader } from '../../../storage/records/record.ts';

const REASON = Buffer.from('dead-letter-reason');

/** What has died before is given up for good, so that dead letters never go round. */
export const hasDied = ({ headers }: Pick<LogRecord, 'headers'>): boolean =>
  headers.count > 0 && decodeHeaders(headers).some(({ name }) => REASON.equals(name));

export interface Death {
  readonly reason: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** What whoever gave it up has to say besides, such as its group. */
  readonly more?: readonly (readonly [name: string, value: string])[];
}

/** The record's own, and behind them those of its death. */
export function deathHeaders(
  { headers }: Pick<LogRecord, 'headers'>,
  { reason, topic, partition, offset, more = [] }: Death,
  nowMs: number,
): readonly RecordHeader[] {
  const facts = [
    ['reason', reason],
    ['topic', topic],
    ['partition', String(partition)],
    ['offset', String(offset)],
    ...more,
    ['time', new Date(nowMs).toISOString()],
    ['count', '1'],
  ] as const;
  return [
    ...decodeHeaders(headers),
    ...facts.map(([name, value]) => ({
      name: Buffer.from(`dead-letter-${name}`),
      value: Buffer.from(value),
    })),
  ];
}
