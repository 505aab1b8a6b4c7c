/**
 * What is kept, measured: pairs beside Mosquitto, the fan-out to sessions that are away, and the start after a kill.
 * Broker on one core, generator on another, data in the temporary directory. Prints Markdown.
 *
 *   node --import tsx bench/durable.ts [--only pairs,fan-out,restart] [--secs 5] [--repeats 3] [--scale 1]
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, type as osType, release } from 'node:os';
import { parseArgs } from 'node:util';
import { fanOutRow } from './durable/fan-out.ts';
import { pairsRow } from './durable/pairs.ts';
import { restartRow } from './durable/restart.ts';
import { markdown, type RowOptions, type Table } from './durable/table.ts';
import { hasCommand } from './peers/peer.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'pairs,fan-out,restart' },
    secs: { type: 'string', default: '5' },
    repeats: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    'offline-sessions': { type: 'string', default: '1000' },
    messages: { type: 'string', default: '5000' },
    records: { type: 'string', default: '10000000' },
    sessions: { type: 'string', default: '100000' },
    retained: { type: 'string', default: '1000000' },
  },
});

const rows: Readonly<Record<string, (options: RowOptions) => Promise<Table>>> = {
  pairs: pairsRow,
  'fan-out': fanOutRow,
  restart: restartRow,
};

function positive(name: keyof typeof values): number {
  const value = Number(values[name]);
  if (Number.isFinite(value) && value > 0) return value;
  process.stderr.write(`--${name}: not a number above 0\n`);
  process.exit(2);
}

const scaled = (name: keyof typeof values): number =>
  Math.max(1, Math.round(positive(name) * positive('scale')));
const canPin = availableParallelism() > 1 && hasCommand('taskset');
const options: RowOptions = {
  seconds: positive('secs'),
  repeats: positive('repeats'),
  brokerCore: canPin ? 0 : undefined,
  generatorCore: canPin ? 1 : undefined,
  offlineSessions: scaled('offline-sessions'),
  messages: scaled('messages'),
  records: scaled('records'),
  sessions: scaled('sessions'),
  retained: scaled('retained'),
  say: (line) => void process.stderr.write(`${line}\n`),
};

// Rows whose generator is this process need it off the broker's core.
if (canPin) spawnSync('taskset', ['-apc', '1', String(process.pid)]);
const placing = canPin ? 'broker on core 0, generator on core 1' : 'NOT PINNED';
process.stdout.write(
  `${cpus()[0]?.model.trim()}, ${osType()} ${release()}, Node ${process.version}, ${placing}\n\n`,
);
for (const name of values.only.split(',')) {
  const row = rows[name];
  if (row === undefined) {
    process.stderr.write(`--only: ${name} is none of ${Object.keys(rows).join(', ')}\n`);
    process.exit(2);
  }
  try {
    process.stdout.write(`${markdown(await row(options))}\n`);
  } catch (error) {
    process.stdout.write(
      `**${name}**: failed: ${error instanceof Error ? error.message : String(error)}\n\n`,
    );
    process.exitCode = 1;
  }
}
