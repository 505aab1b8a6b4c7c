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
    expect(lines).toEqual(['NAME           REASON', `${'n'.repeat(12)}…  rrrrr…`]);
    expect(err).toBe('there is no room for BYTES, KIND; -o json shows all\n');
  });

  it('never is wider than the screen, keeps the name, and takes nothing where all fits', () => {
    const widths = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(widths, fc.integer({ min: 10, max: 200 }), (wanted, screen) => {
        const got = fitted(wanted, screen);
        const shown = got.filter((width) => width > 0);
        const used = shown.reduce((sum, width) => sum + width + 2, -2);
        expect(used).toBeLessThanOrEqual(screen);
        expect(got[0]).toBeGreaterThan(0);
        expect(got.every((width, i) => width <= (wanted[i] ?? 0))).toBe(true);
        if (wanted.reduce((sum, width) => sum + width + 2, -2) <= screen) expect(got).toEqual(wanted);
        // Only the last ones are left out.
        expect(got.slice(0, shown.length)).toEqual(shown);
      }),
    );
  });
});
