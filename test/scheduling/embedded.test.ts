import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openEmbeddedMetaStore } from '../../src/scheduling/embedded.ts';
import { type MetaLog, openMetaLog } from '../../src/scheduling/meta-log.ts';
import { Compacted, type MetaOp, type MetaStore } from '../../src/scheduling/meta-store.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { describeEvents, metaStoreConformance } from './conformance.ts';

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'robustmq-meta-'));

metaStoreConformance('embedded', async () => {
  const folder = await newFolder();
  const clock = createManualClock();
  let store = await openEmbeddedMetaStore({ folder, clock });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openEmbeddedMetaStore({ folder, clock });
      return store;
    },
    advance: (ms) => clock.advance(ms),
    changesKept: 10_000,
    async stop() {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
});

/** Runs `work` on a store that can be opened again; small logs, so that snapshots are made often. */
async function withStore(
  work: (open: () => Promise<MetaStore>, folder: string) => Promise<void>,
  snapshotAfterBytes = 600,
): Promise<void> {
  const folder = await newFolder();
  const clock = createManualClock();
  try {
    await work(() => openEmbeddedMetaStore({ folder, clock, snapshotAfterBytes }), folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** 2 is the revision of the first change; what is known from earlier starts ends with the last snapshot. */
async function firstWatchable(store: MetaStore): Promise<bigint> {
  const watch = store.watch('', 2n);
  const asked = await Promise.race([watch.next(), store.get('/')]).catch((error: unknown) => error);
  await watch.return?.();
  return asked instanceof Compacted ? asked.firstRevision : 2n;
}

const put = (key: string, value: string): MetaOp => ({ op: 'put', key, value });

describe('the embedded metadata store', () => {
  it('does what a map with counters does, over any number of starts', async () => {
    const key = fc.constantFrom('/a', '/b', '/c/1', '/c/2');
    const op = fc.record({
      key,
      value: fc.option(fc.string({ maxLength: 5, unit: 'grapheme' }), { nil: undefined }),
    });
    const command = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          guard: fc.option(fc.record({ key, version: fc.bigInt(0n, 3n) }), { nil: undefined }),
          ops: fc.uniqueArray(op, { selector: (each) => each.key, maxLength: 4 }),
        }),
      },
      { weight: 1, arbitrary: fc.constant('reopen' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 25 }), (commands) =>
        withStore(async (open) => {
          let store = await open();
          const model = new Map<string, { value: string; create: bigint; mod: bigint; version: bigint }>();
          const changes: string[][] = [];
          let revision = 1n;
          for (const each of commands) {
            if (each === 'reopen') {
              await store.close();
              store = await open();
              continue;
            }
            const { guard, ops } = each;
            const isMet = guard === undefined || (model.get(guard.key)?.version ?? 0n) === guard.version;
            const made = isMet
              ? ops.filter(({ key: at, value }) => value !== undefined || model.has(at))
              : [];
            if (made.length > 0) {
              revision++;
              changes.push(
                made.map(({ key: at, value }) => (value === undefined ? `-${at}` : `${at}=${value}`)),
              );
            }
            for (const { key: at, value } of made) {
              const before = model.get(at);
              if (value === undefined) model.delete(at);
              else {
                const version = (before?.version ?? 0n) + 1n;
                model.set(at, { value, create: before?.create ?? revision, mod: revision, version });
              }
            }
            const result = await store.txn(
              guard === undefined
                ? []
                : [{ key: guard.key, target: 'version', is: '=', value: guard.version }],
              ops.map(({ key: at, value }) =>
                value === undefined ? { op: 'delete', key: at } : put(at, value),
              ),
            );
            expect(result).toEqual({ succeeded: isMet, revision, found: [] });
          }
          const { entries } = await store.range('');
          expect(
            entries.map(({ key: at, value, createRevision, modRevision, version }) => [
              at,
              { value, create: createRevision, mod: modRevision, version },
            ]),
          ).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
          const first = await firstWatchable(store);
          const watch = store.watch('', first);
          for (const change of changes.slice(Number(first) - 2)) {
            expect(describeEvents((await watch.next()).value)).toEqual(change);
          }
          await store.close();
          expect(await watch.next()).toMatchObject({ done: true });
        }),
      ),
      { numRuns: 40 },
    );
  });

  it('loses nothing but the torn end of its log, wherever it is cut off, and refuses damage before the end', () =>
    withStore(async (open, folder) => {
      const first = await open();
      for (let index = 0; index < 6; index++)
        await first.txn([], [put('/n', `${index}`), put(`/k/${index}`, '')]);
      await first.close();
      const path = join(folder, 'log.0');
      const whole = await readFile(path);
      const seen = new Set<string>();
      for (let length = 12; length <= whole.length; length += 11) {
        await writeFile(path, whole.subarray(0, length));
        const store = await open();
        const { entries } = await store.range('/k/');
        const last = (await store.get('/n'))?.value;
        expect(last).toBe(entries.length === 0 ? undefined : `${entries.length - 1}`);
        seen.add(`${last}`);
        await store.txn([], [put('/after', 'cut')]);
        await store.close();
        const again = await open();
        expect((await again.get('/after'))?.value).toBe('cut');
        expect(String(await readFile(path)).endsWith('"cut"]]}]')).toBe(true);
        expect((await again.range('/k/')).entries).toEqual(entries);
        await again.close();
      }
      expect(seen.size).toBeGreaterThanOrEqual(6);
      for (const at of [13, 17, 21, 30, Math.floor(whole.length / 2)]) {
        const damaged = Buffer.from(whole);
        damaged[at] = (damaged[at] ?? 0) ^ 4;
        await writeFile(path, damaged);
        await expect(open()).rejects.toThrow(/log\.0 is damaged at byte \d+, with good frames behind it/);
      }
    }, 1 << 20));

  it('replaces its log by a snapshot, watches from behind it, and refuses one that is damaged or unknown', () =>
    withStore(async (open, folder) => {
      const first = await open();
      for (let index = 0; index < 60; index++) await first.txn([], [put('/n', `${index}`)]);
      const { revision } = await first.range('');
      await first.close();
      const [log = ''] = (await readdir(folder)).filter((name) => name.startsWith('log.'));
      expect(Number(log.slice(4))).toBeGreaterThan(3);
      const store = await open();
      expect((await store.get('/n'))?.value).toBe('59');
      await expect(store.watch('/n', 2n).next()).rejects.toThrow(Compacted);
      const watch = store.watch('/n', revision + 1n);
      await store.txn([], [put('/n', 'next')]);
      expect(describeEvents((await watch.next()).value)).toEqual(['/n=next']);
      await store.close();
      const path = join(folder, 'snapshot');
      const whole = await readFile(path);
      for (const at of [0, 13, 17, 21, whole.length - 1]) {
        const damaged = Buffer.from(whole);
        damaged[at] = (damaged[at] ?? 0) ^ 4;
        await writeFile(path, damaged);
        await expect(open()).rejects.toThrow(/snapshot (?:is damaged|does not start as one)/);
      }
      const unknown = Buffer.from(whole);
      unknown.writeUInt32LE(2, 8);
      await writeFile(path, unknown);
      await expect(open()).rejects.toThrow(/has format 2; this version reads format 1 only/);
      await writeFile(path, whole);
      await rm(join(folder, log));
      await expect(open()).rejects.toThrow(/is missing/);
    }));

  it('writes what waits together, and shows nobody what is not durable', () =>
    withStore(async (open, folder) => {
      const store = await open();
      const watch = store.watch('/', 2n);
      const all = Array.from({ length: 200 }, (_, index) => store.txn([], [put('/n', `${index}`)]));
      const { value } = await watch.next();
      expect(describeEvents(value)).toEqual(['/n=0']);
      expect(String(await readFile(join(folder, 'log.0')))).toContain('"199"');
      expect((await Promise.all(all)).map(({ revision }) => revision)).toEqual(
        all.map((_, index) => BigInt(index + 2)),
      );
      const frames = String(await readFile(join(folder, 'log.0'))).split('mtfr').length - 1;
      expect(frames).toBe(1);
      await store.close();
    }, 1 << 20));

  it('takes no more after a failed write, shows nothing of it, and has what was confirmed at the next start', async () => {
    const folder = await newFolder();
    const clock = createManualClock();
    let isDiskBroken = false;
    const openLog = async (at: string): Promise<MetaLog> => {
      const log = await openMetaLog(at);
      const append = (group: unknown) =>
        isDiskBroken ? Promise.reject(new Error('EIO')) : log.append(group);
      return {
        ...log,
        get logBytes() {
          return log.logBytes;
        },
        append,
      };
    };
    const store = await openEmbeddedMetaStore({ folder, clock, openLog });
    const lease = await store.lease(5_000);
    await store.txn([], [put('/a', 'confirmed')]);
    const watch = store.watch('/', 3n).next();
    isDiskBroken = true;
    const waiting = [store.txn([], [put('/a', 'lost')]), store.get('/a'), store.range('/')];
    for (const each of waiting) await expect(each).rejects.toThrow(/cannot be written and takes no more/);
    await expect(watch).rejects.toThrow(/takes no more/);
    isDiskBroken = false;
    await expect(store.txn([], [put('/a', 'later')])).rejects.toThrow(/takes no more/);
    await expect(lease.keepAlive()).rejects.toThrow(/takes no more/);
    await store.close();
    await lease.lost;
    const again = await openEmbeddedMetaStore({ folder, clock });
    expect((await again.get('/a'))?.value).toBe('confirmed');
    await again.close();
    await rm(folder, { recursive: true });
  });
});
