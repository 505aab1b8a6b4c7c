import { describe, expect, it } from 'vitest';
import { watchMemory, watermarkBytes } from '../../src/kernel/memory-watermark.ts';

describe('memory watermark', () => {
  it('tells once when memory is high and once when it is normal again, below a lower mark (item 27)', () => {
    const heard: string[] = [];
    let bytes = 50;
    let tick: () => void = () => undefined;
    let stopped = false;
    const watermark = watchMemory({
      clock: {
        monotonicMs: () => 0,
        wallMs: () => 0,
        every: (_intervalMs, callback) => {
          tick = callback;
          return () => {
            stopped = true;
          };
        },
      },
      residentBytes: () => bytes,
      highBytes: 100,
      onHigh: (at) => heard.push(`high ${at}`),
      onNormal: (at) => heard.push(`normal ${at}`),
    });
    for (const sample of [50, 100, 101, 150, 95, 91, 101, 90, 80, 100, 101]) {
      bytes = sample;
      tick();
    }
    expect(heard).toEqual(['high 101', 'normal 90', 'high 101']);
    expect(watermark.isHigh()).toBe(true);
    watermark.stop();
    expect(stopped).toBe(true);
  });

  it('takes the configured limit, else 80 % of what the container or the machine has', () => {
    expect(watermarkBytes(123, { constrainedBytes: 10, totalBytes: 10 })).toBe(123);
    expect(watermarkBytes(0, { constrainedBytes: 1000, totalBytes: 5000 })).toBe(800);
    expect(watermarkBytes(0, { constrainedBytes: 0, totalBytes: 5000 })).toBe(4000);
    expect(watermarkBytes(0, { constrainedBytes: undefined, totalBytes: 5000 })).toBe(4000);
    expect(watermarkBytes(0, { constrainedBytes: 2 ** 63, totalBytes: 5000 })).toBe(4000);
  });
});
