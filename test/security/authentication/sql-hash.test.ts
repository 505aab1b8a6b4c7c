import { createHash, pbkdf2Sync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Answer } from '../../../src/security/authentication/authenticator.ts';
import { createSqlAuthenticator, type Row } from '../../../src/security/authentication/sql.ts';
import { type HashFormat, hashOfRow } from '../../../src/security/authentication/sql-hash.ts';
import { formatPhc } from '../../../src/security/passwords/password-hash.ts';
import { createPasswords } from '../../../src/security/passwords/passwords.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { cheap, withPassword } from '../support.ts';

const passwords = createPasswords({ settings: cheap, clock: createManualClock() });
const phc: HashFormat = { format: 'phc', saltPosition: 'suffix', iterations: 4096 };
const as = (format: HashFormat['format'], more: Partial<HashFormat> = {}): HashFormat => ({
  ...phc,
  format,
  ...more,
});

async function ask(row: Row, password: string, hashFormat: HashFormat): Promise<Answer> {
  const authenticator = createSqlAuthenticator({
    query: 'select $1',
    hashFormat,
    passwords,
    database: { ask: () => Promise.resolve([row]), close: () => {} },
  });
  return authenticator.authenticate(withPassword('alice', password), new AbortController().signal);
}

/** What became of it: let in, or why not. */
const outcome = (answer: Answer): string =>
  answer.kind === 'refuse' ? `${answer.refusal}: ${answer.reason}` : answer.kind;

const digest = (name: string, text: string): string => createHash(name).update(text).digest('hex');

describe('hashes in rows', () => {
  it('are of PBKDF2 where they say so, with either digest', async () => {
    for (const name of ['sha256', 'sha512'] as const) {
      const salt = Buffer.from('NaCl for everybody');
      const hash = pbkdf2Sync('wonder', salt, 1000, 32, name);
      const password_hash = formatPhc({
        algorithm: `pbkdf2-${name}`,
        parameters: { i: 1000 },
        salt: new Uint8Array(salt),
        hash: new Uint8Array(hash),
      });
      expect(password_hash.startsWith(`$pbkdf2-${name}$i=1000$`)).toBe(true);
      expect(outcome(await ask({ password_hash }, 'wonder', phc))).toBe('let-in');
      expect(outcome(await ask({ password_hash }, 'wander', phc))).toBe('bad-credentials: a wrong password');
    }
  });

  it('are of other brokers where the configuration says what they are', async () => {
    const salt = 'slat_foo123';
    const rows: [HashFormat, string][] = [
      [as('sha256'), digest('sha256', `wonder${salt}`)],
      [as('sha256', { saltPosition: 'prefix' }), digest('sha256', `${salt}wonder`)],
      [as('sha512'), digest('sha512', `wonder${salt}`)],
      [as('sha512', { saltPosition: 'prefix' }), digest('sha512', `${salt}wonder`).toUpperCase()],
      [as('pbkdf2-sha256'), pbkdf2Sync('wonder', salt, 4096, 32, 'sha256').toString('hex')],
      [as('pbkdf2-sha512', { iterations: 10 }), pbkdf2Sync('wonder', salt, 10, 20, 'sha512').toString('hex')],
    ];
    for (const [format, password_hash] of rows) {
      const what = JSON.stringify(format);
      const said = async (row: Row, password: string, by = format): Promise<[string, string]> => [
        what,
        outcome(await ask(row, password, by)),
      ];
      const wrong = [what, 'bad-credentials: a wrong password'];
      expect(await said({ password_hash, salt }, 'wonder')).toEqual([what, 'let-in']);
      expect(await said({ password_hash, salt: Buffer.from(salt) }, 'wonder')).toEqual([what, 'let-in']);
      expect(await said({ password_hash, salt }, 'wander')).toEqual(wrong);
      expect(await said({ password_hash, salt: `${salt}4` }, 'wonder')).toEqual(wrong);
      const other = format.saltPosition === 'prefix' ? 'suffix' : 'prefix';
      const isOnePass = !format.format.startsWith('pbkdf2');
      if (isOnePass) {
        expect(await said({ password_hash, salt }, 'wonder', { ...format, saltPosition: other })).toEqual(
          wrong,
        );
      }
    }
  });

  it('may say themselves what they are in a table of the others', async () => {
    const made = await passwords.hash(new Uint8Array(Buffer.from('wonder')));
    if (made === 'busy') throw new Error('busy');
    const password_hash = formatPhc(made);
    expect(outcome(await ask({ password_hash, salt: null }, 'wonder', as('sha256')))).toBe('let-in');
  });

  it('are not taken where they are weak or not understood, for a reason that does not show them', async () => {
    const bcrypt = `$2y$31$${'C'.repeat(53)}`;
    const sha256 = digest('sha256', 'wonderS');
    const cases: [Row, HashFormat, RegExp][] = [
      [{ password_hash: 'wonder' }, phc, /passwords themselves are not taken/],
      [{ password_hash: 'wonder' }, as('sha256'), /passwords themselves are not taken/],
      [{ password_hash: '' }, phc, /passwords themselves are not taken/],
      [{ password_hash: digest('md5', 'wonder') }, phc, /MD5, which is too weak/],
      [{ password_hash: digest('md5', 'wonder'), salt: 'S' }, as('sha256'), /MD5, which is too weak/],
      [{ password_hash: `md5${digest('md5', 'wonder')}` }, phc, /MD5 or SHA-1, which are too weak/],
      [{ password_hash: '$1$abcdefgh$y2yrYOJEqsAFRKwrP4Lcs1' }, phc, /MD5 or SHA-1, which are too weak/],
      [{ password_hash: '{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=' }, phc, /MD5 or SHA-1, which are too weak/],
      [{ password_hash: digest('sha1', 'wonder'), salt: 'S' }, as('sha512'), /SHA-1, which is too weak/],
      [{ password_hash: sha256, salt: 'S' }, phc, /sql\.hash\.format is needed/],
      [{ password_hash: sha256, salt: 'S' }, as('sha512'), /has 32 bytes, which sha512 has not/],
      [{ password_hash: sha256 }, as('sha256'), /without salt/],
      [{ password_hash: sha256, salt: null }, as('sha256'), /without salt/],
      [{ password_hash: sha256, salt: '' }, as('sha256'), /salt has 0 bytes/],
      [{ password_hash: sha256, salt: 'S'.repeat(257) }, as('sha256'), /salt has 257 bytes/],
      [{ password_hash: sha256, salt: 7 }, as('sha256'), /without salt/],
      [{ password_hash: 'ab'.repeat(65), salt: 'S' }, as('pbkdf2-sha512'), /has 65 bytes/],
      [{ password_hash: bcrypt }, phc, /not of a kind that is known here/],
      [{ password_hash: 7 }, phc, /no text/],
    ];
    for (const [row, format, reason] of cases) {
      const said = outcome(await ask(row, 'wonder', format));
      expect(said).toMatch(/^unavailable: /);
      expect(said).toMatch(reason);
      if (typeof row.password_hash === 'string' && row.password_hash !== '') {
        expect(said).not.toContain(row.password_hash);
      }
    }
  });

  it('are read, or a sentence says why not, whatever a table has', () => {
    const formats = fc.constantFrom(
      phc,
      as('sha256'),
      as('sha512'),
      as('pbkdf2-sha256'),
      as('pbkdf2-sha512'),
    );
    const hex = fc
      .uint8Array({ minLength: 1, maxLength: 80 })
      .map((some) => Buffer.from(some).toString('hex'));
    const texts = fc.oneof(fc.string({ unit: 'binary' }), hex, fc.constant(null), fc.integer());
    const salts = fc.oneof(fc.string(), fc.uint8Array(), fc.constant(null), fc.constant(undefined));
    fc.assert(
      fc.property(texts, salts, formats, (text, salt, format) => {
        const hash = hashOfRow(text, salt, format);
        if (typeof hash === 'string') return;
        expect(hash.salt.length).toBeGreaterThan(0);
        expect(hash.hash.length).toBeGreaterThanOrEqual(16);
      }),
    );
  });
});
