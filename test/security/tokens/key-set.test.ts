import { describe, expect, it } from 'vitest';
import { createKeySet } from '../../../src/security/tokens/key-set.ts';
import type { JwtKey } from '../../../src/security/tokens/keys.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { pairs } from './signed.ts';

const jwk = (kid: string) => ({ ...pairs.ed25519.publicKey.export({ format: 'jwk' }), kid });
const has =
  (id: string) =>
  (keys: readonly JwtKey[]): boolean =>
    keys.some((key) => key.id === id);

function setUp() {
  const clock = createManualClock();
  const state = { answer: async (): Promise<unknown> => ({ keys: [jwk('a')] }), asked: 0, failures: 0 };
  const keySet = createKeySet({
    clock,
    fetch: () => {
      state.asked++;
      return state.answer();
    },
    refreshMs: 60_000,
    ttlMs: 600_000,
    minFetchIntervalMs: 10_000,
    failed: () => state.failures++,
  });
  const ids = async (wanted = 'a') => (await keySet.keys(has(wanted)))?.map(({ id }) => id);
  return { clock, state, ids };
}
const down = async (): Promise<unknown> => {
  throw new Error('down');
};

describe('ops 31: keys that an issuer publishes', () => {
  it('are fetched when they are first needed, once, and kept', async () => {
    const { state, ids } = setUp();
    expect(await Promise.all([ids(), ids(), ids()])).toEqual([['a'], ['a'], ['a']]);
    expect(await ids()).toEqual(['a']);
    expect(state.asked).toBe(1);
  });

  it('count while the issuer is down, until their time is over; then there are none', async () => {
    const { state, clock, ids } = setUp();
    await ids();
    state.answer = down;
    await clock.advance(599_000);
    expect(await ids()).toEqual(['a']);
    await clock.advance(1_000);
    expect(await ids()).toBeUndefined();
    expect(state.failures).toBeGreaterThan(0);
    await clock.advance(10_000);
    state.answer = async () => ({ keys: [jwk('b')] });
    expect(await ids('b')).toEqual(['b']);
  });

  it('that never were there let nobody in, and the issuer is not asked more often than it may be', async () => {
    const { state, clock, ids } = setUp();
    state.answer = down;
    for (let i = 0; i < 100; i++) expect(await ids()).toBeUndefined();
    expect(state.asked).toBe(1);
    await clock.advance(10_000);
    await ids();
    expect(state.asked).toBe(2);
  });

  it('are asked for once per interval, however many tokens name others', async () => {
    const { state, clock, ids } = setUp();
    await ids();
    await clock.advance(10_000);
    for (let i = 0; i < 100; i++) expect(await ids(`guess ${i}`)).toEqual(['a']);
    expect(state.asked).toBe(2);
  });

  it('are taken over by new ones without anybody waiting', async () => {
    const { state, clock, ids } = setUp();
    await ids();
    state.answer = async () => ({ keys: [jwk('a'), jwk('b')] });
    await clock.advance(60_000);
    expect(await ids()).toEqual(['a']);
    await new Promise(setImmediate);
    expect(await ids()).toEqual(['a', 'b']);
    expect(state.asked).toBe(2);
  });

  it.each([
    ['nothing', undefined],
    ['a text', 'keys'],
    ['no list', { keys: { 0: jwk('b') } }],
    ['an empty list', { keys: [] }],
    ['keys of other kinds alone', { keys: [{ kty: 'oct', k: 'AAAA' }, null, 7] }],
    ['more than can be', { keys: Array.from({ length: 65 }, (_, i) => jwk(`${i}`)) }],
  ])('stay as they are when the answer is %s', async (_what, answer) => {
    const { state, clock, ids } = setUp();
    await ids();
    state.answer = async () => answer;
    await clock.advance(10_000);
    expect(await ids('b')).toEqual(['a']);
    expect(state.failures).toBe(1);
  });
});
