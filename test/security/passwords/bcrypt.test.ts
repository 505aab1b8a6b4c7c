import { hashSync } from 'bcryptjs';
import { describe, expect, it } from 'vitest';
import { parsePasswordHash } from '../../../src/security/passwords/password-hash.ts';
import { createPasswords } from '../../../src/security/passwords/passwords.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { bytes, cheap } from '../support.ts';

const passwords = createPasswords({ settings: cheap, clock: createManualClock() });
const check = (text: string, password: string | Uint8Array) =>
  passwords.check(parsePasswordHash(text), typeof password === 'string' ? bytes(password) : password);

describe('hashes of bcrypt', () => {
  // Published with the first implementations.
  it.each([
    ['a', '$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe'],
    ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
    ['U*U*U', '$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a'],
  ])('of %j are those that others make', async (password, text) => {
    expect(await check(text, password)).toBe('right');
    expect(await check(text, `${password}!`)).toBe('wrong');
  });

  it('have three names for one thing, and long and foreign passwords', async () => {
    for (const password of ['grüße 🐇', 'x'.repeat(100)]) {
      const text = hashSync(password, 4);
      for (const name of ['2a', '2b', '2y']) {
        expect(await check(text.replace(/^\$2[aby]/, `$${name}`), password)).toBe('right');
      }
      expect(await check(text, password.slice(0, 5))).toBe('wrong');
    }
    expect(await check(hashSync('\ufffd', 4), Uint8Array.of(0xff))).toBe('wrong');
  });

  it.each([
    '$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
    '$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
    '$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
    '$2b$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
    '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe',
    '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n',
  ])('that cost too much or are none are not read: %s', (text) => {
    expect(parsePasswordHash(text)).toBeUndefined();
  });

  it('are worked out beside the broker, a bounded number at a time', async () => {
    const text = hashSync('right', 10);
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    const checks = await Promise.all(
      Array.from({ length: 70 }, (_, i) => check(text, i === 0 ? 'right' : `wrong ${i}`)),
    ).finally(() => clearInterval(counting));
    expect(checks[0]).toBe('right');
    expect(new Set(checks)).toEqual(new Set(['right', 'wrong', 'busy']));
    expect(checks.filter((each) => each === 'busy')).toHaveLength(4);
    // Sixty times some tens of milliseconds on this thread would leave room for a turn or two between them.
    expect(turns).toBeGreaterThan(100);
  });
});
