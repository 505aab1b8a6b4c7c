import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSettings, type Edit, type Settings } from '../../src/kernel/settings-table.ts';
import { ChangeRefused } from '../../src/kernel/state/errors.ts';
import type { Done, StateLog } from '../../src/kernel/state/state-log.ts';

const ID = 11;
const PLACE = { position: 0, offset: 0 };

/** Commits when it is told to. */
class Commits {
  readonly entries: Uint8Array[] = [];
  waiting: Done[] = [];
  readonly log = {
    add: (_table: number, entry: Uint8Array) => this.entries.push(Uint8Array.from(entry)),
    commit: (_level: string, done: Done) => this.waiting.push(done),
  } as unknown as StateLog;

  settle(error?: Error): void {
    const done = this.waiting;
    this.waiting = [];
    for (const each of done) each(error, error === undefined ? 0 : -1);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const value = (n: number): Uint8Array => Uint8Array.of(n);

function contents(settings: Settings): Record<string, number[]> {
  const all: Record<string, number[]> = {};
  for (const kind of [1, 2])
    for (const [name, bytes] of settings.list(kind)) all[`${kind}/${name}`] = [...bytes];
  return all;
}

const editArb: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom(1, 2),
  name: fc.constantFrom('a', 'b', 'c', 'ключ', ''),
  value: fc.option(fc.uint8Array({ maxLength: 4 }), { nil: undefined }),
});

describe('settings', () => {
  it('are in force when they are durable, and rebuilt by entries and by pages', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(editArb, { maxLength: 4 }), { maxLength: 20 }), async (changes) => {
        const commits = new Commits();
        const settings = createSettings(ID, 'settings');
        settings.attach(commits.log);
        const model = new Map<string, number[]>();
        for (const edits of changes) {
          const before = contents(settings);
          const changed = settings.change(() => edits);
          await turn();
          expect(contents(settings)).toEqual(before);
          commits.settle();
          expect(await changed).toBe('changed');
          for (const each of edits) {
            if (each.value === undefined) model.delete(`${each.kind}/${each.name}`);
            else model.set(`${each.kind}/${each.name}`, [...each.value]);
          }
          expect(contents(settings)).toEqual(Object.fromEntries(model));
        }
        expect(settings.count).toBe(model.size);

        const replayed = createSettings(ID, 'settings');
        for (const entry of [...commits.entries, ...commits.entries]) replayed.table.apply(entry, PLACE);
        const paged = createSettings(ID, 'settings');
        for (const key of settings.table.pageKeys()) {
          paged.table.load(key, settings.table.page(key) ?? new Uint8Array(0), 0);
        }
        for (const rebuilt of [replayed, paged]) {
          expect(contents(rebuilt)).toEqual(Object.fromEntries(model));
          for (const key of settings.table.pageKeys()) {
            expect(rebuilt.table.page(key)).toEqual(settings.table.page(key));
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('change one after the other, each on top of the one before', async () => {
    const commits = new Commits();
    const settings = createSettings(ID, 'settings');
    settings.attach(commits.log);
    const add = () => [{ kind: 1, name: 'n', value: value((settings.get(1, 'n')?.[0] ?? 0) + 1) }];
    const all = Promise.all([settings.change(add), settings.change(add), settings.change(add)]);
    for (let i = 0; i < 6; i++) {
      await turn();
      commits.settle();
    }
    expect(await all).toEqual(['changed', 'changed', 'changed']);
    expect(settings.get(1, 'n')).toEqual(value(3));
  });

  it('are refused above their bounds, and removed at any time', async () => {
    const commits = new Commits();
    const settings = createSettings(ID, 'settings', { maxSettings: 2, maxBytes: 1000, maxChangeBytes: 500 });
    settings.attach(commits.log);
    const change = async (...edits: Edit[]) => {
      const outcome = settings.change(() => edits);
      await turn();
      commits.settle();
      return outcome;
    };
    expect(await change({ kind: 1, name: 'a', value: value(1) })).toBe('changed');
    expect(await change({ kind: 1, name: 'b', value: value(1) })).toBe('changed');
    expect(await change({ kind: 1, name: 'c', value: value(1) })).toBe('full');
    expect(await change({ kind: 1, name: 'b', value: new Uint8Array(600) })).toBe('full');
    expect(await change({ kind: 1, name: 'b', value: value(2) })).toBe('changed');
    expect(
      await change({ kind: 1, name: 'a', value: undefined }, { kind: 1, name: 'c', value: value(1) }),
    ).toBe('changed');
    expect(settings.count).toBe(2);
  });

  it('stay as they were when the journal refuses, and later changes go on', async () => {
    const commits = new Commits();
    const settings = createSettings(ID, 'settings');
    settings.attach(commits.log);
    const refused = settings.change(() => [{ kind: 1, name: 'a', value: value(1) }]);
    await turn();
    commits.settle(new ChangeRefused('full', 'no room'));
    expect(await refused).toBe('failed');
    const broken = settings.change(() => [{ kind: 1, name: 'a', value: value(1) }]);
    await turn();
    commits.settle(new Error('disk'));
    await expect(broken).rejects.toThrow('disk');
    expect(settings.count).toBe(0);
    const next = settings.change(() => [{ kind: 1, name: 'a', value: value(2) }]);
    await turn();
    commits.settle();
    expect(await next).toBe('changed');
  });

  it('tell who watches their kind, at the start and later', async () => {
    const commits = new Commits();
    const source = createSettings(ID, 'settings');
    source.attach(commits.log);
    const made = source.change(() => [
      { kind: 1, name: 'a', value: value(1) },
      { kind: 2, name: 'b', value: value(2) },
    ]);
    await turn();
    commits.settle();
    await made;

    const settings = createSettings(ID, 'settings');
    const seen: string[] = [];
    settings.watch(1, (name, bytes) => seen.push(`${name}=${bytes?.join() ?? 'gone'}`));
    for (const entry of commits.entries) settings.table.apply(entry, PLACE);
    settings.table.recovered?.();
    settings.attach(commits.log);
    const removed = settings.change(() => [{ kind: 1, name: 'a', value: undefined }]);
    await turn();
    commits.settle();
    await removed;
    expect(seen).toEqual(['a=1', 'a=gone']);
  });

  it('refuse bytes that are damaged or of a later version', () => {
    const { table } = createSettings(ID, 'settings');
    expect(() => table.apply(Uint8Array.of(9), PLACE)).toThrow('version 9');
    expect(() => table.apply(Uint8Array.of(1, 1, 1), PLACE)).toThrow('damaged');
    expect(() => table.load(Uint8Array.of(0), Uint8Array.of(1, 200), 0)).toThrow('damaged');
  });
});
