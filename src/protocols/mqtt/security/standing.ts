/** Who a connection is for the guard: from CONNECT, which is let in, to its end, and what ends with its credential. */
import type { Principal } from '../../../security/security.ts';
import { tenantOf } from '../../../security/tenants/tenants.ts';
import { ReasonCode } from '../codec/reason-codes.ts';
import type { Connection } from '../connection.ts';
import { type Mqtt, startTimer, TimerKind } from '../context.ts';
import { invalidateFlows } from '../lifecycle.ts';
import type { Session } from '../session.ts';
import { reasonOf } from './log-in.ts';

/** A timer's wheel and a clock that is set back both are content with looking again. */
const LONGEST_TIMER_MS = 24 * 3_600_000;

/** The reason why the connection may not be this principal's; undefined: it is. */
export function enter(mqtt: Mqtt, connection: Connection, principal: Principal): number | undefined {
  const { gate } = mqtt;
  const refusal = gate?.connected(principal);
  // Its tenant has as many as it may have: no matter of the whole server.
  if (refusal !== undefined) return refusal === 'busy' ? ReasonCode.QuotaExceeded : reasonOf(refusal);
  connection.identity = principal;
  connection.tenant = tenantOf(principal.tenant);
  connection.tenantCounts = gate?.tenants.countsOf(principal.tenant);
  connection.isCounted = gate !== undefined;
  connection.meter = gate?.meterOf(principal);
  awaitEnd(mqtt, connection);
  return undefined;
}

/** Once, however the connection ends. */
export function leave(mqtt: Mqtt, connection: Connection): void {
  mqtt.timers.cancel(connection.credentialTimer);
  mqtt.timers.cancel(connection.rateTimer);
  connection.credentialTimer = connection.rateTimer = 0;
  if (!connection.isCounted || connection.identity === undefined) return;
  connection.isCounted = false;
  mqtt.gate?.disconnected(connection.identity);
}

/** The same somebody has logged in again, of the same tenant. */
export function becomes(mqtt: Mqtt, connection: Connection, principal: Principal): void {
  connection.identity = principal;
  mqtt.access.classOf(connection);
  const { session } = connection;
  if (session !== undefined && !mqtt.access.assume(session, principal)) invalidateFlows(mqtt, session);
  awaitEnd(mqtt, connection);
}

/** Of the credential, where it has one. */
export function awaitEnd(mqtt: Mqtt, connection: Connection): void {
  mqtt.timers.cancel(connection.credentialTimer);
  connection.credentialTimer = 0;
  const expiresAtMs = connection.identity?.expiresAtMs;
  if (expiresAtMs === undefined) return;
  const delayMs = Math.min(LONGEST_TIMER_MS, Math.max(0, expiresAtMs - mqtt.clock.wallMs()));
  connection.credentialTimer = startTimer(mqtt, delayMs, TimerKind.Credential, connection.slot);
}

/** Who has no name is nobody's user, but of one kind. */
export function isOwner({ principal }: Session, other: Principal): boolean {
  return (principal?.tenant ?? '') === other.tenant && principal?.userName === other.userName;
}
