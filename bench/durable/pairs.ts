/**
 * QoS 1 between pairs of a publisher and a durable subscriber that is online, beside Mosquitto with persistence on.
 * That is no equal match: Mosquitto writes its file every half an hour and syncs nothing before it acknowledges.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadOptions } from '../load/options.ts';
import { measure, type Sample } from '../measure.ts';
import { mosquittoPeer } from '../peers/mosquitto.ts';
import type { Peer } from '../peers/peer.ts';
import { robustmqPeer } from '../peers/robustmq.ts';
import { median } from '../statistics.ts';
import { figure, type RowOptions, type Table } from './table.ts';

const PAIRS = 10;
const OFFERED_PER_SECOND = 20_000;
const SYNC_MS = 1000;
const SYNC_BYTES = 4096;
const TARGET_RATIO = 3;

const load: Partial<LoadOptions> = {
  qos: 1,
  publishers: PAIRS,
  subscribers: PAIRS,
  topics: PAIRS,
  spread: 'own',
  durable: true,
};

interface Contender {
  readonly title: string;
  readonly peer: Peer;
  readonly settings: readonly string[];
}

/** Writes with fdatasync per second, one after the other, on the disk where the brokers keep their data. */
function syncsPerSecond(): number {
  const folder = mkdtempSync(join(tmpdir(), 'bench-sync-'));
  const fd = openSync(join(folder, 'raw'), 'wx');
  const block = Buffer.alloc(SYNC_BYTES, 'r');
  const startedMs = performance.now();
  let count = 0;
  for (; performance.now() - startedMs < SYNC_MS; count++) {
    writeSync(fd, block, 0, SYNC_BYTES, count * SYNC_BYTES);
    fdatasyncSync(fd);
  }
  closeSync(fd);
  rmSync(folder, { recursive: true });
  return (count * 1000) / (performance.now() - startedMs);
}

async function sampleOf(
  { peer, settings }: Contender,
  more: Partial<LoadOptions>,
  options: RowOptions,
): Promise<Sample> {
  const { brokerCore: core, generatorCore, seconds } = options;
  const running = await peer.start({ core, robustmqSettings: settings });
  try {
    const whole = { ...load, ...more, seconds, warmSeconds: 1 };
    return await measure(whole, running, { core: generatorCore, mqload: undefined });
  } finally {
    await running.stop();
  }
}

export async function pairsRow(options: RowOptions): Promise<Table> {
  const ours = robustmqPeer();
  const contenders: Contender[] = [
    { title: 'RobustMQ, `sync`', peer: ours, settings: ['storage.durability=sync'] },
    { title: 'RobustMQ, `os`', peer: ours, settings: ['storage.durability=os'] },
    {
      title: 'Mosquitto, persistence, no fsync per message',
      peer: mosquittoPeer({ persistence: true }),
      settings: [],
    },
  ];
  const rates = new Map<Contender, Sample[]>(contenders.map((each) => [each, []]));
  const latencies = new Map<Contender, Sample[]>(contenders.map((each) => [each, []]));
  const syncs: number[] = [];
  const remarks: string[] = [];
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    syncs.push(syncsPerSecond());
    for (const contender of contenders) {
      const { peer, title } = contender;
      if (peer.unavailable !== undefined) {
        remarks.push(`${title} is left out: ${peer.unavailable}`);
        continue;
      }
      const atOnce = await sampleOf(contender, { window: 10_000 }, options);
      const paced = await sampleOf(contender, { rate: OFFERED_PER_SECOND, inFlight: 1000 }, options);
      rates.get(contender)?.push(atOnce);
      latencies.get(contender)?.push(paced);
      for (const sample of [atOnce, paced]) {
        for (const note of [sample.failure, ...sample.notes])
          if (note !== undefined) remarks.push(`${title}: ${note}`);
      }
      options.say(
        `pairs ${repeat + 1}/${options.repeats} ${title}: ${figure(atOnce.metrics.messagesPerSecond ?? Number.NaN)}/s`,
      );
    }
  }
  const middle = (samples: readonly Sample[] | undefined, metric: keyof Sample['metrics']): number =>
    median(
      (samples ?? []).filter((one) => one.failure === undefined).flatMap((one) => one.metrics[metric] ?? []),
    );
  const [first, , last] = contenders.map((each) => middle(rates.get(each), 'messagesPerSecond'));
  const ratio = (first ?? Number.NaN) / (last ?? Number.NaN);
  const verdict = Number.isNaN(ratio) ? 'no figure' : ratio >= TARGET_RATIO ? 'reached' : 'missed';
  return {
    title: `QoS 1, ${PAIRS} publishers → ${PAIRS} durable subscribers, online`,
    head: [
      'broker',
      'messages/s',
      'broker CPU, µs/message',
      'delivery p50 / p99, ms',
      'acknowledged p50 / p99, ms',
    ],
    rows: contenders.map((each) => {
      const paced = latencies.get(each);
      return [
        each.title,
        figure(middle(rates.get(each), 'messagesPerSecond')),
        figure(middle(rates.get(each), 'cpuMicrosPerMessage'), 1),
        `${figure(middle(paced, 'deliveryP50Ms'), 2)} / ${figure(middle(paced, 'deliveryP99Ms'), 2)}`,
        `${figure(middle(paced, 'roundTripP50Ms'), 2)} / ${figure(middle(paced, 'roundTripP99Ms'), 2)}`,
      ];
    }),
    remarks: [
      `\`sync\` to Mosquitto: ${figure(ratio, 2)} × (at least ${TARGET_RATIO} ×: ${verdict})`,
      `latencies at ${figure(OFFERED_PER_SECOND)} messages/s offered; the disk does ${figure(median(syncs))} fdatasync/s of ${SYNC_BYTES} bytes`,
      ...new Set(remarks),
    ],
  };
}
