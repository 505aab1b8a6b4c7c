import { describe, expect, it } from 'vitest';
import { createFetchSessions, nextEpoch } from '../../../../src/protocols/kafka/fetch/sessions.ts';

describe('fetch sessions', () => {
  it('have ids of their own, above 0', () => {
    const drawn = [0.5, 0.5, 0, 0.999_999_999_9];
    const sessions = createFetchSessions(10, () => drawn.shift() ?? 0.1);
    const ids = [1, 2, 3].map(() => sessions.create(false, '')?.id ?? 0);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toBeGreaterThan(0);
  });

  it('give way when there are too many, the one not used for longest first', () => {
    let next = 0;
    const sessions = createFetchSessions(2, () => {
      next += 0.01;
      return next;
    });
    const [a, b] = [sessions.create(false, ''), sessions.create(true, '')];
    expect(sessions.get(a?.id ?? 0, '')).toBe(a);
    const c = sessions.create(false, '');
    expect(sessions.count).toBe(2);
    expect(sessions.get(b?.id ?? 0, '')).toBeUndefined();
    expect(sessions.get(a?.id ?? 0, '')).toBe(a);
    sessions.close(c?.id ?? 0, 'acme');
    expect(sessions.get(c?.id ?? 0, 'acme')).toBeUndefined();
    expect(sessions.count).toBe(2);
    sessions.close(c?.id ?? 0, '');
    expect(sessions.count).toBe(1);
  });

  it('are none where none are wanted', () => {
    expect(createFetchSessions(0, Math.random).create(false, '')).toBeUndefined();
  });

  it('count their epochs from 1 again behind the largest', () => {
    expect(nextEpoch(1)).toBe(2);
    expect(nextEpoch(2 ** 31 - 1)).toBe(1);
  });
});
