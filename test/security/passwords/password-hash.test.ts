import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatPhc,
  type PasswordHash,
  parseMosquitto,
  parsePasswordHash,
  parsePhc,
} from '../../../src/security/passwords/password-hash.ts';

const hashes: fc.Arbitrary<PasswordHash> = fc
  .record({
    form: fc.oneof(
      fc.record({
        algorithm: fc.constant('argon2id' as const),
        parameters: fc.record({
          m: fc.integer({ min: 8, max: 1_048_576 }),
          t: fc.integer({ min: 1, max: 64 }),
          p: fc.integer({ min: 1, max: 16 }),
        }),
      }),
      fc.record({
        algorithm: fc.constant('scrypt' as const),
        parameters: fc.record({
          ln: fc.integer({ min: 1, max: 20 }),
          r: fc.integer({ min: 1, max: 32 }),
          p: fc.integer({ min: 1, max: 16 }),
        }),
      }),
      fc.record({
        algorithm: fc.constantFrom('pbkdf2-sha256' as const, 'pbkdf2-sha512' as const),
        parameters: fc.record({ i: fc.integer({ min: 1, max: 10_000_000 }) }),
      }),
    ),
    salt: fc.uint8Array({ minLength: 8, maxLength: 64 }),
    hash: fc.uint8Array({ minLength: 16, maxLength: 64 }),
  })
  .map(({ form, salt, hash }) => ({ ...form, salt, hash }));

const SALT = 'c2FsdHNhbHQ';
const HASH = 'aGFzaGhhc2hoYXNoaGFzaA';
const good = `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$${HASH}`;

describe('hashes of passwords as text', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(hashes, (hash) => {
        expect(parsePhc(formatPhc(hash))).toEqual(hash);
      }),
    );
  });

  it('have one spelling: whatever is read is what would be written', () => {
    fc.assert(
      fc.property(hashes, fc.nat(200), fc.string({ maxLength: 3 }), (hash, at, other) => {
        const text = formatPhc(hash);
        const changed = text.slice(0, at) + other + text.slice(at + other.length);
        const read = parsePhc(changed);
        if (read !== undefined)
          expect([changed, changed.replace('$m', '$v=19$m')]).toContain(formatPhc(read));
      }),
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (noise) => parsePasswordHash(noise) === undefined));
  });

  it.each([
    ['another version', good.replace('v=19', 'v=16')],
    ['another order', good.replace('m=19456,t=2', 't=2,m=19456')],
    ['a parameter twice', good.replace('p=1', 'p=1,p=1')],
    ['a parameter too many', good.replace('p=1', 'p=1,x=1')],
    ['a parameter too few', good.replace(',p=1', '')],
    ['a zero in front', good.replace('t=2', 't=02')],
    ['no passes', good.replace('t=2', 't=0')],
    ['a terabyte of memory', good.replace('m=19456', 'm=999999999')],
    ['a salt of nothing', good.replace(SALT, 'AA')],
    ['a padded salt', good.replace(SALT, `${SALT}=`)],
    ['bits behind the salt', good.replace(SALT, 'c2FsdHNhbHR')],
    ['a hash of nothing', good.replace(HASH, 'AAAA')],
    ['no hash', good.slice(0, good.lastIndexOf('$'))],
    ['another algorithm', good.replace('argon2id', 'argon2i')],
    ['a name of every object', good.replace('argon2id', 'constructor')],
    ['something in front', ` ${good}`],
    ['something behind', `${good}\n`],
    ['megabytes', `$scrypt$ln=15,r=8,p=1$${'A'.repeat(1_000_000)}$${HASH}`],
    ['a cost of a year', `$scrypt$ln=30,r=8,p=1$${SALT}$${HASH}`],
    ['iterations of a year', `$pbkdf2-sha512$i=999999999$${SALT}$${HASH}`],
  ])('are refused with %s', (_what, text) => {
    expect(parsePhc(good)).toBeDefined();
    expect(parsePhc(text)).toBeUndefined();
  });

  it('are read from files of Mosquitto', () => {
    const salt = Buffer.alloc(12, 7).toString('base64');
    const hash = Buffer.alloc(64, 9).toString('base64');
    expect(parseMosquitto(`$7$101$${salt}$${hash}`)).toMatchObject({
      algorithm: 'pbkdf2-sha512',
      parameters: { i: 101 },
    });
    expect(parseMosquitto(`$6$${salt}$${hash}`)).toMatchObject({
      algorithm: 'sha512-password-salt',
      parameters: {},
    });
    for (const wrong of [
      `$7$0$${salt}$${hash}`,
      `$7$999999999$${salt}$${hash}`,
      `$7$${salt}$${hash}`,
      `$6$${salt}$${hash.slice(0, 40)}`,
      `$5$${salt}$${hash}`,
      `$6$${salt}$${hash}:`,
      'plain',
      '',
    ]) {
      expect(parseMosquitto(wrong)).toBeUndefined();
    }
  });
});
