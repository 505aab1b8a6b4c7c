/**
 * `$SYS` topics under the names that Mosquitto made common. Kept as retained messages, so that a new subscriber has
 * them at once, and published again only where the value has changed.
 */
import type { Message } from '../../kernel/message.ts';
import type { Mqtt } from './context.ts';
import { publishMessage } from './publish-message.ts';

export interface SysTopics {
  /** Publishes what has changed since the last call. */
  publish(): void;
}

const PREFIX = '$SYS/broker/';
const NOTHING = new Uint8Array(0);
const LOAD_MINUTES = [1, 5, 15] as const;

/** A per-minute rate, averaged over the last minutes as Unix load averages are. */
interface Load {
  readonly name: string;
  last: number;
  readonly averages: [number, number, number];
}

export function createSysTopics(mqtt: Mqtt, version: string): SysTopics {
  const { clock } = mqtt;
  const startedMs = clock.monotonicMs();
  const published = new Map<string, string>();
  const loads = new Map<string, Load>();
  let lastMs = startedMs;

  function put(name: string, value: string): void {
    if (published.get(name) === value) return;
    published.set(name, value);
    const message: Message = {
      topic: Buffer.from(PREFIX + name),
      payload: Buffer.from(value),
      properties: NOTHING,
      qos: 0,
      retain: true,
      expiresAtMs: 0,
      publisher: -1,
    };
    publishMessage(mqtt, message, undefined);
  }

  function putLoad(name: string, total: number, minutes: number): void {
    const load = loads.get(name) ?? { name, last: 0, averages: [0, 0, 0] };
    loads.set(name, load);
    const perMinute = minutes > 0 ? (total - load.last) / minutes : 0;
    load.last = total;
    LOAD_MINUTES.forEach((window, i) => {
      const weight = Math.exp(-minutes / window);
      const average = (load.averages[i] ?? 0) * weight + perMinute * (1 - weight);
      load.averages[i] = average;
      put(`load/${name}/${window}min`, average.toFixed(2));
    });
  }

  return {
    publish() {
      const nowMs = clock.monotonicMs();
      const minutes = (nowMs - lastMs) / 60_000;
      lastMs = nowMs;
      for (const [name, value] of values(mqtt, version, nowMs - startedMs)) put(name, value);
      for (const [name, total] of totals(mqtt)) putLoad(name, total, minutes);
    },
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function values(mqtt: Mqtt, version: string, uptimeMs: number): readonly (readonly [string, string])[] {
  const { counters, dataPlane, retained, router, sessions } = mqtt;
  const plane = dataPlane.counters();
  const numbers: Record<string, number> = {
    'clients/total': sessions.count,
    'clients/connected': counters.clientsConnected,
    'clients/active': counters.clientsConnected,
    'clients/disconnected': sessions.count - counters.clientsConnected,
    'clients/inactive': sessions.count - counters.clientsConnected,
    'clients/maximum': counters.clientsMaximum,
    'clients/expired': counters.sessionsExpired,
    'messages/received': plane.packetsReceived + counters.assembledPackets,
    'messages/sent': packetsSent(mqtt),
    'publish/messages/received': sum(plane.publishReceived) + sum(counters.publishReceived),
    'publish/messages/sent': sum(plane.publishSent) + sum(counters.publishSent),
    'publish/messages/dropped': dropped(mqtt),
    'bytes/received': plane.bytesReceived + counters.assembledBytes,
    'bytes/sent': counters.bytesSent,
    'subscriptions/count': router.totals().subscriptions,
    'shared_subscriptions/count': router.totals().sharedGroups,
    'retained messages/count': retained.count,
    'store/messages/count': retained.count,
    'store/messages/bytes': retained.bytes,
  };
  return [
    ['version', `robustmq version ${version}`],
    ['uptime', `${Math.floor(uptimeMs / 1000)} seconds`],
    ...Object.entries(numbers).map(([name, value]) => [name, String(value)] as const),
  ];
}

function totals(mqtt: Mqtt): readonly (readonly [string, number])[] {
  const { counters, dataPlane } = mqtt;
  const plane = dataPlane.counters();
  return [
    ['messages/received', plane.packetsReceived + counters.assembledPackets],
    ['messages/sent', packetsSent(mqtt)],
    ['publish/received', sum(plane.publishReceived) + sum(counters.publishReceived)],
    ['publish/sent', sum(plane.publishSent) + sum(counters.publishSent)],
    ['publish/dropped', dropped(mqtt)],
    ['bytes/received', plane.bytesReceived + counters.assembledBytes],
    ['bytes/sent', counters.bytesSent],
    ['sockets', counters.connectionsAccepted],
    ['connections', counters.sessionsCreated + counters.sessionsResumed],
  ];
}

/** Packets of all kinds. */
function packetsSent(mqtt: Mqtt): number {
  const { counters, dataPlane } = mqtt;
  const plane = dataPlane.counters();
  return sum(plane.publishSent) + sum(counters.publishSent) + plane.answersSent + counters.controlPacketsSent;
}

/** Deliveries that were given up, for whatever reason. */
export function dropped(mqtt: Mqtt): number {
  const { counters } = mqtt;
  const plane = mqtt.dataPlane.counters();
  return (
    plane.droppedQueueFull +
    plane.droppedTooLarge +
    plane.droppedNoMemory +
    counters.droppedSlowConsumer +
    counters.droppedQueueFull +
    counters.droppedExpired +
    counters.droppedTooLarge +
    counters.droppedNoMemory +
    counters.droppedOffline
  );
}
