/**
 * Requests to the services that decide or that publish keys. The operator has written their addresses; what is kept off is what
 * nobody means: addresses of the link (where clouds serve credentials), redirects, certificates that are not in order, answers
 * without an end. The address that was checked is the one that is connected to.
 *
 * Guaranteed: at most `maxInFlight` requests at once, and `maxWaiting` wait; an answer is there, whole, within `timeoutMs`.
 */
import { type LookupAddress, lookup } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { createGate } from '../passwords/gate.ts';

export interface HttpClientOptions {
  readonly timeoutMs: number;
  readonly maxInFlight: number;
  readonly maxWaiting: number;
  readonly maxAnswerBytes: number;
  readonly allowLinkLocal: boolean;
  /** PEM of authorities in place of the system's. */
  readonly ca?: string;
  /** All addresses of a name; in place of the system's. */
  readonly resolve?: Resolve;
}

export type Resolve = (
  host: string,
  done: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void;

export interface HttpAnswer {
  readonly status: number;
  /** When to come again, as the service writes it. */
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export interface HttpClient {
  /** Rejects when there is no whole answer. */
  send(request: HttpRequest): Promise<HttpAnswer | 'busy'>;
  close(): void;
}

const KEPT_ALIVE_MS = 15_000;
const MAX_HEADER_BYTES = 16 * 1024;

const linkLocal = new net.BlockList();
linkLocal.addSubnet('169.254.0.0', 16, 'ipv4');
linkLocal.addSubnet('::ffff:169.254.0.0', 112, 'ipv6');
linkLocal.addSubnet('fe80::', 10, 'ipv6');
linkLocal.addAddress('fd00:ec2::254', 'ipv6');

export function isLinkLocal(address: string): boolean {
  const family = net.isIP(address);
  return family !== 0 && linkLocal.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

const refusal = (host: string): Error =>
  new Error(`${host} is an address of the link, which is not connected to unless allowLinkLocal is set`);

type LookupDone = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

const resolveBySystem: Resolve = (host, done) => {
  lookup(host, { all: true }, (error, addresses) => done(error, addresses ?? []));
};

/** All addresses of a name are checked before any is given: the one that is connected to is one of them. */
const checkedLookup =
  (resolve: Resolve) =>
  (host: string, options: { readonly all?: boolean }, done: LookupDone): void => {
    resolve(host, (error, addresses) => {
      const [first] = addresses;
      if (error !== null || first === undefined) done(error ?? new Error(`${host} has no address`), '');
      else if (addresses.some(({ address }) => isLinkLocal(address))) done(refusal(host), '');
      else if (options.all === true) done(null, [...addresses]);
      else done(null, first.address, first.family);
    });
  };

function exchange(
  { method, url, headers, ...rest }: HttpRequest,
  options: HttpClientOptions,
  agent: http.Agent,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (!options.allowLinkLocal && isLinkLocal(host)) {
      reject(refusal(host));
      return;
    }
    const { body, signal } = rest;
    let hasAnswered = false;
    const deadline = AbortSignal.timeout(options.timeoutMs);
    const fail = (error: Error): void =>
      reject(deadline.aborted ? new Error(`no whole answer within ${options.timeoutMs} ms`) : error);
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      method,
      agent,
      maxHeaderSize: MAX_HEADER_BYTES,
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
      ...(options.allowLinkLocal
        ? {}
        : { lookup: checkedLookup(options.resolve ?? resolveBySystem) as net.LookupFunction }),
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      // A kept connection that the service closed just now: it has not seen the request.
      const isStale = request.reusedSocket && error.code === 'ECONNRESET' && !hasAnswered;
      if (isStale) exchange({ method, url, headers, ...rest }, options, agent).then(resolve, reject);
      else fail(error);
    });
    request.on('response', (response) => {
      hasAnswered = true;
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('error', fail);
      response.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > options.maxAnswerBytes) response.destroy(new Error('the answer is too long'));
        else parts.push(part);
      });
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, retryAfter: headers['retry-after'], body: Buffer.concat(parts) });
      });
    });
    request.end(body);
  });
}

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const gate = createGate(options.maxInFlight, options.maxWaiting);
  const kept = { keepAlive: true, maxSockets: options.maxInFlight, timeout: KEPT_ALIVE_MS };
  const plain = new http.Agent(kept);
  const secure = new https.Agent({
    ...kept,
    minVersion: 'TLSv1.2',
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
  return {
    send: (request) =>
      gate.run(() => exchange(request, options, request.url.protocol === 'https:' ? secure : plain)),
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

/** The object in an answer; undefined where it is none. */
export function jsonObject(body: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
