/** Random lives of a tiered log beside the plain list of what was acknowledged in it: reads through it are the same. */
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTieredWal } from '../../../src/storage/tier/tiered-wal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import type { WalWriter } from '../../../src/storage/wal/wal-store.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createMemorySegments } from '../../support/memory-segments.ts';
import { createRandom } from '../../support/random.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';

const RUNS = Number(process.env.ROBUSTMQ_TIER_RUNS ?? 60);
const CACHE_BYTES = 2048;

interface Block {
  readonly position: number;
  readonly end: number;
  readonly isAnchor: boolean;
  readonly body: Buffer;
}

interface Epoch {
  readonly epoch: number;
  blocks: Block[];
}

async function live(seed: number, steps: number, localBytes: number): Promise<void> {
  const random = createRandom(seed);
  let disk = faultyDisk(seed);
  const store = createMemorySegments();
  const clock = createManualClock();
  const epochs: Epoch[] = [];
  let faultOneIn = 0;
  store.fault = () => {
    if (faultOneIn === 0 || !random.oneIn(faultOneIn)) return undefined;
    return random.oneIn(2) ? 'before' : 'after';
  };

  const open = () =>
    createTieredWal({
      wal: createFileWal({ disk, directory: '/wal' }),
      disk,
      directory: '/wal',
      segments: store,
      clock,
      localBytes,
      cacheBytes: CACHE_BYTES,
      concurrency: 1 + random.below(3),
    });
  let tiered = open();
  let writer: WalWriter | undefined;

  async function begin(): Promise<WalWriter> {
    for (const each of epochs) await tiered.seal('w', each.epoch);
    epochs.push({ epoch: epochs.length + 1, blocks: [] });
    writer = await tiered.open('w', epochs.length);
    return writer;
  }

  async function append(): Promise<void> {
    const to = writer ?? (await begin());
    const isAnchor = to.next === 0 || random.oneIn(4);
    const body = random.bytes(random.below(300));
    const position = await to.append([body], { level: 'sync', isAnchor });
    epochs.at(-1)?.blocks.push({ position, end: to.next, isAnchor, body });
  }

  /** Gives up one segment that has its successor. */
  async function remove(): Promise<void> {
    const { epoch, blocks } = random.pick(epochs);
    const anchors = blocks.filter(({ isAnchor }) => isAnchor).map(({ position }) => position);
    const index = random.below(Math.max(1, anchors.length));
    const [from, until] = [anchors[index], anchors[index + 1]];
    if (from === undefined || until === undefined) return;
    const state = epochs[epoch - 1];
    if (state !== undefined)
      state.blocks = blocks.filter((each) => each.position < from || each.position >= until);
    // A stretch that was given up before may lie between.
    await tiered.remove('w', epoch, from, until);
  }

  async function read(): Promise<void> {
    const { epoch, blocks } = random.pick(epochs);
    const index = random.below(Math.max(1, blocks.length));
    const first = blocks[index];
    if (first === undefined) return;
    let last = first;
    for (const each of blocks.slice(index + 1, index + 1 + random.below(5))) {
      if (each.position !== last.end) break;
      last = each;
    }
    const wanted = blocks.filter(({ position }) => position >= first.position && position <= last.position);
    const found = [];
    for (let at = first.position; at < last.end; at = found.at(-1)?.end ?? last.end) {
      const some = await tiered
        .read('w', epoch, at, last.end, 1 + random.below(1000))
        .catch((error: Error) => {
          // A store that fails may fail a read; it may never give a wrong one.
          if (faultOneIn > 0 && /was refused|was lost/.test(error.message)) return undefined;
          throw error;
        });
      if (some === undefined) return;
      found.push(...some);
    }
    expect(
      found.map(({ position, end, isAnchor, body }) => ({
        position,
        end,
        isAnchor,
        body: Buffer.from(body),
      })),
    ).toEqual(wanted);
    expect(tiered.state().cache.bytes).toBeLessThanOrEqual(CACHE_BYTES);
  }

  async function restart(): Promise<void> {
    disk = random.oneIn(2) ? disk.kill() : disk.crash();
    // What the dead process has under way at the store may still happen; it hears of nothing.
    const closing = tiered.close();
    await clock.advance(5_000);
    await closing;
    tiered = open();
    writer = undefined;
  }

  for (let step = 0; step < steps; step++) {
    const kind = random.below(20);
    if (epochs.length === 0 || kind < 11) await append();
    else if (kind < 15) await read();
    else if (kind < 16) await remove();
    else if (kind < 17) await restart();
    else if (kind < 18) faultOneIn = random.pick([0, 1, 3]);
    else await clock.advance(random.below(5_000));
    for (let turns = random.below(10); turns > 0; turns--) await turn();
  }
  faultOneIn = 0;
  const isQuiet = (): boolean =>
    tiered.state().waitingSegments === 0 && tiered.state().localBytes <= localBytes;
  await read();
  for (let second = 0; second < 200 && !isQuiet(); second++) await clock.advance(1000);
  expect(isQuiet()).toBe(true);
  for (let i = 0; i < 10; i++) await read();
  await tiered.close();
}

describe('a tiered log with a random life', () => {
  it('reads what was acknowledged and not given up, wherever it is', {
    timeout: 60_000 + RUNS * 1000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 20, max: 150 }), fc.constantFrom(0, 1500, 1e9), live),
      {
        numRuns: RUNS,
        // The last file here was not the last of its epoch: those behind it had gone before it.
        examples: [[1402491943, 93, 0]],
      },
    );
  });
});
