/** Where a client connects to: the broker's address from a URL or options, and the byte stream to it. */
import { readFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { CliError, ExitCode } from './exit-codes.ts';
import { systemReason } from './read-config.ts';

export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure?: boolean;
}

export interface Target {
  readonly transport: 'tcp' | 'tls' | 'ws' | 'wss' | 'unix';
  readonly host: string;
  readonly port: number;
  /** Of the WebSocket or of the Unix socket. */
  readonly path: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: TlsFiles;
}

const schemes: ReadonlyMap<string, { readonly transport: Target['transport']; readonly port: number }> =
  new Map([
    ['mqtt:', { transport: 'tcp', port: 1883 }],
    ['tcp:', { transport: 'tcp', port: 1883 }],
    ['mqtts:', { transport: 'tls', port: 8883 }],
    ['ssl:', { transport: 'tls', port: 8883 }],
    ['ws:', { transport: 'ws', port: 8083 }],
    ['wss:', { transport: 'wss', port: 8084 }],
    ['mqtt+unix:', { transport: 'unix', port: 0 }],
  ]);

export interface TargetOptions extends TlsFiles {
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
}

export function targetFrom(options: TargetOptions): Target {
  const { url, host, port, ...tls } = options;
  if (url !== undefined && (host !== undefined || port !== undefined)) {
    throw new CliError(ExitCode.Usage, 'give either --url or --host and --port');
  }
  const files: TlsFiles = {
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.insecure === undefined ? {} : { insecure: tls.insecure }),
  };
  const withTls = Object.keys(files).length > 0;
  if (url !== undefined) return targetFromUrl(url, files);
  return {
    transport: withTls ? 'tls' : 'tcp',
    host: host ?? 'localhost',
    port: port ?? (withTls ? 8883 : 1883),
    path: '',
    username: undefined,
    password: undefined,
    tls: files,
  };
}

function targetFromUrl(text: string, tls: TlsFiles): Target {
  // The URL may carry a password, so no message repeats it.
  const wrong = `--url takes ${[...schemes.keys()].map((scheme) => `${scheme}//`).join(', ')}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const scheme = schemes.get(url?.protocol ?? '');
  if (url === undefined || scheme === undefined) throw new CliError(ExitCode.Usage, wrong);
  const { transport } = scheme;
  if (transport === 'unix' ? url.pathname === '' : url.hostname === '')
    throw new CliError(ExitCode.Usage, wrong);
  const isWebSocket = transport === 'ws' || transport === 'wss';
  return {
    transport,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? scheme.port : Number(url.port),
    path: isWebSocket && (url.pathname === '' || url.pathname === '/') ? '/mqtt' : url.pathname + url.search,
    username: url.username === '' ? undefined : decode(url.username),
    password: url.password === '' ? undefined : decode(url.password),
    tls,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new CliError(ExitCode.Usage, 'the user name or password in --url is not percent-encoded');
  }
}

export function describeTarget({ transport, host, port, path }: Target): string {
  return transport === 'unix' ? path : `${host}:${port}`;
}

/** Connects, or ends the verb with `Unreachable` and the reason in one sentence. */
export async function openStream(target: Target, timeoutMs: number): Promise<Duplex> {
  const tlsOptions = await readTlsFiles(target.tls);
  const opened =
    target.transport === 'ws' || target.transport === 'wss'
      ? await openWebSocket(target, tlsOptions)
      : openSocket(target, tlsOptions);
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      opened.stream.destroy();
      reject(new CliError(ExitCode.Unreachable, `cannot connect to ${describeTarget(target)}: ${reason}`));
    };
    const timer = setTimeout(() => fail('timed out'), timeoutMs);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      fail(systemReason(error));
    };
    opened.stream.once('error', failed);
    opened.onOpen(() => {
      clearTimeout(timer);
      opened.stream.off('error', failed);
      resolve(opened.stream);
    });
  });
}

interface Opened {
  readonly stream: Duplex;
  onOpen(callback: () => void): void;
}

interface TlsOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized: boolean;
}

async function readTlsFiles(files: TlsFiles): Promise<TlsOptions> {
  const read = async (name: 'ca' | 'cert' | 'key'): Promise<object> => {
    const path = files[name];
    if (path === undefined) return {};
    try {
      return { [name]: await readFile(path) };
    } catch (error) {
      throw new CliError(ExitCode.Usage, `cannot read ${path} (--${name}): ${systemReason(error)}`);
    }
  };
  const [ca, cert, key] = await Promise.all([read('ca'), read('cert'), read('key')]);
  return { ...ca, ...cert, ...key, rejectUnauthorized: files.insecure !== true };
}

function openSocket(target: Target, tls: TlsOptions): Opened {
  const { transport, host, port, path } = target;
  if (transport === 'tls') {
    const isName = /[a-z]/i.test(host) && !host.includes(':');
    const stream = connectTls({
      host,
      port,
      ...(isName ? { servername: host } : {}),
      ALPNProtocols: ['mqtt'],
      ...tls,
    });
    return { stream, onOpen: (callback) => void stream.once('secureConnect', callback) };
  }
  const stream = transport === 'unix' ? connectTcp({ path }) : connectTcp({ host, port, noDelay: true });
  return { stream, onOpen: (callback) => void stream.once('connect', callback) };
}

async function openWebSocket(target: Target, tls: TlsOptions): Promise<Opened> {
  const { WebSocket, createWebSocketStream } = await import('ws');
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  const socket = new WebSocket(`${target.transport}://${host}:${target.port}${target.path}`, ['mqtt'], {
    perMessageDeflate: false,
    ...tls,
  });
  const stream = createWebSocketStream(socket);
  return { stream, onOpen: (callback) => void socket.once('open', callback) };
}
