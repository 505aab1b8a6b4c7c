/**
 * The chain of the audit log: each line carries the hash of the line before, over files and restarts, so that none can be
 * changed, taken out or put in between without a break. Whoever may write the files can make the whole chain anew: what tells
 * is a hash that was noted elsewhere.
 */
import { createHash } from 'node:crypto';

/** The last line of a log, as it is known elsewhere. */
export interface ChainHead {
  /** 0 before the first entry. */
  readonly sequence: number;
  readonly hash: string;
}

export const GENESIS: ChainHead = { sequence: 0, hash: '' };

const LINE_END = 0x0a;
const TAIL = /,"previous":"([\w-]{43})?"\}\n?$/;

/** Of a line, its end left out. */
export function hashOfLine(line: Uint8Array): string {
  const text = line.at(-1) === LINE_END ? line.subarray(0, -1) : line;
  return createHash('sha256').update(text).digest('base64url');
}

/** `line` is an object with something in it, and a line end. */
export function chained(line: Buffer, previous: string): Buffer {
  return Buffer.concat([line.subarray(0, -2), Buffer.from(`,"previous":"${previous}"}\n`)]);
}

/** undefined: the line is from before there was a chain. */
export function previousOf(line: string): string | undefined {
  const found = TAIL.exec(line);
  return found === null ? undefined : (found[1] ?? '');
}

const HEAD = /^(\d{1,15}):([\w-]{43})$/;

/** `sequence:hash`; undefined where it is none. */
export function parseHead(text: string): ChainHead | undefined {
  const found = HEAD.exec(text.trim());
  return found === null ? undefined : { sequence: Number(found[1]), hash: found[2] ?? '' };
}

export const formatHead = ({ sequence, hash }: ChainHead): string => `${sequence}:${hash}`;
