import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Listeners } from '../../src/kernel/listeners.ts';

describe('listeners', () => {
  it('are those that were added and have not left, whatever the order of both', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ adds: fc.boolean(), which: fc.nat() }), { maxLength: 200 }),
        (steps) => {
          const listeners = new Listeners<(heard: number[]) => void>();
          const model = new Map<number, () => void>();
          const stops: (() => void)[] = [];
          let next = 0;
          for (const { adds, which } of steps) {
            if (adds || stops.length === 0) {
              const id = next++;
              const stop = listeners.add((heard) => heard.push(id));
              model.set(id, stop);
              stops.push(() => {
                stop();
                model.delete(id);
              });
            } else stops[which % stops.length]?.();
            const heard: number[] = [];
            listeners.each((listener) => listener(heard));
            expect(heard.sort((a, b) => a - b)).toEqual([...model.keys()]);
            expect(listeners.count).toBe(model.size);
          }
        },
      ),
    );
  });

  it('that leave or come while it is told: the former are not told any more, the latter not yet', () => {
    const listeners = new Listeners<() => void>();
    const heard: string[] = [];
    const stops: (() => void)[] = [];
    for (const name of ['a', 'b', 'c']) {
      const stop = listeners.add(() => {
        heard.push(name);
        for (const each of stops.splice(0)) each();
        listeners.add(() => heard.push('late'));
      });
      stops.push(stop);
    }
    listeners.each((listener) => listener());
    expect(heard).toHaveLength(1);
    expect(listeners.count).toBe(1);
    listeners.each((listener) => listener());
    expect(heard).toEqual([heard[0], 'late']);
  });

  it('hold nothing of one that left', async () => {
    const listeners = new Listeners<() => void>();
    const keep = listeners.add(() => undefined);
    const left = new WeakRef(
      (() => {
        const listener = (): void => undefined;
        listeners.add(listener)();
        return listener;
      })(),
    );
    keep();
    const { setFlagsFromString } = await import('node:v8');
    const { runInNewContext } = await import('node:vm');
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    // A weak reference that was made or read keeps its target until the end of the turn.
    await new Promise((resolve) => setImmediate(resolve));
    if (typeof collect === 'function') collect();
    expect(left.deref()).toBeUndefined();
  });
});
