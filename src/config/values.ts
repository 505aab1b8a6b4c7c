/** One raw value (from YAML, JSON, the environment or the command line) against one leaf of the schema. */
import type { ChoiceLeaf, NumberLeaf, Scalar, SchemaNode, StringLeaf } from './schema-kit.ts';
import { nearest } from './suggest.ts';
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from './units.ts';

export type ScalarLeaf = Exclude<SchemaNode, { kind: 'section' | 'list' }>;
export type Parsed =
  | { readonly ok: true; readonly value: Scalar }
  | { readonly ok: false; readonly reason: string };

const truthy: readonly string[] = ['true', 'yes', 'on'];
const falsy: readonly string[] = ['false', 'no', 'off'];

export function parseScalar(leaf: ScalarLeaf, raw: unknown): Parsed {
  switch (leaf.kind) {
    case 'boolean': {
      if (typeof raw === 'boolean') return accepted(raw);
      const word = String(raw).toLowerCase();
      if (typeof raw === 'string' && truthy.includes(word)) return accepted(true);
      if (typeof raw === 'string' && falsy.includes(word)) return accepted(false);
      return refused('true or false', raw);
    }
    case 'number':
      return parseNumber(leaf, raw);
    case 'choice':
      return parseChoice(leaf, raw);
    case 'string':
      return parseString(leaf, raw);
  }
}

function parseNumber(leaf: NumberLeaf, raw: unknown): Parsed {
  const value = numberOf(leaf, raw);
  if (value === undefined || !Number.isSafeInteger(value)) return refused(expectedNumber(leaf), raw);
  const isWord = typeof raw === 'string' && Object.hasOwn(leaf.words, raw);
  if (!isWord && (value < leaf.min || value > leaf.max)) {
    return { ok: false, reason: `must be ${rangeOf(leaf)}, got ${shown(raw)}` };
  }
  return accepted(value);
}

function numberOf(leaf: NumberLeaf, raw: unknown): number | undefined {
  if (typeof raw === 'number') return raw;
  if (typeof raw !== 'string') return undefined;
  if (Object.hasOwn(leaf.words, raw)) return leaf.words[raw];
  if (/^\d+$/.test(raw)) return Number(raw);
  if (leaf.unit === 'bytes') return parseSizeBytes(raw);
  if (leaf.unit === 'count') return undefined;
  const ms = parseDurationMs(raw);
  return leaf.unit === 's' && ms !== undefined ? ms / 1000 : ms;
}

function expectedNumber(leaf: NumberLeaf): string {
  const spelling = {
    count: 'a whole number',
    ms: 'a duration such as 30s or 500ms',
    s: 'a duration in whole seconds such as 90s or 2h',
    bytes: 'a size such as 64KB or 10MiB',
  }[leaf.unit];
  return [spelling, ...Object.keys(leaf.words)].join(' or ');
}

export function formatNumber(leaf: NumberLeaf, value: number): string {
  const word = Object.entries(leaf.words).find(([, meaning]) => meaning === value)?.[0];
  if (word !== undefined) return word;
  if (leaf.unit === 'bytes') return formatSizeBytes(value);
  if (leaf.unit === 'count') return String(value);
  return formatDurationMs(leaf.unit === 's' ? value * 1000 : value);
}

export function rangeOf(leaf: NumberLeaf): string {
  const plain = { ...leaf, words: {} };
  const low = formatNumber(plain, leaf.min);
  return leaf.max === Number.MAX_SAFE_INTEGER
    ? `at least ${low}`
    : `from ${low} to ${formatNumber(plain, leaf.max)}`;
}

function parseChoice(leaf: ChoiceLeaf, raw: unknown): Parsed {
  const exact = leaf.choices.find((one) => one === raw || (typeof raw === 'string' && String(one) === raw));
  if (exact !== undefined) return accepted(exact);
  // YAML tools and people turn `on` into true; where the choice is on or off that is what they meant.
  if (typeof raw === 'boolean' && leaf.choices.includes('on') && leaf.choices.includes('off')) {
    return accepted(raw ? 'on' : 'off');
  }
  const names = leaf.choices.map(String);
  const near = typeof raw === 'string' ? nearest(raw, names) : undefined;
  return refused(`one of ${names.join(', ')}`, raw, near === undefined ? '' : `; did you mean ${near}?`);
}

function parseString(leaf: StringLeaf, raw: unknown): Parsed {
  if (typeof raw !== 'string' && typeof raw !== 'number' && typeof raw !== 'boolean') {
    return refused(leaf.expected, leaf.secret ? undefined : raw);
  }
  const text = String(raw);
  if (text.length > leaf.maxLength)
    return { ok: false, reason: `must have at most ${leaf.maxLength} characters` };
  // The default always stands, so that a printed configuration can be read again.
  if (text === leaf.fallback || (!text.includes('\0') && leaf.accepts(text))) return accepted(text);
  return refused(leaf.expected, leaf.secret ? undefined : raw);
}

const accepted = (value: Scalar): Parsed => ({ ok: true, value });

function refused(expected: string, raw: unknown, hint = ''): Parsed {
  return {
    ok: false,
    reason: `expected ${expected}${raw === undefined ? '' : `, got ${shown(raw)}`}${hint}`,
  };
}

/** A value as it appears in an error: short, on one line. */
export function shown(raw: unknown): string {
  if (raw === null) return 'nothing';
  if (Array.isArray(raw)) return 'a list';
  if (typeof raw === 'object') return 'a section';
  const text = typeof raw === 'string' ? JSON.stringify(raw) : String(raw);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
