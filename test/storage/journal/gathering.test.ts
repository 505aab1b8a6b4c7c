import { describe, expect, it } from 'vitest';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { createGathering } from '../../../src/storage/journal/gathering.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';

const KIB = 1024;

function gatheringAt(utilization: number) {
  const clock = createManualClock();
  const load = { utilization };
  const gathering = createGathering({ clock, utilization: () => load.utilization });
  let gone = 0;
  const holds = (bytes = 100): boolean => gathering.holds(bytes, () => gone++);
  return { clock, load, gathering, holds, gone: () => gone };
}

describe('gathering', () => {
  it('holds nothing in a process that has time', async () => {
    const { clock, gathering, holds } = gatheringAt(0.9);
    await clock.advance(20);
    for (let i = 0; i < 3; i++) {
      expect(holds()).toBe(false);
      gathering.begun();
    }
  });

  it('has groups begin a millisecond apart while the process is busy, and says when it is time, once', async () => {
    const { clock, gathering, holds, gone } = gatheringAt(0.99);
    await clock.advance(20);
    expect(holds()).toBe(false);
    gathering.begun();
    expect([holds(), holds()]).toEqual([true, true]);
    await clock.advance(1);
    expect([gone(), holds()]).toEqual([1, false]);
    gathering.begun();
    await clock.advance(5);
    expect([gone(), holds()]).toEqual([1, false]);
  });

  it('holds no group that is large enough', async () => {
    const { clock, gathering, holds } = gatheringAt(1);
    await clock.advance(20);
    holds();
    gathering.begun();
    expect([holds(255 * KIB), holds(256 * KIB)]).toEqual([true, false]);
  });

  it('ends when the process has time again, not at the first moment of it', async () => {
    const { clock, load, gathering, holds } = gatheringAt(1);
    await clock.advance(20);
    holds();
    for (const [utilization, isHeld] of [
      [0.9, true],
      [0.81, true],
      [0.79, false],
      [0.9, false],
      [0.96, true],
    ] as const) {
      load.utilization = utilization;
      await clock.advance(20);
      holds();
      gathering.begun();
      expect(holds()).toBe(isHeld);
    }
  });

  it('makes one group of what a busy process appends in several turns, and holds nothing up at close', async () => {
    const clock = createManualClock();
    const wal = createSealedWal({ objects: createMemoryObjects(), check: frameCheck });
    const gathering = createGathering({ clock, utilization: () => 1 });
    const journal = await openJournal({ wal, walId: 'w', gathering });
    await clock.advance(20);
    const entry = { logId: 9, stripe: 0, payload: Buffer.from('x') };
    await journal.append([entry], 'sync');
    const more: Promise<number[]>[] = [];
    for (let i = 0; i < 3; i++) {
      more.push(journal.append([entry], 'sync'));
      await new Promise(setImmediate);
    }
    expect(journal.state().pendingBytes).toBeGreaterThan(0);
    await clock.advance(1);
    const positions = (await Promise.all(more)).flat();
    // Side by side: no header of a block between them.
    expect(new Set(positions.slice(1).map((at, i) => at - (positions[i] ?? 0))).size).toBe(1);
    const last = journal.append([entry], 'sync');
    await new Promise(setImmediate);
    await Promise.all([last, journal.close()]);
  });
});
