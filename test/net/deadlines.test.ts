import { describe, expect, it } from 'vitest';
import { createDeadlines } from '../../src/net/deadlines.ts';
import { createManualClock } from '../support/manual-clock.ts';

describe('deadlines', () => {
  it('end once, at their time or a tick later, unless they are cancelled', async () => {
    const clock = createManualClock();
    const deadlines = createDeadlines(clock);
    const ended: string[] = [];
    deadlines.after(100, () => ended.push('first'));
    const cancel = deadlines.after(100, () => ended.push('cancelled'));
    deadlines.after(300, () => ended.push('last'));
    cancel();
    await clock.advance(99);
    expect(ended).toEqual([]);
    await clock.advance(51);
    expect(ended).toEqual(['first']);
    await clock.advance(1000);
    expect(ended).toEqual(['first', 'last']);
  });

  it('leave a process that stood still a tick to read what was sent meanwhile', async () => {
    const clock = createManualClock();
    const deadlines = createDeadlines(clock);
    const ended: string[] = [];
    const cancel = deadlines.after(100, () => ended.push('who had sent all'));
    deadlines.after(100, () => ended.push('who was silent'));
    await clock.jump(60_000);
    expect(ended).toEqual([]);
    cancel();
    await clock.advance(50);
    expect(ended).toEqual(['who was silent']);
  });

  it('are not late for having had nothing to wait for', async () => {
    const clock = createManualClock();
    const deadlines = createDeadlines(clock);
    const ended: string[] = [];
    deadlines.after(50, () => ended.push('before'));
    await clock.advance(60_000);
    deadlines.after(50, () => ended.push('after'));
    await clock.advance(50);
    expect(ended).toEqual(['before', 'after']);
  });
});
