import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AuditEntry, decodeEntry, encodeEntry, redacted } from '../../../src/security/audit/entry.ts';

const entry = (about: Partial<AuditEntry> = {}): AuditEntry => ({
  sequence: 1,
  atMs: 0,
  user: 'ann',
  tenant: '',
  via: 'http',
  remoteAddress: '',
  operation: 'o',
  input: {},
  result: 'ok',
  ...about,
});

describe('item 48: a secret is in no entry', () => {
  const PLANTED = 'planted-s3cret';
  const fields = [
    'password',
    'newPassword',
    'apiToken',
    'secret',
    'clientSecret',
    'key',
    'apiKey',
    'privateKey',
    'scramVerifier',
    'Authorization',
    'cookie',
    'passphrase',
    'credentials',
  ];

  for (const field of fields) {
    it(`in ${field}, at any depth`, () => {
      for (const input of [
        { [field]: PLANTED },
        { a: [{ b: { [field]: { c: PLANTED } } }] },
        { [field]: [PLANTED] },
      ]) {
        expect(encodeEntry(entry({ input })).toString()).not.toContain(PLANTED);
      }
    });
  }

  it('in what the operation’s schema marks', () => {
    const input = { auth: { value: PLANTED }, seen: 1 };
    const shown = redacted(input, (path) => path.join('.') === 'auth.value');
    expect(shown).toEqual({ auth: { value: '***' }, seen: 1 });
  });

  it('and what says that it is itself does not go on for ever', () => {
    const endless = { toJSON: (): unknown => endless };
    expect(JSON.stringify(redacted({ endless })).length).toBeLessThan(100);
  });

  it('in bytes, and in what says itself how it is shown', () => {
    const input = { body: Buffer.from(PLANTED), own: { toJSON: () => '***', hidden: PLANTED } };
    expect(redacted(input)).toEqual({ body: `${PLANTED.length} bytes`, own: '***' });
  });
});

describe('an entry', () => {
  it('is one line of bounded length whatever goes in, and read back', () => {
    fc.assert(
      fc.property(
        fc.anything(),
        fc.string({ unit: 'binary', maxLength: 400 }),
        fc.string(),
        (input, user, reason) => {
          const line = encodeEntry(entry({ input, user, reason })).toString();
          expect(line.indexOf('\n')).toBe(line.length - 1);
          expect(line.length).toBeLessThanOrEqual(16 * 1024 + 4096);
          expect(line).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
          const read = decodeEntry(line);
          if (user.length <= 256) expect(read?.user).toBe(user);
          expect(read?.sequence).toBe(1);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is shortened where it is long, wide or deep', () => {
    const shown = redacted({
      long: 'x'.repeat(1000),
      wide: Array.from({ length: 1000 }, (_, i) => i),
      deep: { a: { b: { c: { d: { e: { f: 1 } } } } } },
    });
    expect(JSON.stringify(shown).length).toBeLessThan(1000);
    const huge = Object.fromEntries(
      Array.from({ length: 64 }, (_, i) => [`f${i}`, Array(64).fill('x'.repeat(200))]),
    );
    expect(JSON.parse(encodeEntry(entry({ input: huge })).toString()).input).toBe('… too large');
  });

  it('with a key that is a prototype changes nothing', () => {
    const shown = redacted(JSON.parse('{"__proto__":{"polluted":true}}')) as object;
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.keys(shown)).toEqual(['__proto__']);
  });

  it('is none where the line is not', () => {
    for (const line of [
      '',
      '{',
      'null',
      '1',
      '{}',
      '{"sequence":1}',
      '{"sequence":1,"at":"x","result":"ok"}',
      '{"sequence":1,"at":"2026-01-01T00:00:00Z","result":"maybe"}',
    ]) {
      expect(decodeEntry(line)).toBeUndefined();
    }
  });
});
