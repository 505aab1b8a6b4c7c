/** What an audit entry says, and what of an operation's input may stand in it. */

/** 'begun': a change that is about to be made; the entry with the same `change` says what became of it. */
export type AuditResult = 'begun' | 'ok' | 'refused' | 'failed';

export interface AuditEvent {
  /** undefined: nobody who is known. */
  readonly user: string | undefined;
  readonly tenant: string;
  /** By what: `http`, `cli`, `kafka` and the like. */
  readonly via: string;
  readonly remoteAddress: string;
  /** The operation's id, such as `roles.update`. */
  readonly operation: string;
  /** Redacted: see `redacted`. */
  readonly input: unknown;
  readonly result: AuditResult;
  /** Why it was refused or has failed. */
  readonly reason?: string | undefined;
  readonly durationMs?: number | undefined;
  /** The sequence number of the entry of its beginning. */
  readonly change?: number | undefined;
}

export interface AuditEntry extends AuditEvent {
  /** Ascending, over restarts too. */
  readonly sequence: number;
  readonly atMs: number;
}

export const REDACTED = '***';

const MAX_DEPTH = 6;
const MAX_FIELDS = 64;
const MAX_TEXT = 256;
const MAX_LINE_BYTES = 16 * 1024;
/** Whatever a schema forgets to mark. */
const TELLING = /pass(?:word|wd|phrase)|secret|token|credential|authorization|verifier|private|cookie|key$/i;

export type IsSecret = (path: readonly string[]) => boolean;

/** Short and without secrets: fields whose name tells, and those that the operation's schema marks. */
export function redacted(input: unknown, isSecret: IsSecret = () => false): unknown {
  const walk = (value: unknown, path: readonly string[]): unknown => {
    if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
    if (typeof value === 'string') return shortened(value);
    if (typeof value === 'bigint') return String(value);
    if (value instanceof Uint8Array) return `${value.length} bytes`;
    if (typeof value !== 'object' || path.length >= MAX_DEPTH) return value === undefined ? undefined : '…';
    if (Array.isArray(value)) {
      const shown = value.slice(0, MAX_FIELDS).map((each, index) => walk(each, [...path, String(index)]));
      return value.length > MAX_FIELDS ? [...shown, `… ${value.length - MAX_FIELDS} more`] : shown;
    }
    if ('toJSON' in value && typeof value.toJSON === 'function')
      return walk(value.toJSON(), [...path, 'toJSON']);
    const entries = Object.entries(value);
    return Object.fromEntries([
      ...entries.slice(0, MAX_FIELDS).map(([name, each]) => {
        const own = [...path, name];
        const isHidden = (TELLING.test(name) || isSecret(own)) && each !== undefined;
        return [shortened(name), isHidden ? REDACTED : walk(each, own)];
      }),
      ...(entries.length > MAX_FIELDS ? [['…', `${entries.length - MAX_FIELDS} more`]] : []),
    ]);
  };
  return walk(input, []);
}

const shortened = (text: string): string =>
  text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… ${text.length - MAX_TEXT} more characters`;

/** What could change how a line looks where it is shown, beyond what JSON escapes itself. */
const DECEPTIVE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** One line, which ends. */
export function encodeEntry(entry: AuditEntry): Buffer {
  const { sequence, atMs, user, reason, ...others } = entry;
  const rest = {
    user: user === undefined ? null : shortened(user),
    ...others,
    remoteAddress: shortened(others.remoteAddress),
    ...(reason === undefined ? {} : { reason: shortened(reason) }),
    // Once more: an input that nobody has looked at shows no secrets whose names tell.
    input: redacted(others.input),
  };
  const line = (own: typeof rest): string =>
    `${JSON.stringify({ sequence, at: new Date(atMs).toISOString(), ...own }).replace(
      DECEPTIVE,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )}\n`;
  const whole = Buffer.from(line(rest));
  return whole.length <= MAX_LINE_BYTES ? whole : Buffer.from(line({ ...rest, input: '… too large' }));
}

const RESULTS: ReadonlySet<string> = new Set(['begun', 'ok', 'refused', 'failed'] satisfies AuditResult[]);

/** undefined for a line that was not written whole. */
export function decodeEntry(line: string): AuditEntry | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  // Of the chain, and no part of what happened.
  const { at, user, previous: _previous, ...rest } = parsed as Readonly<Record<string, unknown>>;
  const atMs = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  if (!Number.isSafeInteger(rest.sequence) || Number.isNaN(atMs) || !RESULTS.has(String(rest.result)))
    return undefined;
  return { ...rest, user: user ?? undefined, atMs } as unknown as AuditEntry;
}
