/** Rates: what a connection sent is charged, and who is above is not read for as long as that takes to pay. */
import { type Connection, Paused } from '../connection.ts';
import { type Mqtt, startTimer, TimerKind } from '../context.ts';

/** PUBLISH packets that have come in, of everybody. */
export function publishesReceived({ dataPlane, counters }: Mqtt): number {
  const [q0, q1, q2] = counters.publishReceived;
  const { publishReceived } = dataPlane.counters();
  return q0 + q1 + q2 + publishReceived[0] + publishReceived[1] + publishReceived[2];
}

export function charge(mqtt: Mqtt, connection: Connection, messages: number, bytes: number): void {
  const { meter } = connection;
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
