/** Goes through the audit log from its beginning and says whether its chain is whole, or where it is broken first. */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainHead, GENESIS, hashOfLine, previousOf } from './chain.ts';
import { decodeEntry } from './entry.ts';
import { type AuditFiles, fileName, fileNumber } from './files.ts';

export interface AuditBreak {
  readonly file: string;
  /** From 1; that of the first entry that is not what its neighbours say, or 0 where entries are missing at the end. */
  readonly line: number;
  /** Its number, where it has one. */
  readonly sequence: number | null;
  readonly reason: string;
}

export interface AuditVerification {
  readonly isSound: boolean;
  readonly files: number;
  readonly entries: number;
  /** null in an empty log. Above 1 the oldest files have given way, or were taken away. */
  readonly firstSequence: number | null;
  readonly lastSequence: number | null;
  /** Of the last entry: noted elsewhere, it tells later whether the log up to here is still the same. */
  readonly lastHash: string | null;
  /** Entries from before there was a chain. */
  readonly unchained: number;
  /** Lines that are no entries: cut off by a crash or a full disk. */
  readonly unreadable: number;
  /** Entries behind the last good one of a file whose writing failed; nobody was told that they are there. */
  readonly givenUp: number;
  /** What became of the entry that was asked about; null where none was. */
  readonly expected: 'found' | 'differs' | 'missing' | null;
  readonly broken: AuditBreak | null;
}

/** Files, ascending, and what of each counts. */
export type FilesToVerify = Pick<AuditFiles, 'list' | 'read'>;

export interface VerifyOptions {
  readonly files: FilesToVerify;
  /** What is known beside the files; undefined: nothing. */
  readonly head: ChainHead | undefined;
  readonly expected?: ChainHead | undefined;
}

const CHUNK_BYTES = 64 * 1024;
const MAX_LINE_BYTES = 256 * 1024;
const LINE_END = 0x0a;
const NO_BYTES = Buffer.alloc(0);
const NO_ENTRY = Buffer.from('…');

/** Of a log that nobody writes. */
export function filesAtRest(directory: string): FilesToVerify {
  const path = (number: number): string => join(directory, fileName(number));
  return {
    async list() {
      const names = await readdir(directory);
      const numbers = names.flatMap((name) => fileNumber(name) ?? []).sort((a, b) => a - b);
      return Promise.all(
        numbers.map(async (number) => {
          const file = await open(path(number), 'r');
          try {
            return { number, bytes: (await file.stat()).size };
          } finally {
            await file.close();
          }
        }),
      );
    },
    read: (number) => open(path(number), 'r'),
  };
}

/** Lines without their ends; one that is too long is none of ours. */
async function* linesOf(file: FileHandle, end: number): AsyncGenerator<Buffer> {
  let rest: Buffer = NO_BYTES;
  let isTooLong = false;
  for (let at = 0; at < end; ) {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, end - at));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    let bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    for (let stop = bytes.indexOf(LINE_END); stop >= 0; stop = bytes.indexOf(LINE_END)) {
      yield isTooLong ? NO_ENTRY : bytes.subarray(0, stop);
      isTooLong = false;
      bytes = bytes.subarray(stop + 1);
    }
    if (bytes.length > MAX_LINE_BYTES) {
      isTooLong = true;
      bytes = NO_BYTES;
    }
    rest = bytes;
  }
  if (rest.length > 0 || isTooLong) yield isTooLong ? NO_ENTRY : rest;
}

async function openOrGone(files: FilesToVerify, number: number): Promise<FileHandle | undefined> {
  try {
    return await files.read(number);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

interface Link extends ChainHead {
  /** How many entries there were up to it. */
  readonly count: number;
}

/** At most so many entries of a file can have been in one write that failed. */
const MAX_GIVEN_UP = 4096;

export async function verifyAudit({ files, head, expected }: VerifyOptions): Promise<AuditVerification> {
  let last: Link = { ...GENESIS, count: 0 };
  let firstSequence: number | null = null;
  let entries = 0;
  let unchained = 0;
  let unreadable = 0;
  let givenUp = 0;
  let hasChain = false;
  let hashOfExpected: string | undefined;
  let hashOfHead: string | undefined;
  let broken: AuditBreak | null = null;
  /** The newest entries of the file before, by hash. */
  let before = new Map<string, Link>();
  const list = await files.list();

  for (const { number, bytes } of list) {
    const name = fileName(number);
    const own = new Map<string, Link>();
    let isFirstOfFile = true;
    let lineNumber = 0;
    const file = await openOrGone(files, number);
    // The oldest gives way while others are read.
    if (file === undefined) continue;
    try {
      for await (const line of linesOf(file, bytes)) {
        lineNumber++;
        const text = line.toString();
        const entry = decodeEntry(text);
        if (entry === undefined) {
          if (line.length > 0) unreadable++;
          continue;
        }
        const { sequence } = entry;
        const breaks = (reason: string): void => {
          broken ??= { file: name, line: lineNumber, sequence, reason };
        };
        const previous = previousOf(text);
        const hash = hashOfLine(line);
        if (previous === undefined) {
          unchained++;
          if (hasChain) breaks('it has no hash of the entry before, though earlier ones have');
        } else if (firstSequence === null) {
          if (sequence === 1 && previous !== GENESIS.hash) breaks('it is the first and follows another');
          if (sequence > 1 && previous === GENESIS.hash) breaks('it follows nothing, and is not the first');
        } else if (previous !== last.hash) {
          // Where a write failed, the next file goes on behind what was durable.
          const known = isFirstOfFile ? before.get(previous) : undefined;
          if (known === undefined) breaks('the entry before it is not the one that it was written behind');
          else givenUp += last.count - known.count;
        }
        // Nothing has ever given way before the first file.
        if (firstSequence === null && number === 1 && sequence !== 1) breaks('entries before it are missing');
        if (firstSequence !== null && sequence <= last.sequence)
          breaks('its number is not above the one before');
        hasChain ||= previous !== undefined;
        firstSequence ??= sequence;
        isFirstOfFile = false;
        entries++;
        last = { sequence, hash, count: entries };
        own.set(hash, last);
        if (own.size > MAX_GIVEN_UP) {
          const [oldest] = own.keys();
          if (oldest !== undefined) own.delete(oldest);
        }
        if (sequence === expected?.sequence) hashOfExpected = hash;
        if (sequence === head?.sequence) hashOfHead = hash;
      }
    } finally {
      await file.close();
    }
    if (own.size > 0) before = own;
  }

  if (head !== undefined && head.sequence > 0) {
    const at = { file: fileName(list.at(-1)?.number ?? 1), line: 0, sequence: head.sequence };
    if (last.sequence < head.sequence) {
      broken ??= { ...at, reason: `entries up to number ${head.sequence} were durable, and are not there` };
    } else if (hashOfHead !== head.hash) {
      broken ??= { ...at, reason: `entry number ${head.sequence} is not the one that was written` };
    }
  }
  const found =
    expected === undefined
      ? null
      : hashOfExpected === undefined
        ? 'missing'
        : hashOfExpected === expected.hash
          ? 'found'
          : 'differs';
  return {
    isSound: broken === null && (found === null || found === 'found'),
    files: list.length,
    entries,
    firstSequence,
    lastSequence: entries === 0 ? null : last.sequence,
    lastHash: entries === 0 ? null : last.hash,
    unchained,
    unreadable,
    givenUp,
    expected: found,
    broken,
  };
}
