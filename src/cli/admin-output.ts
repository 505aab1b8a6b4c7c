/**
 * How administration shows things: as JSON exactly what the broker said; for people as tables and lines, where the unit
 * that ends the name of a field decides how its number is written.
 */
import { type Io, write } from './io.ts';

export type OutputForm = 'table' | 'json' | 'ndjson' | 'yaml';
export type Row = Readonly<Record<string, unknown>>;

export async function printList(
  items: readonly object[],
  columns: readonly string[],
  form: OutputForm,
  io: Io,
): Promise<void> {
  if (form === 'json') await write(io.out, `${JSON.stringify(items, undefined, 2)}\n`);
  else if (form === 'yaml') await write(io.out, await yaml(items));
  else if (form === 'ndjson') {
    for (const item of items) await write(io.out, `${JSON.stringify(item)}\n`);
  } else await write(io.out, table(items, columns));
}

export async function printOne(item: object, form: OutputForm, io: Io): Promise<void> {
  if (form === 'table') await write(io.out, lines(item, '').join(''));
  else if (form === 'yaml') await write(io.out, await yaml(item));
  else await write(io.out, `${JSON.stringify(item, undefined, form === 'json' ? 2 : undefined)}\n`);
}

/** Read when it is asked for: it takes longer to load than most verbs to run. */
const yaml = async (value: unknown): Promise<string> => (await import('yaml')).stringify(value);

export function table(items: readonly object[], columns: readonly string[]): string {
  const rows = items.map((item) => columns.map((column) => cell(column, (item as Row)[column])));
  const widths = columns.map((column, i) =>
    Math.max(heading(column).length, ...rows.map((row) => [...(row[i] ?? '')].length)),
  );
  const line = (cells: readonly string[]): string =>
    `${cells
      .map((text, i) => text + ' '.repeat((widths[i] ?? 0) - [...text].length))
      .join('  ')
      .trimEnd()}\n`;
  return line(columns.map(heading)) + rows.map(line).join('');
}

/** Units that the cell writes beside the number. */
const UNIT = /(?:Ms|Seconds)$/;

/** `oldestAtMs` is OLDEST AT, `isConnected` CONNECTED. */
const heading = (column: string): string =>
  column
    .replace(UNIT, '')
    .replace(/^is(?=[A-Z])/, '')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toUpperCase();

function lines(item: object, indent: string): string[] {
  const entries = Object.entries(item);
  const width = Math.max(0, ...entries.map(([name]) => heading(name).length));
  return entries.flatMap(([name, value]) => {
    const label = heading(name).toLowerCase();
    if (isListOfObjects(value)) {
      if (value.length === 0) return [`${indent}${label.padEnd(width)}  -\n`];
      const rows = table(value, [...new Set(value.flatMap((each) => Object.keys(each)))]);
      return [`${indent}${label}\n`, rows.replace(/^/gm, `${indent}  `).trimEnd(), '\n'];
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return [`${indent}${label}\n`, ...lines(value, `${indent}  `)];
    }
    return [`${indent}${label.padEnd(width)}  ${cell(name, value)}\n`];
  });
}

const isListOfObjects = (value: unknown): value is readonly object[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null);

function cell(name: string, value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') {
    if (name.endsWith('Ms')) return time(value);
    if (name.toLowerCase().endsWith('bytes')) return size(value);
    if (name.endsWith('Seconds')) return duration(value);
    return String(value);
  }
  if (isListOfObjects(value)) {
    return value.map((each) => Object.values(each).map(String).join('=')).join(' ') || '-';
  }
  if (Array.isArray(value)) return value.map((each) => cell('', each)).join(', ') || '-';
  return printable(String(value));
}

/** What clients chose must not steer the terminal. */
export const printable = (text: string): string =>
  text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );

const DATE_MS_MAX = 8.64e15;

export const time = (ms: number): string =>
  Math.abs(ms) <= DATE_MS_MAX ? new Date(ms).toISOString().replace('.000Z', 'Z') : String(ms);

export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function duration(seconds: number): string {
  for (const [unit, length] of [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
  ] as const) {
    if (seconds >= length && seconds % length === 0) return `${seconds / length} ${unit}`;
  }
  return `${seconds} s`;
}
