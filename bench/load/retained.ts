/**
 * Retained messages: stores `count` of them (QoS 1, so that each is known to be stored), then times wildcard
 * subscribes that match `matches` each, from writing SUBSCRIBE to the arrival of the last message.
 */

import {
  encodeConnect,
  encodePublishBlock,
  encodeSubscribe,
  encodeUnsubscribe,
  patchPacketIds,
} from '../../src/load/codec.ts';
import { type Connection, createShared, isFlushed, openConnection } from '../../src/load/connection.ts';
import { createHistogram, type LatencySummary, record, summarize } from '../../src/load/histogram.ts';
import { stampNow } from '../../src/load/stamp.ts';
import { createTally, Observe } from '../../src/load/tally.ts';
import { processUsage } from '../process-stats.ts';
import type { LoadOptions } from './options.ts';

export interface RetainedResult {
  readonly stored: number;
  readonly storedPerSecond: number;
  readonly residentBytesPerMessage?: number;
  readonly brokerResidentBytes?: number;
  readonly subscribe?: LatencySummary;
  readonly generatorLoad: number;
  readonly failure?: string;
}

const BATCH = 256;
const GROUP_DIGITS = 6;
const MEMBER_DIGITS = 6;
const STALL_MS = 10_000;
const SUBSCRIBES = 20;

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

function filterOf(group: number): string {
  return `bench/retained/${digits(group, GROUP_DIGITS)}/+`;
}

/** Polls on each turn of the loop; undefined when `ms` pass without `done`. */
function turnUntil(done: () => boolean, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms;
  return new Promise((resolve) => {
    const turn = (): void => {
      if (done()) resolve(true);
      else if (performance.now() > deadline) resolve(false);
      else setImmediate(turn);
    };
    turn();
  });
}

export async function runRetained(options: LoadOptions): Promise<RetainedResult> {
  const maxFrameBytes = options.payloadBytes + 4096;
  const { payloadBytes, version, host, port } = options;
  const tally = createTally({ observe: Observe.Nothing, payloadBytes, maxFrameBytes });
  let failure: string | undefined;
  let ended = false;
  const shared = createShared(tally, maxFrameBytes, {
    now: stampNow,
    onProgress: () => undefined,
    onFailure({ reason }) {
      if (!ended) failure ??= reason;
    },
  });
  const open = (name: string): Connection =>
    openConnection(
      {
        endpoint: { host, port },
        version,
        connectPacket: encodeConnect(version, name, 0, options.durable),
        name,
        index: 0,
        onReady: () => undefined,
      },
      shared,
    );
  const publisher = open('bench-p');
  const subscriber = open('bench-s');
  const before = processUsage(options.brokerPid);
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  await turnUntil(() => failure !== undefined || (publisher.ready && subscriber.ready), STALL_MS);

  const topic = `bench/retained/${digits(0, GROUP_DIGITS)}/${digits(0, MEMBER_DIGITS)}`;
  const block = encodePublishBlock({ topic, version, qos: 1, retain: true, payloadBytes }, BATCH);
  const digitsEnd = block.packetIdOffset;
  const encoder = new TextEncoder();
  let stored = 0;
  while (failure === undefined && stored < options.count) {
    const count = Math.min(BATCH, options.count - stored);
    for (let i = 0; i < count; i++) {
      const group = Math.floor((stored + i) / options.matches);
      const member = (stored + i) % options.matches;
      const text = `${digits(group, GROUP_DIGITS)}/${digits(member, MEMBER_DIGITS)}`;
      encoder.encodeInto(text, block.bytes.subarray(i * block.stride + digitsEnd - text.length));
    }
    publisher.packetId = patchPacketIds(block, count, publisher.packetId);
    publisher.inFlight += count;
    publisher.writer?.write(block.bytes.subarray(0, count * block.stride));
    stored += count;
    const room = (): boolean => publisher.inFlight * 2 <= BATCH && isFlushed(publisher);
    if (!(await turnUntil(() => failure !== undefined || room(), STALL_MS)))
      failure ??= 'stalled while storing';
  }
  await turnUntil(() => failure !== undefined || publisher.inFlight === 0, STALL_MS);
  const storedSeconds = (performance.now() - startedMs) / 1000;
  const after = processUsage(options.brokerPid);

  const subscribe = createHistogram();
  const groups = Math.floor(options.count / options.matches);
  for (let i = 0; failure === undefined && groups > 0 && i < SUBSCRIBES; i++) {
    const filter = filterOf(Math.floor((i * groups) / SUBSCRIBES));
    const wanted = tally.received + options.matches;
    const sentMs = performance.now();
    subscriber.writer?.write(encodeSubscribe(version, 1, filter, 0));
    if (await turnUntil(() => failure !== undefined || tally.received >= wanted, STALL_MS)) {
      record(subscribe, performance.now() - sentMs);
    } else {
      failure ??= `a subscribe brought ${tally.received - wanted + options.matches} of ${options.matches} messages`;
    }
    subscriber.writer?.write(encodeUnsubscribe(version, 2, filter));
  }
  const cpu = process.cpuUsage(startedCpu);
  ended = true;

  return {
    stored,
    storedPerSecond: stored / storedSeconds,
    generatorLoad: (cpu.user + cpu.system) / 1e6 / ((performance.now() - startedMs) / 1000),
    ...(before === undefined || after === undefined
      ? {}
      : {
          residentBytesPerMessage: (after.residentBytes - before.residentBytes) / Math.max(1, stored),
          brokerResidentBytes: after.residentBytes,
        }),
    ...(subscribe.count > 0 ? { subscribe: summarize(subscribe) } : {}),
    ...(failure === undefined ? {} : { failure }),
  };
}
