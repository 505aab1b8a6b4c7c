import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Block, createSortedMap } from '../../../src/storage/kv/sorted-map.ts';

const flat = (blocks: readonly Block<number>[]): [string, number][] =>
  blocks.flatMap(({ keys, values }) =>
    keys.map((key, at): [string, number] => [key, values[at] ?? Number.NaN]),
  );
const sorted = (model: ReadonlyMap<string, number>): [string, number][] =>
  [...model].sort(([a], [b]) => (a < b ? -1 : 1));

describe('the sorted map', () => {
  it('agrees with a map, and its views stay as they were', () => {
    const key = fc.nat(3_000).map((each) => each.toString(36).padStart(3, '0'));
    const command = fc.oneof(
      { weight: 20, arbitrary: fc.tuple(fc.constant('set' as const), key, fc.nat()) },
      { weight: 8, arbitrary: fc.tuple(fc.constant('delete' as const), key, fc.constant(0)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('range' as const), key, fc.nat(200)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('view' as const), key, fc.constant(0)) },
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 300 }), fc.nat(1_500), (commands, loaded) => {
        const map = createSortedMap<number>();
        const model = new Map<string, number>();
        const views: [readonly Block<number>[], [string, number][]][] = [];
        for (let index = 0; index < loaded; index++) {
          const each = ((index * 7) % 3_000).toString(36).padStart(3, '0');
          map.set(each, index);
          model.set(each, index);
        }
        for (const [what, at, value] of commands) {
          if (what === 'set') {
            expect(map.set(at, value)).toBe(model.get(at));
            model.set(at, value);
          } else if (what === 'delete') {
            expect(map.delete(at)).toBe(model.get(at));
            model.delete(at);
          } else if (what === 'range') {
            const end = (Number.parseInt(at, 36) + value).toString(36).padStart(3, '0');
            const gone = new Map<string, number>();
            map.deleteRange(at, end, (each, held) => gone.set(each, held));
            expect([...gone]).toEqual(sorted(model).filter(([each]) => each >= at && each < end));
            for (const each of gone.keys()) model.delete(each);
          } else views.push([map.view(), sorted(model)]);
          expect(map.get(at)).toBe(model.get(at));
          expect(map.size).toBe(model.size);
        }
        expect(flat(map.view())).toEqual(sorted(model));
        for (const [view, then] of views) expect(flat(view)).toEqual(then);
        for (const { keys } of map.view()) expect(keys.length).toSatisfy((n: number) => n >= 1 && n <= 256);
      }),
      { numRuns: 100 },
    );
  });

  it('fills its blocks when keys arrive in order', () => {
    const map = createSortedMap<number>();
    for (let index = 0; index < 10_000; index++) map.set(`${index}`.padStart(6, '0'), index);
    expect(map.view().length).toBeLessThanOrEqual(Math.ceil(10_000 / 256) + 1);
  });
});
