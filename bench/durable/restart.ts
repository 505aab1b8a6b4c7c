/** How long after kill -9 a broker with much to remember answers a session that comes back. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../peers/peer.ts';
import { processUsage } from '../process-stats.ts';
import { median } from '../statistics.ts';
import { bytesOnDisk, launchBroker, main } from './broker.ts';
import { publishAll } from './publish.ts';
import { firstAnswer, makeSessions, sessionName } from './sessions.ts';
import { figure, type RowOptions, type Table } from './table.ts';

const RECORDS = 'bench/records';
const RETAINED = 'bench/retained';
const RECORD_TOPICS = 1000;
const RECORD_BYTES = 100;
const RETAINED_BYTES = 100;
const TARGET_SECONDS = 5;
const MIB = 1024 * 1024;
const STREAM = { name: 'records', capture: [`${RECORDS}/#`], partitions: 8, key: 'topic' };

interface Remembered {
  readonly records: number;
  readonly sessions: number;
  readonly retained: number;
}

/** What the broker itself says it has, by the command. */
async function remembered(folder: string): Promise<Remembered> {
  const ask = async (...verb: string[]): Promise<unknown> => {
    const args = [main, ...verb, '--data-dir', join(folder, 'data'), '-o', 'json'];
    return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout);
  };
  const status = (await ask('status')) as { sessions: number; retainedMessages: number };
  const { records } = (await ask('stream', 'show', STREAM.name)) as { records: number };
  return { records, sessions: status.sessions, retained: status.retainedMessages };
}

export async function restartRow(options: RowOptions): Promise<Table> {
  const { records, sessions, retained, brokerCore: core, say } = options;
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-restart-'));
  const configFile = join(folder, 'broker.json');
  writeFileSync(configFile, JSON.stringify({ streams: [STREAM] }));
  const port = await freePort();
  // The directory is filled at the speed of the disk; what is measured begins at the kill.
  const settings = ['storage.durability=os'];
  const launch = () => launchBroker({ folder, port, settings, configFile, core, inspect: false });
  const told = (what: string, count: number, seconds: number): void =>
    say(`restart: ${figure(count)} ${what} in ${figure(seconds, 1)} s`);
  let broker = launch();
  try {
    await firstAnswer(port, 'first', broker.crash);
    const batch = { port, prefix: RECORDS, topics: RECORD_TOPICS, payloadBytes: RECORD_BYTES, retain: false };
    told('records', records, (await publishAll({ ...batch, count: records })).seconds);
    told('sessions', sessions, await makeSessions(port, sessions, (index) => `bench/sessions/${index}/+`));
    const kept = { port, prefix: RETAINED, topics: retained, payloadBytes: RETAINED_BYTES, retain: true };
    told('retained messages', retained, (await publishAll({ ...kept, count: retained })).seconds);
    const seconds: number[] = [];
    const processorSeconds: number[] = [];
    const remarks: string[] = [];
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      await broker.kill();
      const startedMs = performance.now();
      broker = launch();
      const { isSessionPresent } = await firstAnswer(
        port,
        sessionName(repeat % Math.max(1, sessions)),
        broker.crash,
      );
      seconds.push((performance.now() - startedMs) / 1000);
      processorSeconds.push(processUsage(broker.pid)?.cpuSeconds ?? Number.NaN);
      if (!isSessionPresent)
        remarks.push('the session was not there: nothing was remembered, the figure means nothing');
      say(`restart ${repeat + 1}/${options.repeats}: ${figure(seconds.at(-1) ?? Number.NaN, 2)} s`);
    }
    const there = await remembered(folder).catch(() => undefined);
    if (there === undefined) remarks.push('the broker could not be asked what it has');
    else if (there.records < records || there.sessions < sessions || there.retained < retained)
      remarks.push('not everything is there');
    const middle = median(seconds);
    const memory = (processUsage(broker.pid)?.residentBytes ?? Number.NaN) / MIB;
    return {
      title: `restart after kill -9 with ${figure(records)} records, ${figure(sessions)} sessions, ${figure(retained)} retained messages`,
      head: ['figure', 'value', 'target', 'reached'],
      rows: [
        [
          'from the start of the process to the first CONNACK, s',
          `${figure(middle, 2)} (${seconds.map((each) => figure(each, 2)).join(', ')})`,
          `≤ ${TARGET_SECONDS}`,
          remarks.length === 0 && middle <= TARGET_SECONDS ? 'yes' : 'no',
        ],
        [
          'processor time until then, s',
          `${figure(median(processorSeconds), 2)} (${processorSeconds.map((each) => figure(each, 2)).join(', ')})`,
          '',
          '',
        ],
        [
          'records, sessions, retained messages that are there',
          there === undefined
            ? '–'
            : [there.records, there.sessions, there.retained].map((each) => figure(each)).join('; '),
          '',
          '',
        ],
        ['files, MiB', figure(bytesOnDisk(folder) / MIB), '', ''],
        ['memory after the start, MiB', figure(memory), '', ''],
      ],
      remarks: [
        'the files are in the page cache: what is measured is the broker, not the disk',
        ...new Set(remarks),
      ],
    };
  } finally {
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}
