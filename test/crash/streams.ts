/**
 * The stream that captures the traffic of a run, read by the command between the rounds: what was once read at an
 * offset stays there, and in the end every acknowledged message is in it, in order.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { entry } from './broker-process.ts';
import { checkStream, type StreamRecord } from './check.ts';
import type { Ledger } from './ledger.ts';

const NAME = 'crash';
const PARTITIONS = 2;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** A part of the traffic only: where all of a segment is captured, nothing of it is dead, and the cleaner has nothing to do. */
const CAPTURED = ['crash/1/', 'crash/forgetful'];
const capture = CAPTURED.map((start) => (start.endsWith('/') ? `${start}#` : start));
export const STREAM_CONFIG = { name: NAME, capture, partitions: PARTITIONS, key: 'topic' };

export interface StreamAudit {
  /** Reads what is new since it was last asked. */
  examine(): Promise<void>;
  /** Reads all, and judges it. */
  conclude(): Promise<void>;
}

interface RecordLine {
  readonly offset: number;
  readonly key: string;
  readonly payload: string;
}

async function readPartition(dataDir: string, partition: number, from: number): Promise<StreamRecord[]> {
  const where = ['--partition', String(partition), '--offset', String(from)];
  const lines = await command(['stream', 'read', NAME, '--data-dir', dataDir, ...where, '-o', 'ndjson']);
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { offset, key, payload } = JSON.parse(line) as RecordLine;
      return { offset, topic: key, payload };
    });
}

/**
 * What the command prints; rejects with it when it fails. One that waited in vain is run once more: a machine that stands still
 * for half a minute is no violation, a broker that does not answer again is.
 */
export async function command(args: readonly string[], isRepeated = false): Promise<string> {
  const running = promisify(execFile)(process.execPath, [entry, ...args], { maxBuffer: MAX_OUTPUT_BYTES });
  try {
    return (await running).stdout;
  } catch (error) {
    if (isRepeated || (error as { code?: unknown }).code !== ExitCode.TimedOut) throw error;
    return command(args, true);
  }
}

export function auditStream(ledger: Ledger, dataDir: string): StreamAudit {
  const before: StreamRecord[][] = Array.from({ length: PARTITIONS }, () => []);
  return {
    async examine() {
      await Promise.all(
        before.map(async (records, partition) => {
          const from = (records.at(-1)?.offset ?? -1) + 1;
          records.push(...(await readPartition(dataDir, partition, from)));
        }),
      );
    },
    async conclude() {
      const partitions = await Promise.all(
        before.map((_, partition) => readPartition(dataDir, partition, 0)),
      );
      const captures = (topic: string): boolean => CAPTURED.some((start) => topic.startsWith(start));
      ledger.violations.push(...checkStream(ledger.sent, captures, partitions, before));
    },
  };
}
