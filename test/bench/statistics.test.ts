import { describe, expect, it } from 'vitest';
import { cpuTicksOfStat, residentBytesOfStatus } from '../../bench/process-stats.ts';
import { median, spread } from '../../bench/statistics.ts';

describe('figures of repeats', () => {
  it('takes the median, which one disturbed run cannot move', () => {
    expect(median([5, 1, 1000])).toBe(5);
    expect(median([4, 2])).toBe(3);
    expect(median([])).toBeNaN();
    expect(spread([90, 100, 120])).toBeCloseTo(0.15);
    expect(spread([7])).toBe(0);
  });
});

describe('what /proc says of a process', () => {
  it('finds user and system time behind any command name', () => {
    const line = '42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 1 2';
    expect(cpuTicksOfStat(line)).toBe(300);
  });

  it('reads resident memory, and knows when it is not told', () => {
    expect(residentBytesOfStatus('Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n')).toBe(2048 * 1024);
    expect(residentBytesOfStatus('Name:\tx\n')).toBeNaN();
  });
});
