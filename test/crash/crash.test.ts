/**
 * The broker is killed, again and again, under traffic whose every message is in a ledger: nothing acknowledged is
 * lost, nothing of QoS 2 comes twice, nothing settled comes back. `npm run test:crash` is the long form:
 * ROBUSTMQ_CRASH_ROUNDS is the number of rounds of a run, ROBUSTMQ_CRASH_RUNS that of runs (each with a seed of its
 * own), ROBUSTMQ_CRASH_SEED repeats one that failed, ROBUSTMQ_CRASH_SET adds settings (`a=b,c=d`), ROBUSTMQ_CRASH_STREAMS=off leaves
 * the stream unread, ROBUSTMQ_CRASH_SHOWN is how many violations are listed. The data directory of
 * a run that failed stays.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { seedOfRun } from '../support/random.ts';
import { waitAtLeast } from '../support/raw-client.ts';
import { compile } from './broker-process.ts';
import { run } from './scenario.ts';

const isLong = process.env.ROBUSTMQ_CRASH_ROUNDS !== undefined;
const ROUNDS = Number(process.env.ROBUSTMQ_CRASH_ROUNDS ?? 2);
const RUNS = Number(process.env.ROBUSTMQ_CRASH_RUNS ?? 1);
const SETTINGS = (process.env.ROBUSTMQ_CRASH_SET ?? '').split(',').filter((set) => set !== '');
const FIRST_SEED = Number(process.env.ROBUSTMQ_CRASH_SEED ?? seedOfRun(isLong ? Date.now() % 1_000_000 : 1));
const MAX_SHOWN = Number(process.env.ROBUSTMQ_CRASH_SHOWN ?? 40);

waitAtLeast(30_000);
beforeAll(compile);

async function check(seed: number, rounds: number, kills: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-crash-'));
  const say = (line: string): void => {
    if (isLong) process.stderr.write(`${line}\n`);
  };
  const audit = process.env.ROBUSTMQ_CRASH_STREAMS !== 'off';
  const result = await run({ seed, rounds, folder, kills, settings: SETTINGS, audit, say });
  const { violations, messages, deliveries, slowestStartMs } = result;
  say(
    `${messages} messages, ${deliveries} deliveries, ${result.kills} kills, starts below ${Math.ceil(slowestStartMs)} ms`,
  );
  const kinds = [...new Set(violations.map(({ kind }) => kind))];
  const summary = kinds.map((kind) => `${violations.filter((each) => each.kind === kind).length} ${kind}`);
  const shown = violations.slice(0, MAX_SHOWN).map(({ kind, what }) => `${kind}: ${what}`);
  expect(shown, `seed ${seed}, data in ${folder}: ${summary.join(', ')}`).toEqual([]);
  expect(messages).toBeGreaterThan(rounds * 10);
  expect(result.kills).toBeGreaterThanOrEqual(kills ? rounds : 0);
  rmSync(folder, { recursive: true });
}

test.runIf(isLong)(
  'clients that lose connections, and a broker that stands still, keep all promises',
  { timeout: 120_000 },
  () => check(FIRST_SEED, 2, false),
);

test.each(Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i))(
  `${ROUNDS} kills, seed %i (item 51)`,
  { timeout: 120_000 + ROUNDS * 20_000 },
  (seed) => check(seed, ROUNDS, true),
);
