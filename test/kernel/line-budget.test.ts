import { expect, it } from 'vitest';
import { createLineBudget } from '../../src/kernel/line-budget.ts';

it('takes so many lines a second, and says with the next one how many there were not', () => {
  let nowMs = 5;
  const lines = createLineBudget({ monotonicMs: () => nowMs }, 2);
  expect([lines.take(), lines.take(), lines.take(), lines.take()]).toEqual([{}, {}, undefined, undefined]);
  nowMs += 999;
  expect(lines.take()).toBeUndefined();
  nowMs += 1;
  expect([lines.take(), lines.take(), lines.take()]).toEqual([{ notLogged: 3 }, {}, undefined]);
});
