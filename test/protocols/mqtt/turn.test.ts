import { describe, expect, test } from 'vitest';
import { createTurn } from '../../../src/protocols/mqtt/turn.ts';

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('turn', () => {
  test('jobs take turns step by step, and output follows each turn', async () => {
    const trace: string[] = [];
    const turn = createTurn(
      () => trace.push('flush'),
      () => {},
    );
    const job = (name: string, steps: number) => () => {
      trace.push(name);
      return --steps > 0;
    };
    turn.defer(job('a', 2));
    turn.defer(job('b', 1));
    await turns(4);
    expect(trace).toEqual(['a', 'b', 'flush', 'a', 'flush']);
  });

  test('a bounded number of steps runs in one turn', async () => {
    let run = 0;
    const perTurn: number[] = [];
    const turn = createTurn(
      () => perTurn.push(run),
      () => {},
    );
    for (let i = 0; i < 1000; i++) turn.defer(() => run++ < 0);
    await turns(30);
    expect(run).toBe(1000);
    for (let i = 1; i < perTurn.length; i++) {
      expect((perTurn[i] ?? 0) - (perTurn[i - 1] ?? 0)).toBeLessThanOrEqual(64);
    }
  });

  test('a job that throws is dropped and reported, the others go on', async () => {
    const errors: unknown[] = [];
    let ran = false;
    const turn = createTurn(
      () => {},
      (error) => errors.push(error),
    );
    turn.defer(() => {
      throw new Error('broken');
    });
    turn.defer(() => {
      ran = true;
      return false;
    });
    await turns(2);
    expect(ran).toBe(true);
    expect(errors).toHaveLength(1);
  });

  test('nothing runs after stop', async () => {
    let ran = false;
    const turn = createTurn(
      () => {
        ran = true;
      },
      () => {},
    );
    turn.wake();
    turn.stop();
    await turns(2);
    expect(ran).toBe(false);
  });
});
