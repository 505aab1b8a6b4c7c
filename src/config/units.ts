/** Spellings of durations and sizes: what users write, and how values are shown to them again. */

const durationUnits: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const sizeUnits: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
]);

/** Milliseconds of `500ms`, `30s`, `1.5h`, `1h30m`, `7d`; undefined when it is not a duration or not whole. */
export function parseDurationMs(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (durationUnits.get(unit ?? '') ?? Number.NaN);
  }
  return whole(total);
}

/** Bytes of `512B`, `64KB` (1000), `10MiB` (1024²), `1.5GiB`; undefined when it is not a size or not whole. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgt]?i?b)$/i.exec(text);
  if (match === null) return undefined;
  const factor = sizeUnits.get((match[2] ?? '').toLowerCase());
  return factor === undefined ? undefined : whole(Number(match[1]) * factor);
}

/** Binary fractions such as 1.1 × 1000 miss their integer by a rounding error, which is forgiven. */
function whole(value: number): number | undefined {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) && Math.abs(value - rounded) < 1e-6 ? rounded : undefined;
}

/** The shortest spelling in one unit: 90000 -> `90s`, 7200000 -> `2h`. */
export function formatDurationMs(ms: number): string {
  if (ms === 0) return '0';
  for (const [unit, factor] of [...durationUnits].reverse()) {
    if (ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}

/** The largest unit that divides it, binary units first: 1048576 -> `1MiB`, 64000 -> `64KB`, 65535 -> `65535B`. */
export function formatSizeBytes(bytes: number): string {
  if (bytes === 0) return '0';
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB', 'TB', 'GB', 'MB', 'KB']) {
    const factor = sizeUnits.get(unit.toLowerCase()) ?? 1;
    if (bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}
