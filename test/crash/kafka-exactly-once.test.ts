/**
 * Exactly once, under fire: groups of both protocols read, process and write in transactions of both versions while their members come,
 * go, are too slow or vanish, and the broker is killed. ROBUSTMQ_CRASH_ROUNDS is the number of kills of a run, ROBUSTMQ_CRASH_RUNS that
 * of runs, ROBUSTMQ_CRASH_SEED repeats one, ROBUSTMQ_CRASH_SET adds settings (`a=b,c=d`). The data directory of a run that failed stays.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { compile } from './broker-process.ts';
import { run } from './kafka/scenario.ts';

const isLong = process.env.ROBUSTMQ_CRASH_ROUNDS !== undefined;
const KILLS = Number(process.env.ROBUSTMQ_CRASH_ROUNDS ?? 1);
const RUNS = Number(process.env.ROBUSTMQ_CRASH_RUNS ?? 1);
const FIRST_SEED = Number(process.env.ROBUSTMQ_CRASH_SEED ?? (isLong ? Date.now() % 1_000_000 : 1));
const SETTINGS = (process.env.ROBUSTMQ_CRASH_SET ?? '').split(',').filter((set) => set !== '');

beforeAll(compile, 120_000);

test.each(Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i))(
  `groups process exactly once over ${KILLS} kills, seed %i`,
  { timeout: 180_000 + KILLS * 20_000 },
  async (seed) => {
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-exactly-once-'));
    const ledger = await run({
      seed,
      kills: KILLS,
      folder,
      settings: SETTINGS,
      groups: isLong
        ? { old: 'classic', new: 'consumer', both: 'either' }
        : { old: 'classic', both: 'either' },
      slots: isLong ? 3 : 2,
      say: (line) => {
        if (isLong) process.stderr.write(`${line}\n`);
      },
    });
    expect(ledger.violations.slice(0, 20), `seed ${seed}, data in ${folder}`).toEqual([]);
    expect(ledger.transactions).toBeGreaterThan(KILLS);
    rmSync(folder, { recursive: true });
  },
);
