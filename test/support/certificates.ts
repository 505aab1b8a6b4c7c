import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A small X.509 maker for tests: EC P-256 keys, SHA-256 signatures, v3 extensions for authorities and names. */

export interface Identity {
  readonly certPem: string;
  readonly keyPem: string;
  readonly name: Buffer;
  readonly privateKey: KeyObject;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** DNS names; an entry of four numbers becomes an IP address. */
  readonly names?: readonly string[];
  readonly issuer?: Identity;
  readonly authority?: boolean;
  readonly validFrom?: Date;
  readonly validTo?: Date;
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body]);
  if (body.length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, body.length), body]);
  return Buffer.concat([Buffer.of(tag, 0x82, body.length >> 8, body.length & 0xff), body]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const octets = (body: Uint8Array): Buffer => der(0x04, body);
const yes = Buffer.of(0x01, 0x01, 0xff);

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let value = arc >> 7; value > 0; value >>= 7) groups.unshift((value & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return der(0x18, Buffer.from(`${digits}Z`, 'ascii'));
}

const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(critical ? [yes] : []), octets(value));

function generalName(name: string): Buffer {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return der(0x87, Buffer.from(name.split('.').map(Number)));
  return der(0x82, Buffer.from(name, 'ascii'));
}

const pem = (label: string, body: Buffer): string =>
  `-----BEGIN ${label}-----\n${body.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`;

export function createCertificate(request: CertificateRequest): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(
    der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(request.commonName, 'utf8')))),
  );
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
  const dayMs = 86_400_000;
  const serial = randomBytes(8);
  serial[0] = 1;
  const extensions = [extension('2.5.29.19', true, request.authority === true ? sequence(yes) : sequence())];
  if (request.names !== undefined) {
    extensions.push(extension('2.5.29.17', false, sequence(...request.names.map(generalName))));
  }
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    request.issuer?.name ?? name,
    sequence(
      time(request.validFrom ?? new Date(Date.now() - dayMs)),
      time(request.validTo ?? new Date(Date.now() + dayMs)),
    ),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', body, request.issuer?.privateKey ?? privateKey);
  const certificate = sequence(body, algorithm, der(0x03, Buffer.of(0), signature));
  return {
    certPem: pem('CERTIFICATE', certificate),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    name,
    privateKey,
  };
}
