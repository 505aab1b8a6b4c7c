/**
 * bcrypt, as most tables of users have it: `$2b$10$` and 53 characters. It is worked out by a thread of its own, one password after
 * the other: in JavaScript it takes a tenth of a second and more, for which the broker must not stand still.
 */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { PasswordHash } from './kept-hash.ts';

/** 2^14 rounds take more than a second. */
const MAX_COST = 14;
const MIN_COST = 4;
const TEXT = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/;
const OWN = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const USUAL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const translated = (text: string, from: string, to: string): string =>
  text.replace(/./g, (character) => to.charAt(from.indexOf(character)));
const bytesOf = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(translated(text, OWN, USUAL), 'base64'));

export function parseBcrypt(text: string): PasswordHash | undefined {
  const [, digits = '', salt = '', hash = ''] = TEXT.exec(text) ?? [];
  const cost = Number(digits);
  if (digits === '' || cost < MIN_COST || cost > MAX_COST) return undefined;
  return { algorithm: 'bcrypt', parameters: { cost }, salt: bytesOf(salt), hash: bytesOf(hash) };
}

const CODE = `
const { parentPort, workerData } = require('node:worker_threads');
const { hashSync } = require(workerData);
parentPort.on('message', ({ password, setting }) => parentPort.postMessage(hashSync(password, setting)));
`;

interface Job {
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

let thread: Worker | undefined;
/** Answers come in the order of the questions. */
let jobs: Job[] = [];

function started(): Worker {
  if (thread !== undefined) return thread;
  // Not by its name: code that is no file has no place from which a package could be found.
  const made = new Worker(CODE, {
    eval: true,
    workerData: createRequire(import.meta.url).resolve('bcryptjs'),
    // Nothing of the environment is needed there.
    env: {},
  });
  const fail = (error: Error): void => {
    if (thread === made) thread = undefined;
    const failed = jobs;
    jobs = [];
    for (const { reject } of failed) reject(error);
  };
  made.on('message', (text: string) => {
    jobs.shift()?.resolve(text);
    // An idle thread does not keep a process.
    if (jobs.length === 0) made.unref();
  });
  made.on('error', fail);
  made.on('exit', () => fail(new Error('the thread for bcrypt has ended')));
  thread = made;
  return made;
}

/** As many as wait are the caller's to bound. */
export async function bcrypt(
  password: Uint8Array,
  { parameters, salt }: Pick<PasswordHash, 'parameters' | 'salt'>,
): Promise<Uint8Array> {
  const cost = String(parameters.cost).padStart(2, '0');
  const text = translated(Buffer.from(salt).toString('base64').replace(/=+$/, ''), USUAL, OWN);
  const made = await new Promise<string>((resolve, reject) => {
    const worker = started();
    jobs.push({ resolve, reject });
    worker.ref();
    worker.postMessage({ password: Buffer.from(password).toString(), setting: `$2b$${cost}$${text}` });
  });
  return bytesOf(made.slice(-31));
}
