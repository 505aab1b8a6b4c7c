/** What one generator run does, and its form as command-line arguments: run.ts writes them, main.ts reads them. */
import { parseArgs } from 'node:util';
import type { Qos } from '../../src/load/codec.ts';
import { STAMP_BYTES } from '../../src/load/stamp.ts';

export type LoadMode = 'messages' | 'idle' | 'retained';
/** Which topics subscriber j takes: all of them, or only topic j modulo `topics`. */
export type Spread = 'all' | 'own';

export interface LoadOptions {
  readonly mode: LoadMode;
  readonly host: string;
  readonly port: number;
  readonly version: 4 | 5;
  readonly qos: Qos;
  readonly publishers: number;
  readonly subscribers: number;
  readonly topics: number;
  readonly spread: Spread;
  readonly payloadBytes: number;
  /** Sessions of subscribers outlive their connections. */
  readonly durable: boolean;
  /** Deliveries on their way at most, over all connections: what closes the loop. */
  readonly window: number;
  /** Unacknowledged messages per publisher, for QoS 1 and 2. */
  readonly inFlight: number;
  /** Each publisher sends its next message when the last has arrived. */
  readonly sparse: boolean;
  /** Messages per second over all publishers; 0 is as fast as the window allows. */
  readonly rate: number;
  /** With a rate: how often what is due is sent; 0 sends each message when it is due. */
  readonly tickMicros: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  /** Mode idle: connections to hold. Mode retained: messages to store. */
  readonly count: number;
  /** Mode idle: connects under way at once. */
  readonly concurrency: number;
  readonly keepAliveSeconds: number;
  /** Mode retained: messages that one wildcard subscribe matches. */
  readonly matches: number;
  /** The broker's process, when its CPU time and memory are to be read; 0 otherwise. */
  readonly brokerPid: number;
}

export const defaultLoad: LoadOptions = {
  mode: 'messages',
  host: '127.0.0.1',
  port: 1883,
  version: 4,
  qos: 0,
  publishers: 1,
  subscribers: 1,
  topics: 1,
  spread: 'all',
  payloadBytes: 64,
  durable: false,
  window: 10_000,
  inFlight: 100,
  sparse: false,
  rate: 0,
  tickMicros: 0,
  seconds: 5,
  warmSeconds: 1,
  count: 0,
  concurrency: 200,
  keepAliveSeconds: 60,
  matches: 1000,
  brokerPid: 0,
};

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function loadArguments(options: Partial<LoadOptions>): string[] {
  return Object.entries(options).map(([key, value]) => `--${kebab(key)}=${value}`);
}

function oneOf<T>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => String(candidate) === value);
  if (found === undefined) throw new Error(`--${name}: ${value} is none of ${allowed.join(', ')}`);
  return found;
}

export function parseLoadArguments(argv: readonly string[]): LoadOptions {
  const keys = Object.keys(defaultLoad);
  const { values } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(keys.map((key) => [kebab(key), { type: 'string' as const }])),
  });
  const text = (key: keyof LoadOptions): string => String(values[kebab(key)] ?? defaultLoad[key]);
  const number = (key: keyof LoadOptions, min: number): number => {
    const value = Number(text(key));
    if (!Number.isFinite(value) || value < min)
      throw new Error(`--${kebab(key)}: not a number of ${min} or more`);
    return value;
  };
  const options: LoadOptions = {
    mode: oneOf('mode', text('mode'), ['messages', 'idle', 'retained'] as const),
    host: text('host'),
    port: number('port', 1),
    version: oneOf('version', text('version'), [4, 5] as const),
    qos: oneOf('qos', text('qos'), [0, 1, 2] as const),
    publishers: number('publishers', 0),
    subscribers: number('subscribers', 0),
    topics: number('topics', 1),
    spread: oneOf('spread', text('spread'), ['all', 'own'] as const),
    payloadBytes: number('payloadBytes', 0),
    durable: oneOf('durable', text('durable'), [true, false] as const),
    window: number('window', 1),
    inFlight: Math.min(number('inFlight', 1), 65_535),
    sparse: oneOf('sparse', text('sparse'), [true, false] as const),
    rate: number('rate', 0),
    tickMicros: number('tickMicros', 0),
    seconds: number('seconds', 0),
    warmSeconds: number('warmSeconds', 0),
    count: number('count', 0),
    concurrency: number('concurrency', 1),
    keepAliveSeconds: Math.min(number('keepAliveSeconds', 0), 65_535),
    matches: number('matches', 1),
    brokerPid: number('brokerPid', 0),
  };
  if ((options.rate > 0 || options.sparse) && options.payloadBytes < STAMP_BYTES) {
    throw new Error(`--payload-bytes: at least ${STAMP_BYTES}, a stamp must fit`);
  }
  if (options.mode === 'messages' && options.window < fanOut(options)) {
    throw new Error('--window: less than the deliveries of one message');
  }
  return options;
}

/** Deliveries that one published message causes. */
export function fanOut(options: LoadOptions): number {
  return options.spread === 'all' ? options.subscribers : Math.floor(options.subscribers / options.topics);
}
