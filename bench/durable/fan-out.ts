/**
 * One publisher to durable sessions that are all away: how fast deliveries are queued, and what one costs on disk and
 * in memory beyond the message, which is there once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../peers/peer.ts';
import { processUsage } from '../process-stats.ts';
import { bytesOnDisk, launchBroker } from './broker.ts';
import { publishAll, topicOf } from './publish.ts';
import { firstAnswer, makeSessions } from './sessions.ts';
import { figure, type RowOptions, type Table } from './table.ts';

const PREFIX = 'bench/fan-out';
const PAYLOAD_BYTES = 64;
/** Nobody waits for it, and only the last one is kept. */
const FILLER = 'bench/filler';
const FILLER_BYTES = 64 * 1024;
const TARGET = { perSecond: 1_000_000, diskBytes: 16, memoryBytes: 8 };
const SETTLE_MS = 1500;
const MIB = 1024 * 1024;
const JOURNAL_TAIL_BYTES = 20 * MIB;

export async function fanOutRow(options: RowOptions): Promise<Table> {
  const { offlineSessions, messages, brokerCore: core, say } = options;
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-fan-out-'));
  const port = await freePort();
  const settings = ['mqtt.queue.maxMessages=10000000', 'mqtt.queue.maxSize=1GiB'];
  const broker = launchBroker({ folder, port, settings, core, inspect: true });
  try {
    await firstAnswer(port, 'first', broker.crash);
    await makeSessions(port, offlineSessions, () => `${PREFIX}/+`);
    say(`fan-out: ${figure(offlineSessions)} sessions are there and away`);
    const batch = { port, prefix: PREFIX, topics: 1, payloadBytes: PAYLOAD_BYTES, retain: false };
    // The first ones warm the code up. What the journal keeps of its end in memory is filled in advance: its size is fixed,
    // it is no cost of a delivery.
    const warm = Math.ceil(messages / 5);
    await publishAll({ ...batch, count: warm });
    const large = { port, prefix: FILLER, topics: 1, payloadBytes: FILLER_BYTES, retain: true };
    await publishAll({ ...large, count: Math.ceil(JOURNAL_TAIL_BYTES / FILLER_BYTES) });
    say(`fan-out: ${figure(warm)} messages in advance`);
    await delay(SETTLE_MS);
    const before = { live: await broker.liveBytes(), disk: bytesOnDisk(folder) };
    const cpuBefore = processUsage(broker.pid)?.cpuSeconds ?? Number.NaN;
    const { seconds, refused } = await publishAll({ ...batch, count: messages });
    const cpuSeconds = (processUsage(broker.pid)?.cpuSeconds ?? Number.NaN) - cpuBefore;
    await delay(SETTLE_MS);
    const live = (await broker.liveBytes()) - before.live;
    const disk = bytesOnDisk(folder) - before.disk;
    const crash = broker.crash();
    const deliveries = messages * offlineSessions;
    const messageBytes = messages * (PAYLOAD_BYTES + topicOf(PREFIX, 0).length);
    const perSecond = deliveries / seconds;
    const diskEach = (disk - messageBytes) / deliveries;
    const memoryEach = (live - messageBytes) / deliveries;
    const verdict = (holds: boolean): string => (holds ? 'yes' : 'no');
    return {
      title: `1 publisher → ${figure(offlineSessions)} durable sessions that are away, QoS 1, ${figure(messages)} messages`,
      head: ['figure', 'value', 'target', 'reached'],
      rows: [
        [
          'deliveries queued/s',
          figure(perSecond),
          `≥ ${figure(TARGET.perSecond)}`,
          verdict(perSecond >= TARGET.perSecond),
        ],
        [
          'bytes of disk per delivery, beyond the messages',
          figure(diskEach, 2),
          `≤ ${TARGET.diskBytes}`,
          verdict(diskEach <= TARGET.diskBytes),
        ],
        [
          'bytes of memory per delivery, beyond the messages',
          figure(memoryEach, 2),
          `≤ ${TARGET.memoryBytes}`,
          verdict(memoryEach <= TARGET.memoryBytes),
        ],
        ['messages acknowledged/s', figure(messages / seconds), '', ''],
        ['broker CPU, ns per delivery', figure((cpuSeconds * 1e9) / deliveries), '', ''],
      ],
      remarks: [
        `${figure(messageBytes / MIB, 1)} MiB of messages; grew by ${figure(live / MIB, 1)} MiB of heap and array buffers after a collection, ${figure(disk / MIB, 1)} MiB of files`,
        ...(refused > 0 ? [`${refused} messages were refused`] : []),
        ...(crash === undefined ? [] : [`the broker ended: ${crash}`]),
      ],
    };
  } finally {
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}
