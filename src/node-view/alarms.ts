/** The figures that alarms are about, and who is told of one: the log, events, `$SYS`. */

import type { SecurityParts } from '../admin/node-view.ts';
import type { CertificatesView } from '../admin/operations/certificates.ts';
import { ALARM_NAMES, type Alarm, type Alarms, createAlarms } from '../alarms/alarms.ts';
import { type AlarmFigures, createConditions } from '../alarms/conditions.ts';
import type { Config } from '../config/config.ts';
import type { DurableTier } from '../durable-tier.ts';
import type { Events } from '../events/events.ts';
import type { Clock } from '../kernel/clock.ts';
import type { MetricSource } from '../metrics/metrics.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { publishMessage } from '../protocols/mqtt/publish-message.ts';
import type { SlowClients } from './slow-clients.ts';

export interface AlarmParts {
  readonly config: Config;
  readonly mqtt: Mqtt;
  readonly tier: Pick<DurableTier, 'journals' | 'log'>;
  readonly admission: { counters(): { readonly open: number } };
  readonly certificates: CertificatesView;
  readonly security: SecurityParts;
  readonly events: Pick<Events, 'note'>;
  readonly slowClients: Pick<SlowClients, 'slowest'>;
}

const CERTIFICATES_MS = 60_000;
const SYS_PREFIX = '$SYS/broker/alarms/';
const NOTHING = new Uint8Array(0);

/** With the figures they are about, for who asks without waiting for an alarm. */
export function openAlarms(parts: AlarmParts): Alarms & { readonly figures: AlarmFigures } {
  const { mqtt, config } = parts;
  const loop = watchLoop(mqtt.clock);
  const certificates = watchCertificates(parts.certificates, mqtt.clock);
  const figures = figuresOf(parts, loop.delayMs, certificates.known);
  const alarms = createAlarms({
    clock: mqtt.clock,
    conditions: createConditions(figures, config.alarms),
    onChange(alarm) {
      const { severity, message, clearedAtMs } = alarm;
      const isActive = clearedAtMs === undefined;
      const fields = { alarm: alarm.alarm, severity };
      if (isActive) mqtt.logger.warn(fields, `alarm: ${message}`);
      else mqtt.logger.info(fields, `alarm is over: ${message}`);
      parts.events.note(isActive ? 'alarm.raised' : 'alarm.cleared', {
        subject: alarm.alarm,
        reason: message,
      });
      if (config.sys.intervalMs > 0) publish(mqtt, alarm);
    },
  });
  return {
    ...alarms,
    figures,
    stop() {
      alarms.stop();
      loop.stop();
      certificates.stop();
    },
  };
}

function figuresOf(
  { config, mqtt, tier, admission, security, slowClients }: AlarmParts,
  eventLoopDelayMs: () => number,
  certificates: AlarmFigures['certificates'],
): AlarmFigures {
  const journals = () => Object.entries(tier.journals);
  return {
    clock: mqtt.clock,
    journalFailure() {
      const failed = journals().find(([, journal]) => journal.state().failure !== undefined);
      const failure = failed?.[1].state().failure?.message;
      return failure ?? (tier.log.refusal() === 'failed' ? 'the state log has failed' : undefined);
    },
    fullJournals: () => journals().flatMap(([name, journal]) => (journal.state().isFull ? [name] : [])),
    isMemoryHigh: () => mqtt.congestion.refusesConnections(),
    residentBytes: () => process.memoryUsage.rss(),
    eventLoopDelayMs,
    connections: () => ({ open: admission.counters().open, max: config.limits.maxConnections }),
    certificates,
    failedLogIns: () => security.guard.logIns.failures(),
    auditFailure: () => security.audit.failure()?.message,
    slowestClient: slowClients.slowest,
  };
}

/** Kept as a retained message while it is active; an empty one says that it is over. */
function publish(mqtt: Mqtt, { alarm, severity, raisedAtMs, message, clearedAtMs }: Alarm): void {
  const isActive = clearedAtMs === undefined;
  publishMessage(
    mqtt,
    {
      topic: Buffer.from(SYS_PREFIX + alarm),
      payload: isActive ? Buffer.from(JSON.stringify({ alarm, severity, raisedAtMs, message })) : NOTHING,
      properties: NOTHING,
      qos: 0,
      retain: true,
      expiresAtMs: 0,
      publisher: -1,
    },
    undefined,
  );
  mqtt.turn.wake();
}

const LOOK_MS = 100;
const LOOKS = 100;

/** How late timers are: of ten seconds at a time the 99th part of a hundred. */
function watchLoop(clock: Clock): { readonly delayMs: () => number; readonly stop: () => void } {
  const delays: number[] = [];
  let delayMs = 0;
  let lookedMs = clock.monotonicMs();
  const stop = clock.every(LOOK_MS, () => {
    const nowMs = clock.monotonicMs();
    delays.push(nowMs - lookedMs - LOOK_MS);
    lookedMs = nowMs;
    if (delays.length < LOOKS) return;
    delays.sort((a, b) => a - b);
    delayMs = delays[LOOKS - 2] ?? 0;
    delays.length = 0;
  });
  return { delayMs: () => delayMs, stop };
}

/** Files: read now and then, and looked at as they were then. */
function watchCertificates(
  view: CertificatesView,
  clock: Clock,
): { readonly known: AlarmFigures['certificates']; readonly stop: () => void } {
  let known: ReturnType<AlarmFigures['certificates']> = [];
  const look = async (): Promise<void> => {
    known = await endsOf(view);
  };
  const lookOrWait = (): void => void look().catch(() => {});
  lookOrWait();
  return { known: () => known, stop: clock.every(CERTIFICATES_MS, lookOrWait) };
}

/** Of the certificates that can be read: of the others the start, or the reload, has complained. */
async function endsOf(view: CertificatesView): Promise<ReturnType<AlarmFigures['certificates']>> {
  return (await view.list()).flatMap(({ listener, serverName, notAfterMs }) =>
    notAfterMs === null
      ? []
      : [{ name: serverName === null ? listener : `${listener} (${serverName})`, expiresAtMs: notAfterMs }],
  );
}

export const alarmSource =
  (alarms: Pick<Alarms, 'active'>): MetricSource =>
  (to) => {
    const active = new Set(alarms.active().map(({ alarm }) => alarm));
    for (const alarm of ALARM_NAMES) to.add('robustmq_alarm_active', active.has(alarm) ? 1 : 0, { alarm });
  };
