import { describe, expect, it } from 'vitest';
import { openFleet } from '../../src/load/fleet.ts';

describe('opening many connections', () => {
  it('has a bounded number of them under way, and ends when all have settled', async () => {
    let underWay = 0;
    let most = 0;
    const opened: number[] = [];
    await openFleet({
      count: 50,
      atOnce: 4,
      rate: 0,
      now: () => performance.now(),
      isStopped: () => false,
      open(index, _dueMs, settled) {
        opened.push(index);
        most = Math.max(most, ++underWay);
        setImmediate(() => {
          underWay--;
          settled();
        });
      },
    });
    expect(opened).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(most).toBe(4);
  });

  it('begins them when they are due, and tells those that had to wait when that was', async () => {
    let nowMs = 5000;
    const dues: number[] = [];
    await openFleet({
      count: 6,
      atOnce: 2,
      rate: 100,
      // Each look at the clock takes four milliseconds.
      now: () => (nowMs += 4),
      isStopped: () => false,
      open(_index, dueMs, settled) {
        expect(dueMs).toBeLessThanOrEqual(nowMs);
        dues.push(dueMs);
        setImmediate(settled);
      },
    });
    const [first = 0] = dues;
    expect(dues.map((dueMs) => dueMs - first)).toEqual([0, 10, 20, 30, 40, 50]);
  });

  it('begins none after a stop', async () => {
    let begun = 0;
    await openFleet({
      count: 100,
      atOnce: 3,
      rate: 0,
      now: () => performance.now(),
      isStopped: () => begun >= 3,
      open: () => void begun++,
    });
    expect(begun).toBe(3);
  });
});
