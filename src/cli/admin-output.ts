/**
 * How administration shows things: as JSON exactly what the broker said; for people as tables and lines, where the unit
 * that ends the name of a field decides how its number is written.
 */
import { type Io, write } from './io.ts';

/** `wide` is a table with everything in it, however wide the screen is. */
export type OutputForm = 'table' | 'wide' | 'json' | 'ndjson' | 'yaml';

/** For people. */
export const isTable = (form: OutputForm): boolean => form === 'table' || form === 'wide';

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
  } else {
    const hasScreen = io.out.isTTY === true && io.out.columns !== undefined && io.out.columns > 0;
    const screenWidth = hasScreen && form === 'table' ? io.out.columns : undefined;
    const { text, leftOut } = layout(items, columns, screenWidth);
    await write(io.out, text);
    if (leftOut.length > 0) {
      await write(io.err, `there is no room for ${leftOut.map(heading).join(', ')}; -o wide shows all\n`);
    }
  }
}

export async function printOne(item: object, form: OutputForm, io: Io): Promise<void> {
  if (isTable(form)) await write(io.out, lines(item, '').join(''));
  else if (form === 'yaml') await write(io.out, await yaml(item));
  else await write(io.out, `${JSON.stringify(item, undefined, form === 'json' ? 2 : undefined)}\n`);
}

/** Read when it is asked for: it takes longer to load than most verbs to run. */
const yaml = async (value: unknown): Promise<string> => (await import('yaml')).stringify(value);

export const table = (items: readonly object[], columns: readonly string[]): string =>
  layout(items, columns, undefined).text;

/** On a screen of that width, or as wide as it is. */
function layout(items: readonly object[], columns: readonly string[], screenWidth: number | undefined) {
  const rows = items.map((item) => columns.map((column) => cell(column, (item as Row)[column])));
  const shapes = columns.map((column, i): Column => {
    const name = heading(column);
    return {
      wanted: rows.reduce((most, row) => Math.max(most, [...(row[i] ?? '')].length), name.length),
      canBeCut: items.some((item) => ['string', 'object'].includes(kindOf((item as Row)[column]))),
      isEmpty: items.length > 0 && rows.every((row) => row[i] === EMPTY),
    };
  });
  const widths = screenWidth === undefined ? shapes.map(({ wanted }) => wanted) : fitted(shapes, screenWidth);
  const line = (cells: readonly string[]): string =>
    `${cells
      .flatMap((text, i) => ((widths[i] ?? 0) === 0 ? [] : [padded(text, widths[i] ?? 0)]))
      .join(GAP)
      .trimEnd()}\n`;
  return {
    text: line(columns.map(heading)) + rows.map(line).join(''),
    leftOut: columns.filter((_, i) => widths[i] === 0),
  };
}

const kindOf = (value: unknown): string => (value === null ? 'null' : typeof value);

const EMPTY = '-';
const GAP = '  ';
/** Less of a cell says nothing. */
const MIN_WIDTH = 10;

function padded(text: string, width: number): string {
  const characters = [...text];
  if (characters.length > width) return `${characters.slice(0, width - 1).join('')}…`;
  return text + ' '.repeat(width - characters.length);
}

export interface Column {
  readonly wanted: number;
  /** The beginning of a text says something; that of a number or of a time something wrong. */
  readonly canBeCut: boolean;
  /** In no row there is anything. */
  readonly isEmpty: boolean;
}

/**
 * What columns get of a screen, 0 for those that are left out: those with nothing in them go before anything is cut, the
 * last ones where the texts of the rest, the widest first, cannot be cut far enough. The first one, by which people name the thing, stays, and gives way after the others.
 */
export function fitted(columns: readonly Column[], screenWidth: number): number[] {
  const shown = new Set(columns.keys());
  const behind = [...shown].slice(1).toReversed();
  const isTooWide = (): boolean =>
    usedBy(columns.map(({ wanted }, at) => (shown.has(at) ? wanted : 0))) > screenWidth;
  for (const at of behind) if (columns[at]?.isEmpty && isTooWide()) shown.delete(at);
  for (const at of behind) {
    if (usedBy(cut(columns, shown, screenWidth)) <= screenWidth) break;
    shown.delete(at);
  }
  return cut(columns, shown, screenWidth);
}

const usedBy = (widths: readonly number[]): number => {
  const shown = widths.filter((width) => width > 0);
  return shown.reduce((sum, width) => sum + width, 0) + GAP.length * Math.max(0, shown.length - 1);
};

function cut(columns: readonly Column[], shown: ReadonlySet<number>, screenWidth: number): number[] {
  const widths = columns.map(({ wanted }, at) => (shown.has(at) ? wanted : 0));
  const narrow = (places: readonly number[], least: number): void => {
    for (let over = usedBy(widths) - screenWidth; over > 0; over--) {
      const widest = places.reduce((best, at) => ((widths[at] ?? 0) > (widths[best] ?? 0) ? at : best), -1);
      if ((widths[widest] ?? 0) <= least) return;
      widths[widest] = (widths[widest] ?? 0) - 1;
    }
  };
  const rest = [...shown].filter((at) => at > 0 && columns[at]?.canBeCut);
  narrow(rest, 2 * MIN_WIDTH);
  narrow([0], Math.floor(screenWidth / 2));
  narrow(rest, MIN_WIDTH);
  if (shown.size === 1) narrow([0], 1);
  return widths;
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
  if (value === null || value === undefined) return EMPTY;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') {
    if (name.endsWith('Ms')) return time(value);
    if (name.toLowerCase().endsWith('bytes')) return size(value);
    if (name.endsWith('Seconds')) return duration(value);
    return String(value);
  }
  if (isListOfObjects(value)) {
    return value.map((each) => Object.values(each).map(String).join('=')).join(' ') || EMPTY;
  }
  if (Array.isArray(value)) return value.map((each) => cell('', each)).join(', ') || EMPTY;
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
