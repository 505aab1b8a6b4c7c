import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PeerCertificate } from '../../../src/net/transport.ts';
import {
  alternativeNames,
  type CertificateIdentity,
  createCertificateAuthenticator,
  identityOf,
} from '../../../src/security/authentication/certificate.ts';
import { createCertificate } from '../../support/certificates.ts';
import { attempt, userBench } from '../support.ts';

/** As a listener hands it on. */
function peer(commonName: string, names?: readonly string[]): PeerCertificate {
  const { certPem } = createCertificate(names === undefined ? { commonName } : { commonName, names });
  const certificate = new X509Certificate(certPem);
  const found: unknown = certificate.toLegacyObject().subject?.CN;
  return {
    commonName: typeof found === 'string' ? found : '',
    subject: certificate.subject.split('\n').join(', '),
    fingerprint256: certificate.fingerprint256,
    subjectAltName: certificate.subjectAltName,
  };
}

const authenticate = (
  certificate: PeerCertificate | undefined,
  options: { identity?: CertificateIdentity; requireUser?: boolean } = {},
  { users } = userBench(),
) =>
  createCertificateAuthenticator({
    identity: 'commonName',
    requireUser: false,
    roles: ['device'],
    users,
    ...options,
  }).authenticate(attempt({ certificate }), new AbortController().signal);

describe('ops 32: who a client certificate says somebody is', () => {
  it.each([
    'device-7',
    'a,b',
    'a+b',
    'a=b',
    'CN=admin',
    'a, CN=admin',
    'admin/CN=x',
    '"quoted"',
    'zoë',
    ' a ',
  ])('is its common name, exactly: %j', (name) => {
    expect(authenticate(peer(name))).toMatchObject({
      kind: 'let-in',
      identity: { userName: name, roles: ['device'], isSuperuser: false },
    });
  });

  it('is nobody without a certificate, and nobody of two names or of control characters', () => {
    expect(authenticate(undefined)).toEqual({ kind: 'not-mine' });
    const none = { commonName: '', subject: 'O=acme', fingerprint256: '' };
    expect(authenticate(none)).toMatchObject({ kind: 'refuse', refusal: 'bad-credentials' });
    for (const name of ['admin\0', 'a\nb']) {
      expect(authenticate({ ...none, commonName: name })).toMatchObject({ kind: 'refuse' });
    }
  });

  it('is its only alternative name of the kind that is asked for', () => {
    const one = peer('cn', ['device.example', '10.0.0.1']);
    expect(identityOf(one, 'dns')).toBe('device.example');
    expect(identityOf(one, 'email')).toBeUndefined();
    expect(identityOf(peer('cn', ['a.example', 'b.example']), 'dns')).toBeUndefined();
    expect(identityOf(peer('cn'), 'dns')).toBeUndefined();
    expect(identityOf(peer('cn', ['a.example']), 'subject')).toBe('CN=cn');
  });

  it('cannot be had by an alternative name with another inside', () => {
    // OpenSSL has no way to say which is which; Node quotes what is not plain.
    const tricky = peer('cn', ['device.example, DNS:admin.example']);
    expect(identityOf(tricky, 'dns')).toBe('device.example, DNS:admin.example');
    expect(identityOf({ ...tricky, subjectAltName: 'DNS:a"b' }, 'dns')).toBeUndefined();
    expect(identityOf({ ...tricky, subjectAltName: 'DNS:"a' }, 'dns')).toBeUndefined();
  });

  it('is its whole subject, in which no name can pass for several', () => {
    const names = ['a, O=acme', 'a\nO=acme', 'a + O=acme', 'a\\, O=acme', 'a'];
    const subjects = names.map((name) => identityOf(peer(name), 'subject'));
    expect(subjects).toEqual([
      'CN=a\\, O=acme',
      'CN=a\\0AO=acme',
      'CN=a \\+ O=acme',
      'CN=a\\\\\\, O=acme',
      'CN=a',
    ]);
  });

  it('reads alternative names as Node writes them, and never fails', () => {
    const written = ([kind, value]: readonly [string, string]): string =>
      /[^\x20-\x7e]|[,"\\']/.test(value) ? `${kind}:${JSON.stringify(value)}` : `${kind}:${value}`;
    const names = fc.array(fc.tuple(fc.constantFrom('DNS', 'URI', 'email', 'IP Address'), fc.string()), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(names, (list) => {
        const text = list.map(written).join(', ');
        expect(alternativeNames(text)).toEqual(list);
      }),
    );
    fc.assert(fc.property(fc.string(), (noise) => Array.isArray(alternativeNames(noise))));
  });

  it('has what the user database has of that name', async () => {
    const bench = userBench();
    await bench.users.create({ name: 'device-7', roles: ['sensor'], tenant: 'acme' });
    await bench.users.create({ name: 'device-8', isDisabled: true });
    expect(authenticate(peer('device-7'), {}, bench)).toMatchObject({
      identity: { roles: ['sensor'], tenant: 'acme' },
    });
    expect(authenticate(peer('device-8'), {}, bench)).toMatchObject({ kind: 'refuse' });
    expect(authenticate(peer('device-9'), {}, bench)).toMatchObject({ kind: 'let-in' });
    expect(authenticate(peer('device-9'), { requireUser: true }, bench)).toMatchObject({ kind: 'refuse' });
  });
});
