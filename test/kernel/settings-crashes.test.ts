/** Settings over losses of power: what was acknowledged is there, all of a change or nothing, with views and without. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSettings, type Edit, type Settings } from '../../src/kernel/settings-table.ts';
import { openStateLog } from '../../src/kernel/state/open.ts';
import type { OpenStateLog } from '../../src/kernel/state/state-log.ts';
import { type FaultyDisk, faultyDisk } from '../storage/disk/faulty-disk.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { createRandom } from '../support/random.ts';
import { type CrashingKv, crashingKv } from './state/crashing-kv.ts';
import { journalOn, removeDead } from './state/support.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];

interface Opened {
  readonly log: OpenStateLog;
  readonly settings: Settings;
  readonly clean: () => Promise<number>;
}

async function open(disk: FaultyDisk, kv: CrashingKv | undefined): Promise<Opened> {
  const journal = await journalOn(disk, { limits: { segmentBytes: 4096 } });
  const settings = createSettings(11, 'settings');
  const log = await openStateLog({
    journal,
    ...(kv === undefined ? {} : { kv }),
    tables: [settings.table],
    clock: createManualClock(),
    limits: { pageBytesPerSecond: Number.POSITIVE_INFINITY },
    logger: { info: () => {}, warn: () => {}, error: () => {} },
  });
  settings.attach(log);
  return { log, settings, clean: () => removeDead(journal, log) };
}

type Contents = ReadonlyMap<string, number>;

function contentsOf(settings: Settings): Contents {
  return new Map(
    [1, 2].flatMap((kind) =>
      Array.from(settings.list(kind), ([name, value]) => [`${kind} ${name}`, value[0] ?? -1]),
    ),
  );
}

function changed(before: Contents, edits: readonly Edit[]): Contents {
  const next = new Map(before);
  for (const { kind, name, value } of edits) {
    if (value === undefined) next.delete(`${kind} ${name}`);
    else next.set(`${kind} ${name}`, value[0] ?? -1);
  }
  return next;
}

const editArb: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom(1, 2),
  name: fc.constantFrom(...NAMES),
  value: fc.option(
    fc.integer({ min: 0, max: 255 }).map((n) => Uint8Array.of(n)),
    { nil: undefined, freq: 3 },
  ),
});

type Step = { readonly edits: readonly Edit[] } | 'checkpoint' | 'snapshot' | 'crash' | 'lose views';
const stepArb: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.array(editArb, { minLength: 1, maxLength: 5 }).map((edits) => ({ edits })) },
  { weight: 2, arbitrary: fc.constantFrom<Step>('checkpoint', 'snapshot', 'crash', 'lose views') },
);

describe('settings over losses of power', () => {
  it('are those that were acknowledged, and at most the one change more that was under way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArb, { maxLength: 40 }), fc.integer(), async (steps, seed) => {
        const random = createRandom(seed);
        let disk = faultyDisk(seed);
        let kv: CrashingKv | undefined = crashingKv(random);
        let opened = await open(disk, kv);
        let acknowledged: Contents = new Map();
        for (const step of steps) {
          if (typeof step === 'object') {
            expect(await opened.settings.change(() => step.edits)).toBe('changed');
            acknowledged = changed(acknowledged, step.edits);
            expect(contentsOf(opened.settings)).toEqual(acknowledged);
          } else if (step === 'checkpoint') await opened.log.checkpoint();
          else if (step === 'snapshot') {
            await opened.log.snapshot();
            await opened.clean();
          } else {
            const edits: Edit[] = [
              { kind: 1, name: 'a', value: Uint8Array.of(random.below(256)) },
              { kind: 2, name: 'b', value: undefined },
            ];
            void opened.settings.change(() => edits).catch(() => {});
            for (let turns = random.below(4); turns > 0; turns--) await new Promise(setImmediate);
            disk = disk.crash();
            kv = step === 'lose views' ? crashingKv(random) : kv?.crash();
            opened = await open(disk, kv);
            const found = contentsOf(opened.settings);
            const isOne = [acknowledged, changed(acknowledged, edits)].some((each) => isSame(each, found));
            expect(isOne).toBe(true);
            acknowledged = found;
          }
        }
        await opened.log.close();
      }),
      { numRuns: Number(process.env.ROBUSTMQ_SETTINGS_RUNS ?? 40) },
    );
  });
});

function isSame(a: Contents, b: Contents): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
