/** Certificates of the listeners that are on: what their files have now, which is what the next reload takes. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { CertificatesView, CertificateView } from '../admin/operations/certificates.ts';
import type { Config } from '../config/config.ts';

const LISTENERS = ['mqtts', 'wss', 'kafkas', 'https'] as const;

/** A distinguished name is lines; alternative names are a list in one. */
const oneLine = (text: string): string => text.split('\n').join(', ');

function problemOf(notBeforeMs: number, notAfterMs: number, nowMs: number): string | null {
  if (nowMs > notAfterMs) return 'it has expired';
  return nowMs < notBeforeMs ? 'it is not good yet' : null;
}

async function viewOf(
  listener: string,
  serverName: string | null,
  file: string,
  nowMs: number,
): Promise<CertificateView> {
  const where = { listener, serverName, file };
  try {
    const certificate = new X509Certificate(await readFile(file));
    const notBeforeMs = Date.parse(certificate.validFrom);
    const notAfterMs = Date.parse(certificate.validTo);
    return {
      ...where,
      subject: oneLine(certificate.subject),
      issuer: oneLine(certificate.issuer),
      names: certificate.subjectAltName?.split(', ') ?? [],
      fingerprint256: certificate.fingerprint256,
      notBeforeMs,
      notAfterMs,
      problem: problemOf(notBeforeMs, notAfterMs, nowMs),
    };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    const unknown = { subject: null, issuer: null, names: [], fingerprint256: null };
    return { ...where, ...unknown, notBeforeMs: null, notAfterMs: null, problem };
  }
}

export function certificatesView({ listeners }: Config, wallMs: () => number): CertificatesView {
  return {
    list() {
      const nowMs = wallMs();
      return Promise.all(
        LISTENERS.filter((name) => listeners[name].enabled).flatMap((name) => {
          const { certFile, sni } = listeners[name].tls;
          return [
            viewOf(name, null, certFile, nowMs),
            ...sni.map((each) => viewOf(name, each.serverName, each.certFile, nowMs)),
          ];
        }),
      );
    },
  };
}
