/**
 * The exclusive lock of a directory, held by listening on a socket in it: the system ends that with the process,
 * however it ends, and it is seen across containers that share the directory, where process numbers mean nothing.
 * It does not reach across machines that mount the same file system.
 *
 * A starter takes the number above all that there are, listens, and only then looks at the others: one with a higher
 * number or one that answers makes it withdraw. So of two that start at once at most one stays: whichever looked
 * second saw the other. Left-over names are removed by the holder alone, who answered while they did not.
 */
import { randomInt } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { diskErrorCode } from '../disk/disk.ts';
import { openSocketDirectory, type SocketDirectory } from './socket-path.ts';

export interface Lock {
  release(): Promise<void>;
}

/** Somebody else has it; `holder` is the number of that process, where it has noted it. */
export class LockTaken extends Error {
  override readonly name = 'LockTaken';
  readonly holder: number | undefined;
  constructor(directory: string, holder: number | undefined) {
    super(`${directory} is in use by ${holder === undefined ? 'another process' : `process ${holder}`}`);
    this.holder = holder;
  }
}

const FOLDER = 'lock';
const HOLDER_FILE = 'holder';
const NAME = /^\d{8}$/;
const MAX_ATTEMPTS = 20;
const MAX_BACKOFF_MS = 50;

const nameOf = (number: number): string => String(number).padStart(8, '0');

export async function takeLock(directory: string): Promise<Lock> {
  const folder = join(directory, FOLDER);
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const sockets = openSocketDirectory(folder, nameOf(0).length);
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      for (const number of await numbersIn(folder)) {
        if (await answers(sockets, number)) throw new LockTaken(directory, await holderOf(folder));
      }
      const server = await tryOnce(folder, sockets);
      if (server === undefined) {
        await delay(randomInt(1, MAX_BACKOFF_MS));
        continue;
      }
      // Only for messages: whether the lock is held does not depend on it.
      await writeFile(join(folder, HOLDER_FILE), `${process.pid}\n`).catch(() => undefined);
      return {
        async release() {
          await rm(join(folder, HOLDER_FILE), { force: true }).catch(() => undefined);
          await closed(server);
          sockets.release();
        },
      };
    }
    throw new LockTaken(directory, await holderOf(folder));
  } catch (error) {
    sockets.release();
    throw error;
  }
}

/** A server that holds the lock, or undefined when another starter was in the way. */
async function tryOnce(folder: string, sockets: SocketDirectory): Promise<net.Server | undefined> {
  const own = Math.max(0, ...(await numbersIn(folder))) + 1;
  const server = net.createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(sockets.pathOf(nameOf(own)), resolve);
    });
  } catch (error) {
    if (diskErrorCode(error) === 'EADDRINUSE') return undefined;
    throw error;
  }
  server.unref();
  try {
    const numbers = await numbersIn(folder);
    const others = numbers.filter((number) => number !== own);
    let isOurs = numbers.includes(own) && others.every((number) => number < own);
    for (const number of others) isOurs = isOurs && !(await answers(sockets, number));
    if (isOurs) {
      await Promise.all(others.map((number) => rm(join(folder, nameOf(number)), { force: true })));
      return server;
    }
  } catch (error) {
    await closed(server);
    throw error;
  }
  await closed(server);
  return undefined;
}

async function numbersIn(folder: string): Promise<number[]> {
  return (await readdir(folder)).filter((name) => NAME.test(name)).map(Number);
}

/** Only a refusal and a missing name say that nobody listens; in doubt somebody does. */
function answers(sockets: SocketDirectory, number: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(sockets.pathOf(nameOf(number)));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => resolve(!['ECONNREFUSED', 'ENOENT'].includes(diskErrorCode(error))));
  });
}

async function holderOf(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, HOLDER_FILE), 'utf8').catch(() => '');
  return /^\d+\n$/.test(text) ? Number(text) : undefined;
}

const closed = (server: net.Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
  });
