import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatDurationMs,
  formatSizeBytes,
  parseDurationMs,
  parseSizeBytes,
} from '../../src/config/units.ts';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
  ])('reads %s', (text, ms) => expect(parseDurationMs(text)).toBe(ms));

  it.each(['', '30', '30 s', 's', '-1s', '1.5ms', '1e3s', '30S', '1s ', '99999999999999999d', '1.s'])(
    'refuses %j',
    (text) => expect(parseDurationMs(text)).toBeUndefined(),
  );

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 45 }), (ms) => parseDurationMs(formatDurationMs(ms)) === ms),
    );
  });
});

describe('sizes', () => {
  it.each([
    ['512B', 512],
    ['64KB', 64_000],
    ['64kb', 64_000],
    ['10MiB', 10_485_760],
    ['10 MiB', 10_485_760],
    ['1.5GiB', 1_610_612_736],
    ['1.1KB', 1100],
  ])('reads %s', (text, bytes) => expect(parseSizeBytes(text)).toBe(bytes));

  // `10M` may mean either; guessing would be wrong for someone.
  it.each(['', '10', '10M', '10K', 'MiB', '-1B', '1.5B', '1e3B', '99999999TiB'])('refuses %j', (text) =>
    expect(parseSizeBytes(text)).toBeUndefined(),
  );

  it('reads what it writes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 45 }),
        (bytes) => parseSizeBytes(formatSizeBytes(bytes)) === bytes,
      ),
    );
  });
});
