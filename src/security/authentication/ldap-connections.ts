/**
 * Connections to a directory: a bounded number of them, kept open between log-ins for a while. The stream is opened here and
 * handed to the library once: a connection that is lost is given up, and never opened again behind our back, perhaps without TLS.
 *
 * Guaranteed: the certificate is checked; with StartTLS nothing that came in front of it is taken for an answer behind it; work
 * that takes too long ends with its connection.
 */
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Client } from 'ldapts';
import { createGate } from '../passwords/gate.ts';

export interface LdapServer {
  readonly host: string;
  readonly port: number;
  readonly security: 'none' | 'starttls' | 'tls';
  /** PEM, in place of the system's. */
  readonly ca: string | undefined;
}

export interface LdapConnectionsOptions {
  readonly server: LdapServer;
  readonly library: Pick<typeof import('ldapts'), 'Client' | 'ResultCodeError'>;
  readonly timeoutMs: number;
  readonly maxConnections: number;
  readonly maxWaiting: number;
}

export interface LdapConnection {
  readonly client: Client;
  /** Bound as who looks for users. */
  isSearcher: boolean;
}

export interface LdapConnections {
  /** Rejects when the connection is lost or `signal` ends; what the directory answers is the work's own to see. */
  use<T>(work: (connection: LdapConnection) => Promise<T>, signal: AbortSignal): Promise<T | 'busy'>;
  close(): void;
}

interface Kept extends LdapConnection {
  readonly socket: Socket;
  idleTimer: NodeJS.Timeout | undefined;
}

const IDLE_MS = 30_000;
const START_TLS = Buffer.from('301d02010177188016312e332e362e312e342e312e313436362e3230303337', 'hex');
const MAX_ANSWER_BYTES = 4096;

/** Where the element ends that begins at `at`, and where its content begins; undefined where it is not all there. */
function element(bytes: Buffer, at: number): { readonly start: number; readonly end: number } | undefined {
  const first = bytes[at + 1];
  if (first === undefined) return undefined;
  if (first < 0x80) return { start: at + 2, end: at + 2 + first };
  const count = first & 0x7f;
  if (count === 0 || count > 4) throw new Error('an answer that is no LDAP');
  if (bytes.length < at + 2 + count) return undefined;
  const start = at + 2 + count;
  return { start, end: start + bytes.readUIntBE(at + 2, count) };
}

/** undefined: more has to come. Throws where TLS does not begin here. */
export function isStartTlsAnswered(bytes: Buffer): true | undefined {
  const message = element(bytes, 0);
  if (bytes.length > MAX_ANSWER_BYTES) throw new Error('an answer to StartTLS without an end');
  if (message === undefined || bytes.length < message.end) return undefined;
  // It is not protected: whoever put it there wants it to be taken for what comes after.
  if (bytes.length > message.end) throw new Error('something came behind the answer to StartTLS');
  const isOurs = bytes[0] === 0x30 && bytes.readUIntBE(message.start, 3) === 0x02_01_01;
  const response = element(bytes, message.start + 3);
  if (!isOurs || response === undefined || bytes[message.start + 3] !== 0x78) {
    throw new Error('an answer to StartTLS that is none');
  }
  const isEnumerated = bytes.readUInt16BE(response.start) === 0x0a_01;
  if (!isEnumerated || bytes[response.start + 2] !== 0) throw new Error('the directory refuses StartTLS');
  return true;
}

async function startTls(socket: Socket, signal: AbortSignal): Promise<void> {
  socket.write(START_TLS);
  let answer = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
    answer = Buffer.concat([answer, chunk]);
    if (isStartTlsAnswered(answer) === true) break;
  }
  socket.pause();
}

/** A stream on which LDAP can be spoken, or a rejection; nothing stays open then. */
async function openStream({ host, port, security, ca }: LdapServer, signal: AbortSignal): Promise<Socket> {
  const settings: ConnectionOptions = {
    host,
    port,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
  };
  let socket: Socket = security === 'tls' ? connectTls(settings) : connect({ host, port });
  const opened: Socket[] = [socket];
  const giveUp = (): void => {
    for (const each of opened) each.destroy();
  };
  // Whoever waits hears of it; between two waits it is only noted.
  socket.on('error', () => {});
  try {
    await once(socket, security === 'tls' ? 'secureConnect' : 'connect', { signal });
    socket.setNoDelay(true);
    if (security === 'starttls') {
      await startTls(socket, signal);
      socket = connectTls({ ...settings, socket });
      socket.on('error', () => {});
      opened.push(socket);
      await once(socket, 'secureConnect', { signal });
    }
    return socket;
  } catch (error) {
    giveUp();
    throw error;
  }
}

export function createLdapConnections(options: LdapConnectionsOptions): LdapConnections {
  const { server, library, timeoutMs, maxConnections, maxWaiting } = options;
  const gate = createGate(maxConnections, maxWaiting);
  const idle: Kept[] = [];
  const all = new Set<Kept>();
  let isClosed = false;

  const drop = (connection: Kept): void => {
    clearTimeout(connection.idleTimer);
    connection.socket.destroy();
    all.delete(connection);
    const at = idle.indexOf(connection);
    if (at >= 0) idle.splice(at, 1);
  };

  const open = async (signal: AbortSignal): Promise<Kept> => {
    const socket = await openStream(server, signal);
    let isGiven = false;
    const client = new library.Client({
      url: `ldap://${isIP(server.host) === 6 ? `[${server.host}]` : server.host}:${server.port}`,
      timeout: timeoutMs,
      createConnection: () => {
        if (isGiven || socket.destroyed) throw new Error('the connection to the directory was lost');
        isGiven = true;
        return socket;
      },
    });
    const connection: Kept = { client, socket, isSearcher: false, idleTimer: undefined };
    all.add(connection);
    socket.once('close', () => drop(connection));
    if (isClosed) drop(connection);
    return connection;
  };

  const keep = (connection: Kept): void => {
    if (isClosed || connection.socket.destroyed) {
      drop(connection);
      return;
    }
    connection.idleTimer = setTimeout(() => drop(connection), IDLE_MS);
    connection.idleTimer.unref();
    idle.push(connection);
  };

  const attempt = async <T>(
    kept: Kept | undefined,
    work: (connection: LdapConnection) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> => {
    const connection = kept ?? (await open(signal));
    clearTimeout(connection.idleTimer);
    let cut = (): void => {};
    const isCut = new Promise<never>((_, reject) => {
      cut = () => {
        drop(connection);
        reject(new Error('the directory does not answer in time'));
      };
    });
    isCut.catch(() => {});
    signal.addEventListener('abort', cut);
    try {
      const done = await Promise.race([work(connection), isCut]);
      keep(connection);
      return done;
    } catch (error) {
      drop(connection);
      throw error;
    } finally {
      signal.removeEventListener('abort', cut);
    }
  };

  return {
    use: (work, outer) =>
      gate.run(async () => {
        const signal = AbortSignal.any([outer, AbortSignal.timeout(timeoutMs)]);
        signal.throwIfAborted();
        const kept = idle.pop();
        if (kept === undefined) return attempt(undefined, work, signal);
        try {
          return await attempt(kept, work, signal);
        } catch (error) {
          // The directory may have closed it meanwhile.
          if (signal.aborted || error instanceof library.ResultCodeError) throw error;
          return attempt(undefined, work, signal);
        }
      }),
    close() {
      isClosed = true;
      for (const connection of [...all]) drop(connection);
    },
  };
}
