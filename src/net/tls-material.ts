import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls';
import type { TlsListenerConfig } from '../config/config.ts';
import { ListenError } from './bind.ts';
import type { PeerCertificate } from './transport.ts';

type TlsConfig = TlsListenerConfig['tls'];

/** Certificates and keys of one listener, read and checked. */
export interface TlsMaterial {
  readonly options: SecureContextOptions;
  /** By server name, lower case; `*.example.org` stands for one label. */
  readonly byServerName: ReadonlyMap<string, SecureContext>;
  readonly warnings: readonly string[];
}

const causes: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return causes[(error as NodeJS.ErrnoException).code ?? ''] ?? error.message;
}

/** Throws a ListenError that names the setting, the file and the cause. */
export function loadTlsMaterial(listener: string, config: TlsConfig, nowMs: number): TlsMaterial {
  const warnings: string[] = [];

  const fault = (key: string, file: string, reason: string): ListenError =>
    new ListenError(listener, `Listener ${listener}: listeners.${listener}.tls.${key} ${file}: ${reason}.`);

  const read = (key: string, file: string): Buffer => {
    if (file === '') {
      throw new ListenError(listener, `Listener ${listener}: listeners.${listener}.tls.${key} is not set.`);
    }
    try {
      return readFileSync(file);
    } catch (error) {
      throw fault(key, file, `cannot be read: ${reasonOf(error)}`);
    }
  };

  const parsed = <T>(key: string, file: string, what: string, parse: () => T): T => {
    try {
      return parse();
    } catch (error) {
      throw fault(key, file, `is not a valid ${what} in PEM format (${reasonOf(error)})`);
    }
  };

  const readPair = (prefix: string, certFile: string, keyFile: string): { cert: Buffer; key: Buffer } => {
    const cert = read(`${prefix}certFile`, certFile);
    const key = read(`${prefix}keyFile`, keyFile);
    const x509 = parsed(`${prefix}certFile`, certFile, 'certificate', () => new X509Certificate(cert));
    const privateKey: KeyObject = parsed(`${prefix}keyFile`, keyFile, 'private key', () =>
      createPrivateKey(key),
    );
    if (!x509.checkPrivateKey(privateKey)) {
      throw fault(`${prefix}keyFile`, keyFile, `is not the key of the certificate in ${certFile}`);
    }
    if (Date.parse(x509.validTo) < nowMs)
      warnings.push(`the certificate in ${certFile} expired on ${x509.validTo}`);
    if (Date.parse(x509.validFrom) > nowMs) {
      warnings.push(`the certificate in ${certFile} is not valid before ${x509.validFrom}`);
    }
    return { cert, key };
  };

  const ca = readAuthorities();
  const common = { minVersion: config.minVersion, ...(ca === undefined ? {} : { ca }) };
  const options = { ...readPair('', config.certFile, config.keyFile), ...common };
  parsed('certFile', config.certFile, 'certificate chain', () => createSecureContext(options));
  const byServerName = new Map<string, SecureContext>();
  config.sni.forEach((entry, index) => {
    const prefix = `sni.${index}.`;
    const pair = readPair(prefix, entry.certFile, entry.keyFile);
    const context = parsed(`${prefix}certFile`, entry.certFile, 'certificate chain', () =>
      createSecureContext({ ...pair, ...common }),
    );
    byServerName.set(entry.serverName.toLowerCase(), context);
  });
  return { options, byServerName, warnings };

  function readAuthorities(): Buffer | undefined {
    if (config.caFile === '') {
      if (config.clientCertificate === 'none') return undefined;
      throw new ListenError(
        listener,
        `Listener ${listener}: client certificates are asked for, but listeners.${listener}.tls.caFile, which verifies them, is not set.`,
      );
    }
    const pem = read('caFile', config.caFile);
    parsed('caFile', config.caFile, 'certificate', () => new X509Certificate(pem));
    return pem;
  }
}

/** Exact name first, then the wildcard one label up. */
export function contextFor(material: TlsMaterial, serverName: string): SecureContext | undefined {
  const name = serverName.toLowerCase();
  const exact = material.byServerName.get(name);
  if (exact !== undefined) return exact;
  const dot = name.indexOf('.');
  return dot < 0 ? undefined : material.byServerName.get(`*${name.slice(dot)}`);
}

/** Only of a certificate that was verified; anything else must not become an identity. */
export function peerCertificateOf(socket: TLSSocket): PeerCertificate | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  // Several common names come as an array. Which one counts would be a guess, so none does.
  const commonName: unknown = certificate.toLegacyObject().subject?.CN;
  return {
    commonName: typeof commonName === 'string' ? commonName : '',
    subject: certificate.subject.split('\n').join(', '),
    fingerprint256: certificate.fingerprint256,
    subjectAltName: certificate.subjectAltName,
  };
}
