import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Page } from '../../src/admin/node-view.ts';
import { firstNames, MAX_PAGE_CHARACTERS, type Numbered, pageOf } from '../../src/node-view/pages.ts';

/** Turns all pages; `between` runs after each. */
async function all<V>(
  turn: (after: string | undefined) => Promise<Page<V>>,
  between: () => void = () => {},
): Promise<{ items: V[]; pages: number }> {
  const items: V[] = [];
  let pages = 0;
  let after: string | undefined;
  do {
    const page = await turn(after);
    items.push(...page.items);
    pages++;
    after = page.next;
    between();
  } while (after !== undefined);
  return { items, pages };
}

const source = (items: (string | undefined)[]): Numbered<string> => ({
  end: () => items.length,
  at: (number) => items[number],
});

describe('pages by number', () => {
  it('have each item once, whatever the size of the pages and whatever comes meanwhile', async () => {
    const items = fc.array(fc.option(fc.string({ maxLength: 3 }), { nil: undefined }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(items, items, fc.integer({ min: 1, max: 9 }), async (first, second, limit) => {
        const expected = [...first, ...second].filter((each) => each !== undefined);
        const sources = [source(first), source(second)];
        const turn = (after: string | undefined) =>
          pageOf(sources, after === undefined ? { limit } : { limit, after }, () => 1);
        const quiet = await all(turn);
        expect(quiet.items).toEqual(expected);
        expect(quiet.pages).toBe(Math.max(1, Math.ceil(expected.length / limit)));
        const seen = await all(turn, () => {
          if (second.length < 40) second.push('later');
        });
        expect(seen.items.filter((each) => each !== 'later')).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it('end early where names are long', async () => {
    const long = Array.from({ length: 10 }, (_, i) => `${i}`.padEnd(MAX_PAGE_CHARACTERS / 2, 'x'));
    const turn = (after: string | undefined) =>
      pageOf([source(long)], { limit: 100, ...(after && { after }) }, (each) => each.length);
    const { items, pages } = await all(turn);
    expect(items).toEqual(long);
    expect(pages).toBe(5);
  });

  it('let others work while a hundred thousand are looked through for one', async () => {
    const items: (string | undefined)[] = new Array(100_000).fill(undefined);
    items.push('found');
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    expect(await pageOf([source(items)], { limit: 5 }, () => 1)).toEqual({ items: ['found'] });
    isDone = true;
    expect(turns).toBeGreaterThan(100);
  });

  it.each(['', '0', '0.', '0.x', '1.2.3', '-1.0', '0.1e3'])('refuse the cursor %j', async (after) => {
    await expect(pageOf([source([])], { limit: 1, after }, () => 1)).rejects.toMatchObject({
      kind: 'invalid-cursor',
    });
  });
});

describe('the first names', () => {
  it('are those that sorting all of them would give', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ maxLength: 4 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.option(fc.string({ maxLength: 4 }), { nil: undefined }),
        async (names, limit, after) => {
          const sorted = names.filter((name) => after === undefined || name > after).sort();
          expect(await firstNames(names, limit, after)).toEqual(sorted.slice(0, limit));
        },
      ),
      { numRuns: 100 },
    );
  });
});
