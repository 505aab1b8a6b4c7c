/** Where a share group starts in a partition that it has not read before. */

export type OffsetReset =
  | { readonly kind: 'earliest' | 'latest' }
  /** At the first record that is not older. */
  | { readonly kind: 'age'; readonly ageMs: number };

const BY_DURATION = 'by_duration:';
const DAY_MS = 86_400_000;

/** Of ISO 8601, as far as a duration of a fixed length can be written in it. */
function durationMs(text: string): number | undefined {
  const found =
    /^\+?P(?=.)(?:(\d{1,7})D)?(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12})(?:[.,](\d{0,9}))?S)?)?$/i.exec(
      text,
    );
  if (found === null) return undefined;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0, fraction = ''] = found;
  const wholeMs =
    Number(days) * DAY_MS + Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000;
  const ms = wholeMs + Math.floor(Number(`0.${fraction || '0'}`) * 1000);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** undefined where it is none. */
export function parseReset(value: string): OffsetReset | undefined {
  if (value === 'earliest' || value === 'latest') return { kind: value };
  if (!value.startsWith(BY_DURATION)) return undefined;
  const ageMs = durationMs(value.slice(BY_DURATION.length));
  return ageMs === undefined ? undefined : { kind: 'age', ageMs };
}

export const resetFault = (value: string): string | undefined =>
  parseReset(value) === undefined
    ? 'must be latest, earliest, or by_duration: with a duration of ISO 8601, such as by_duration:PT1H'
    : undefined;
