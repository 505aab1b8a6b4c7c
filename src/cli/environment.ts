/** Whether a configuration can work on this machine: ports, certificates, the data directory, open files. Nothing is changed. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { access, constants, readFile, stat } from 'node:fs/promises';
import net from 'node:net';
import { dirname, resolve } from 'node:path';
import type { Config, TlsListenerConfig } from '../config/config.ts';
import { dataDirectoryProblem } from '../storage/data-directory/data-directory.ts';
import { type Finding, ok, problem, warning } from './findings.ts';
import { systemReason } from './read-config.ts';

/** Files besides connections: segments, libraries, pipes. */
const OWN_FILES = 256;
const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

export async function checkEnvironment(
  config: Config,
  { isRunning, nowMs }: { readonly isRunning: boolean; readonly nowMs: number },
): Promise<Finding[]> {
  return [
    ...(isRunning ? [] : await checkPorts(config)),
    ...(await checkCertificates(config, nowMs)),
    await checkDirectory(config.dataDir),
    checkOpenFiles(config),
  ];
}

async function checkPorts({ listeners }: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, listener] of Object.entries(listeners)) {
    if (!listener.enabled || !('port' in listener) || listener.port === 0) continue;
    const { host, port } = listener;
    const check = `listeners.${name}`;
    const error = await bindingFault(host, port);
    if (error === undefined) findings.push(ok(check, `${host}:${port} is free`));
    else {
      const isRefused = error.code === 'EACCES';
      findings.push(
        problem(
          check,
          `${host}:${port}: ${error.code === 'EADDRINUSE' ? 'the port is in use' : systemReason(error)}`,
          isRefused
            ? 'ports below 1024 need a privilege (CAP_NET_BIND_SERVICE), or choose a higher one'
            : `choose another with --set ${check}.port=PORT, or end what has it`,
        ),
      );
    }
  }
  return findings;
}

function bindingFault(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolvePromise) => {
    const server = net.createServer();
    server.once('error', resolvePromise);
    server.listen({ host, port }, () => server.close(() => resolvePromise(undefined)));
  });
}

async function checkCertificates({ listeners }: Config, nowMs: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of ['mqtts', 'wss', 'kafkas', 'https'] as const) {
    const { enabled, tls } = listeners[name];
    if (!enabled) continue;
    for (const { certFile, keyFile } of [tls, ...tls.sni]) {
      findings.push(await checkPair(`listeners.${name}.tls`, certFile, keyFile, nowMs));
    }
    if (tls.caFile !== '') findings.push(await checkAuthorities(`listeners.${name}.tls.caFile`, tls));
  }
  return findings;
}

async function checkPair(check: string, certFile: string, keyFile: string, nowMs: number): Promise<Finding> {
  const mend = 'a certificate and the key that belongs to it, both PEM';
  try {
    const certificate = new X509Certificate(await readFile(certFile));
    const key = createPrivateKey(await readFile(keyFile));
    if (!certificate.checkPrivateKey(key)) {
      return problem(check, `${keyFile} is not the key of ${certFile}`, `give it ${mend}`);
    }
    const days = Math.floor((Date.parse(certificate.validTo) - nowMs) / DAY_MS);
    if (days < 0)
      return problem(
        check,
        `${certFile} expired on ${certificate.validTo}`,
        'renew it, then `robustmq reload`',
      );
    if (Date.parse(certificate.validFrom) > nowMs) {
      return problem(
        check,
        `${certFile} counts from ${certificate.validFrom} on`,
        'check the clock of the machine',
      );
    }
    const detail = `${certFile} counts for ${days} more days`;
    return days < SOON_DAYS ? warning(check, detail, 'renew it, then `robustmq reload`') : ok(check, detail);
  } catch (error) {
    return problem(
      check,
      `${certFile}, ${keyFile}: ${systemReason(error)}`,
      `give it ${mend}, readable for the broker`,
    );
  }
}

async function checkAuthorities(check: string, { caFile }: TlsListenerConfig['tls']): Promise<Finding> {
  try {
    new X509Certificate(await readFile(caFile));
    return ok(check, `${caFile} is readable`);
  } catch (error) {
    return problem(
      check,
      `${caFile}: ${systemReason(error)}`,
      'certificates of authorities, PEM, readable for the broker',
    );
  }
}

/** The directory, or where it is to be made. */
async function checkDirectory(dataDir: string): Promise<Finding> {
  const path = resolve(dataDir);
  let existing = path;
  while (dirname(existing) !== existing) {
    const found = await stat(existing).catch(() => undefined);
    if (found !== undefined) break;
    existing = dirname(existing);
  }
  try {
    if (!(await stat(existing)).isDirectory()) {
      return problem('dataDir', `${existing} is not a directory`, 'choose another with --data-dir');
    }
    await access(existing, constants.W_OK | constants.X_OK);
    const unusable = existing === path ? await dataDirectoryProblem(path) : undefined;
    if (unusable !== undefined) {
      return problem(
        'dataDir',
        unusable,
        'choose another with --data-dir, or restore this one from a backup',
      );
    }
    return ok('dataDir', existing === path ? `${path} is writable` : `${path} can be made`);
  } catch (error) {
    return problem(
      'dataDir',
      `${existing}: ${systemReason(error)}`,
      'make it belong to the user of the broker, or choose another with --data-dir',
    );
  }
}

interface ProcessReport {
  readonly userLimits?: { readonly open_files?: { readonly soft: string | number } };
}

function checkOpenFiles({ limits }: Config): Finding {
  const report = process.report.getReport() as ProcessReport;
  const soft = report.userLimits?.open_files?.soft;
  const allowed = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
  const needed = limits.maxConnections + OWN_FILES;
  if (!Number.isFinite(allowed) || allowed >= needed) {
    return ok('open files', `${soft ?? 'unknown'} for ${limits.maxConnections} connections`);
  }
  return warning(
    'open files',
    `${allowed} files may be open, limits.maxConnections is ${limits.maxConnections}`,
    `ulimit -n ${needed} (systemd: LimitNOFILE=${needed}), or --set limits.maxConnections=${Math.max(1, allowed - OWN_FILES)}`,
  );
}
