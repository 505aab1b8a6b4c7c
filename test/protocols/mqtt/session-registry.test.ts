import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSessionRegistry } from '../../../src/protocols/mqtt/session-registry.ts';

describe('session registry', () => {
  test('numbers are unique among sessions that exist, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 200 }), (steps) => {
        const registry = createSessionRegistry(6);
        const model = new Map<string, number>();
        const serials = new Set<number>();
        for (const [isCreate, n] of steps) {
          const clientId = `c${n}`;
          const existing = registry.get(clientId);
          expect(existing !== undefined).toBe(model.has(clientId));
          if (isCreate && existing === undefined) {
            const session = registry.create(clientId, 0);
            expect(session === undefined).toBe(model.size >= 6);
            if (session === undefined) continue;
            expect([...model.values()]).not.toContain(session.number);
            expect(serials.has(session.serial)).toBe(false);
            serials.add(session.serial);
            model.set(clientId, session.number);
            expect(registry.byNumber(session.number)).toBe(session);
          } else if (!isCreate && existing !== undefined) {
            registry.remove(existing);
            model.delete(clientId);
            expect(registry.byNumber(existing.number)).toBeUndefined();
          }
          expect(registry.count).toBe(model.size);
        }
      }),
    );
  });

  test('a session of the journal has its place also above the bound, new ones wait until there is room', () => {
    const registry = createSessionRegistry(2);
    const kept = [5, 9, 7].map((serial) => registry.restore(`kept ${serial}`, 10, serial));
    expect(kept.map((session) => session.serial)).toEqual([5, 9, 7]);
    for (const session of kept) {
      expect(registry.create('new', 10)).toBeUndefined();
      registry.remove(session);
      if (registry.count < 2) break;
    }
    expect(registry.create('new', 10)?.serial).toBe(10);
  });

  test('removing a session that was replaced does not touch its successor', () => {
    const registry = createSessionRegistry(10);
    const first = registry.create('a', 0);
    if (first === undefined) throw new Error('no session');
    registry.remove(first);
    const second = registry.create('a', 0);
    registry.remove(first);
    expect(registry.get('a')).toBe(second);
  });

  test('numbers stay small under churn', () => {
    const registry = createSessionRegistry(100);
    for (let i = 0; i < 10_000; i++) {
      const session = registry.create(`c${i}`, 0);
      if (session === undefined) throw new Error('no session');
      expect(session.number).toBeLessThan(100);
      registry.remove(session);
    }
  });
});
