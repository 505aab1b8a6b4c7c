import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  credentialOf,
  readClientFirst,
  serverFinal,
  serverFirst,
} from '../../../src/security/scram/scram.ts';

/** The exchange of RFC 7677, section 3. */
const rfc = {
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  nonce: 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const pencil = credentialOf('SCRAM-SHA-256', salt, 4096, pbkdf2Sync('pencil', salt, 4096, 32, 'sha256'));

function first(text: string) {
  const read = readClientFirst(text);
  if (read === undefined) throw new Error(text);
  return read;
}

describe('SCRAM', () => {
  it('speaks as the example of its RFC', () => {
    const read = first(rfc.clientFirst);
    expect(read).toMatchObject({ user: 'user', authorizationId: '', nonce: 'rOprNGfwEbeRWgbNEkqO' });
    expect(serverFirst(rfc.nonce, pencil)).toBe(rfc.serverFirst);
    expect(serverFinal('SCRAM-SHA-256', pencil, read, rfc.nonce, rfc.clientFinal)).toBe(rfc.serverFinal);
  });

  it('takes no proof that differs in any character', () => {
    const read = first(rfc.clientFirst);
    for (let at = 0; at < rfc.clientFinal.length; at++) {
      const other = rfc.clientFinal[at] === 'A' ? 'B' : 'A';
      const changed = rfc.clientFinal.slice(0, at) + other + rfc.clientFinal.slice(at + 1);
      // The last two bits of the last character of the proof are not part of it.
      if (
        Buffer.from(changed.split('p=')[1] ?? '', 'base64').equals(
          Buffer.from(rfc.clientFinal.split('p=')[1] ?? '', 'base64'),
        ) &&
        at > 60
      )
        continue;
      expect(serverFinal('SCRAM-SHA-256', pencil, read, rfc.nonce, changed)).toBeUndefined();
    }
    expect(serverFinal('SCRAM-SHA-256', pencil, read, 'another', rfc.clientFinal)).toBeUndefined();
    expect(serverFinal('SCRAM-SHA-512', pencil, read, rfc.nonce, rfc.clientFinal)).toBeUndefined();
  });

  it('keeps names with commas and equal signs apart', () => {
    expect(first('n,,n=a=2Cb=3Dc,r=x').user).toBe('a,b=c');
    expect(first('n,a=a=2Cb,n=a=2Cb,r=x').authorizationId).toBe('a,b');
    expect(first('y,,n=ü,r=x,ext=1'.replace('ext', 'e')).user).toBe('ü');
  });

  it.each([
    'p=tls-unique,,n=user,r=x',
    'n,,m=ext,n=user,r=x',
    'n,,n=us=er,r=x',
    'n,,n=,r=x',
    'n,,n=user,r=',
    'n,,n=user',
    'n,user,r=x',
    '',
  ])('does not begin with %j', (text) => {
    expect(readClientFirst(text)).toBeUndefined();
  });

  it('ends at worst with a refusal, whatever it is sent', () => {
    const read = first(rfc.clientFirst);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.nat(120), (noise, at) => {
        readClientFirst(noise);
        readClientFirst(`n,,n=${noise},r=${noise}`);
        const mixed = rfc.clientFinal.slice(0, at) + noise + rfc.clientFinal.slice(at);
        const answer = serverFinal('SCRAM-SHA-256', pencil, read, rfc.nonce, noise === '' ? 'x' : mixed);
        expect(answer).toBeUndefined();
      }),
    );
  });

  it('keeps what neither logs in nor gives the password', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 20 }),
        fc.uint8Array({ minLength: 8, maxLength: 24 }),
        (password, salt) => {
          const salted = pbkdf2Sync(password, salt, 4096, 64, 'sha512');
          const { storedKey, serverKey } = credentialOf('SCRAM-SHA-512', salt, 4096, salted);
          const clientKey = createHmac('sha512', salted).update('Client Key').digest();
          expect(Buffer.from(storedKey)).toEqual(createHash('sha512').update(clientKey).digest());
          expect(Buffer.from(serverKey)).toEqual(createHmac('sha512', salted).update('Server Key').digest());
        },
      ),
      { numRuns: 5 },
    );
  });
});
