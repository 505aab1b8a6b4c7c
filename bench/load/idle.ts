/**
 * Connections that do nothing but keep alive, each with one subscription of its own: how fast they connect, what
 * memory of the broker each of them costs, and what CPU time the broker needs to hold them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { encodeConnect, PINGREQ } from '../../src/load/codec.ts';
import { type Connection, createShared, openConnection } from '../../src/load/connection.ts';
import { openFleet } from '../../src/load/fleet.ts';
import { stampNow } from '../../src/load/stamp.ts';
import { createTally, Observe } from '../../src/load/tally.ts';
import { openFilesLimit, processUsage } from '../process-stats.ts';
import type { LoadOptions } from './options.ts';

export interface IdleResult {
  readonly wanted: number;
  readonly held: number;
  /** Fewer than wanted because this process may not open more files. */
  readonly cappedByOpenFiles: boolean;
  readonly connectionsPerSecond: number;
  readonly brokerCpuMicrosPerConnect?: number;
  readonly residentBytesPerConnection?: number;
  readonly brokerResidentBytes?: number;
  /** CPU time of the broker per second while the connections only ping. */
  readonly brokerLoadWhileHeld?: number;
  readonly pingsPerSecond: number;
  readonly generatorLoad: number;
  readonly failure?: string;
}

/** One address has some 28,000 ephemeral ports, and binding becomes slow long before they are used up. */
const SOURCE_ADDRESSES = 250;
const FILES_FOR_ITSELF = 64;
const MAX_FRAME_BYTES = 4096;
const CONNECT_STALL_MS = 10_000;
const SETTLE_MS = 2000;
const PING_SLICE_MS = 20;

function sourceAddress(index: number): string {
  return `127.0.1.${1 + (index % SOURCE_ADDRESSES)}`;
}

export async function runIdle(options: LoadOptions): Promise<IdleResult> {
  const limit = openFilesLimit();
  const possible = limit === undefined ? options.count : Math.max(1, limit - FILES_FOR_ITSELF);
  const wanted = options.count;
  const count = Math.min(wanted, possible);
  const connections: Connection[] = [];
  let held = 0;
  let failure: string | undefined;
  let ended = false;
  const tally = createTally({ observe: Observe.Nothing, payloadBytes: 0, maxFrameBytes: MAX_FRAME_BYTES });
  const shared = createShared(tally, MAX_FRAME_BYTES, {
    now: stampNow,
    onProgress: () => undefined,
    onFailure({ reason }) {
      if (!ended) failure ??= reason;
    },
  });

  const before = processUsage(options.brokerPid);
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  let movedMs = startedMs;
  await openFleet({
    count,
    atOnce: options.concurrency,
    rate: 0,
    now: stampNow,
    isStopped() {
      if (performance.now() - movedMs > CONNECT_STALL_MS) {
        failure ??= `no connection became ready for ${CONNECT_STALL_MS / 1000} s`;
      }
      return failure !== undefined;
    },
    open(index, _dueMs, settled) {
      const clientId = `bench-i${index}`;
      connections[index] = openConnection(
        {
          endpoint: { host: options.host, port: options.port, localAddress: sourceAddress(index) },
          version: options.version,
          connectPacket: encodeConnect(options.version, clientId, options.keepAliveSeconds),
          name: clientId,
          index,
          filter: `bench/idle/${index}`,
          onReady() {
            held++;
            movedMs = performance.now();
            settled();
          },
        },
        shared,
      );
    },
  });
  const connectSeconds = (performance.now() - startedMs) / 1000;
  const cpu = process.cpuUsage(startedCpu);
  const connected = processUsage(options.brokerPid);

  await delay(SETTLE_MS);
  const settled = processUsage(options.brokerPid);
  let pings = 0;
  const holdMs = performance.now();
  const periodMs = Math.max(1, options.keepAliveSeconds / 2) * 1000;
  let cursor = 0;
  while (failure === undefined && performance.now() - holdMs < options.seconds * 1000) {
    const due = Math.floor(((performance.now() - holdMs) / periodMs) * held);
    for (; cursor < due; cursor++, pings++) connections[cursor % connections.length]?.writer?.write(PINGREQ);
    await delay(PING_SLICE_MS);
  }
  const holdSeconds = (performance.now() - holdMs) / 1000;
  const end = processUsage(options.brokerPid);
  ended = true;

  return {
    wanted,
    held,
    cappedByOpenFiles: count < wanted,
    connectionsPerSecond: held / connectSeconds,
    pingsPerSecond: holdSeconds > 0 ? pings / holdSeconds : 0,
    generatorLoad: (cpu.user + cpu.system) / 1e6 / connectSeconds,
    ...(before === undefined || connected === undefined || settled === undefined || end === undefined
      ? {}
      : {
          brokerCpuMicrosPerConnect: ((connected.cpuSeconds - before.cpuSeconds) * 1e6) / Math.max(1, held),
          residentBytesPerConnection: (end.residentBytes - before.residentBytes) / Math.max(1, held),
          brokerResidentBytes: end.residentBytes,
          brokerLoadWhileHeld: holdSeconds > 0 ? (end.cpuSeconds - settled.cpuSeconds) / holdSeconds : 0,
        }),
    ...(failure === undefined ? {} : { failure }),
  };
}
