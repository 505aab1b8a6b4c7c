/** Rates: what a connection sent is charged, and who is above is not read for as long as that takes to pay. */
import { type Connection, Paused } from '../connection.ts';
import { type Mqtt, startTimer, TimerKind } from '../context.ts';

/** PUBLISH packets that have come in, of everybody. */
export function publishesReceived({ dataPlane, counters }: Mqtt): number {
  const [q0, q1, q2] = counters.publishReceived;
  const { publishReceived } = dataPlane.counters();
  return q0 + q1 + q2 + publishReceived[0] + publishReceived[1] + publishReceived[2];
}

/** PUBLISH packets that have been put out, to everybody. */
export function publishesSent({ dataPlane, counters }: Mqtt): number {
  const [q0, q1, q2] = counters.publishSent;
  const { publishSent } = dataPlane.counters();
  return q0 + q1 + q2 + publishSent[0] + publishSent[1] + publishSent[2];
}

/** Taken before what a connection sent is handled. */
export interface MeterReading {
  readonly received: number;
  /** By the data plane alone: what it puts out meanwhile is of the publisher's tenant. */
  readonly sent: number;
}

export const isMetered = ({ meter, tenantCounts }: Connection): boolean =>
  meter !== undefined || tenantCounts !== undefined;

export function meterReading(mqtt: Mqtt): MeterReading {
  const [q0, q1, q2] = mqtt.dataPlane.counters().publishSent;
  return { received: publishesReceived(mqtt), sent: q0 + q1 + q2 };
}

export function charge(mqtt: Mqtt, connection: Connection, before: MeterReading, bytes: number): void {
  const { meter, tenantCounts } = connection;
  const now = meterReading(mqtt);
  const messages = now.received - before.received;
  if (tenantCounts !== undefined) {
    tenantCounts.messagesReceived.mqtt += messages;
    tenantCounts.messagesSent.mqtt += now.sent - before.sent;
  }
  if (meter === undefined || connection.isGone) return;
  const waitMs = meter.charge(messages, bytes);
  if (waitMs <= 0 || connection.rateTimer !== 0) return;
  mqtt.counters.publishersThrottled++;
  connection.rateTimer = startTimer(mqtt, waitMs, TimerKind.Rate, connection.slot);
  if (connection.rateTimer !== 0) connection.pause(Paused.Rate);
}

/** The timer's. */
export function mayGoOn(connection: Connection): void {
  connection.rateTimer = 0;
  connection.resume(Paused.Rate);
}
