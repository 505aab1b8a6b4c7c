/** Tables on a screen: as wide as it is, and whole where it is none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitted, printList } from '../../src/cli/admin-output.ts';
import { testIo } from './support.ts';

async function printed(items: readonly object[], columns: readonly string[], width?: number) {
  const io = testIo();
  if (width !== undefined) Object.assign(io.out, { isTTY: true, columns: width });
  await printList(items, columns, 'table', io);
  return { lines: io.outText().trimEnd().split('\n'), err: io.errText() };
}

const item = { name: 'n'.repeat(30), reason: 'r'.repeat(50), bytes: 7, kind: 'client' };
const columns = ['name', 'reason', 'bytes', 'kind'];

describe('a table', () => {
  it('is whole where there is no screen, or room enough', async () => {
    const whole = await printed([item], columns);
    expect(whole.lines[1]).toBe(`${item.name}  ${item.reason}  7 B    client`);
    expect(await printed([item], columns, 120)).toEqual(whole);
  });

  it('cuts the widest of what is behind the name first', async () => {
    const { lines, err } = await printed([item], columns, 80);
    expect([lines[1], err]).toEqual([`${item.name}  ${'r'.repeat(32)}…  7 B    client`, '']);
  });

  it('leaves out the last columns where cells would say nothing any more, and names them', async () => {
    const { lines, err } = await printed([item], columns, 26);
    expect(lines).toEqual(['NAME           REASON', `${'n'.repeat(12)}…  ${'r'.repeat(10)}…`]);
    expect(err).toBe('there is no room for BYTES, KIND; -o wide shows all\n');
    const io = testIo();
    Object.assign(io.out, { isTTY: true, columns: 26 });
    await printList([item], columns, 'wide', io);
    expect([io.outText().trimEnd().split('\n'), io.errText()]).toEqual([
      (await printed([item], columns)).lines,
      '',
    ]);
  });

  it('cuts no number and no time, and leaves out first what has nothing in it', async () => {
    const row = {
      name: 'kitchen',
      tenant: null,
      atMs: 1_700_000_000_123,
      bytes: 12_345_678,
      why: 'w'.repeat(60),
    };
    const all = ['name', 'tenant', 'atMs', 'bytes', 'why'];
    const { lines, err } = await printed([row], all, 60);
    expect(lines[1]).toBe(`kitchen  2023-11-14T22:13:20.123Z  11.8 MiB  ${'w'.repeat(14)}…`);
    expect(err).toBe('there is no room for TENANT; -o wide shows all\n');
    expect((await printed([row], all, 44)).lines).toEqual([
      'NAME     AT                        BYTES',
      'kitchen  2023-11-14T22:13:20.123Z  11.8 MiB',
    ]);
  });

  it('never is wider than the screen, keeps the name, and takes nothing where all fits', () => {
    const column = fc.record({
      wanted: fc.integer({ min: 1, max: 300 }),
      canBeCut: fc.boolean(),
      isEmpty: fc.boolean(),
    });
    const shapes = fc.array(column, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(shapes, fc.integer({ min: 10, max: 200 }), (given, screen) => {
        const got = fitted(given, screen);
        const wanted = given.map((each) => each.wanted);
        const shown = got.filter((width) => width > 0);
        const used = shown.reduce((sum, width) => sum + width + 2, -2);
        expect(used).toBeLessThanOrEqual(screen);
        expect(got[0]).toBeGreaterThan(0);
        expect(got.every((width, i) => width <= (wanted[i] ?? 0))).toBe(true);
        if (wanted.reduce((sum, width) => sum + width + 2, -2) <= screen) expect(got).toEqual(wanted);
        // What is not to be cut is whole or not there.
        expect(got.every((width, i) => i === 0 || given[i]?.canBeCut || [0, wanted[i]].includes(width))).toBe(
          true,
        );
        // Nobody gives way to what has nothing in it, or to one that stands behind.
        const gone = given.flatMap(({ isEmpty }, i) => (i > 0 && !isEmpty && got[i] === 0 ? [i] : []));
        const [first] = gone;
        if (first === undefined) return;
        expect(given.every(({ isEmpty }, i) => i === 0 || got[i] === 0 || (!isEmpty && i < first))).toBe(
          true,
        );
      }),
    );
  });
});
