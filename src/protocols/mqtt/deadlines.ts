/**
 * What happens when time is up. Timers are lazy: one that fires looks whether its deadline has moved meanwhile, so that
 * traffic costs no timer operation.
 */
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import { type Mqtt, startTimer, TimerKind } from './context.ts';
import { closeConnection } from './disconnect.ts';
import { endSession } from './lifecycle.ts';
import { mayGoOn } from './security/metering.ts';
import { credentialEnded } from './security/revocation.ts';
import { writtenClientId } from './session.ts';
import { publishWill } from './will.ts';

/** A packet that is slower than this, in bytes per millisecond, is not waited for. */
const LEAST_INPUT_BYTES_PER_MS = 16;

export function timeIsUp(mqtt: Mqtt, kind: number, key: number): void {
  if (kind === TimerKind.SessionExpiry || kind === TimerKind.WillDelay) {
    const session = mqtt.sessions.byNumber(key);
    if (session === undefined) return;
    if (kind === TimerKind.WillDelay) {
      session.willTimer = 0;
      publishWill(mqtt, session);
    } else {
      session.expiryTimer = 0;
      mqtt.counters.sessionsExpired++;
      const { principal, tenant } = session;
      mqtt.events.sessionExpired('mqtt', writtenClientId(session), principal?.userName, tenant.name);
      endSession(mqtt, session);
    }
    return;
  }
  const connection = mqtt.connections[key];
  if (connection === undefined || connection.phase === 'closed') return;
  switch (kind) {
    case TimerKind.Deadline:
      deadline(mqtt, connection, true);
      break;
    case TimerKind.KeepAlive:
      keepAlive(mqtt, connection, true);
      break;
    case TimerKind.PartialPacket:
      partialPacket(mqtt, connection, true);
      break;
    case TimerKind.Write:
      slowWrite(mqtt, connection);
      break;
    case TimerKind.Credential:
      credentialEnded(mqtt, connection);
      break;
    case TimerKind.Rate:
      mayGoOn(connection);
  }
}

/**
 * Timers run ahead of reads: after a pause of the process what was waited for may be in the socket. So who is late is judged
 * once more after it was read, by `judge`.
 */
function afterInput(mqtt: Mqtt, judge: () => void): void {
  mqtt.turn.defer(() => {
    judge();
    return false;
  });
}

function deadline(mqtt: Mqtt, connection: Connection, mayHaveInput: boolean): void {
  connection.deadline = 0;
  if (connection.phase === 'closing') {
    connection.transport.destroy();
    return;
  }
  if (mayHaveInput) {
    afterInput(mqtt, () => {
      const isWaitedFor = connection.phase === 'connect' || connection.phase === 'authenticating';
      if (isWaitedFor && connection.deadline === 0) deadline(mqtt, connection, false);
    });
    return;
  }
  mqtt.counters.connectTimeouts++;
  closeConnection(mqtt, connection, { reasonCode: ReasonCode.KeepAliveTimeout, silent: true });
}

function keepAlive(mqtt: Mqtt, connection: Connection, mayHaveInput: boolean): void {
  connection.keepAliveTimer = 0;
  if (!connection.isOpen) return;
  const { tickMs } = mqtt.timers;
  const limitMs = connection.keepAliveSeconds * 1500;
  const seen = Math.max(mqtt.dataPlane.lastSeen(connection.slot), connection.assembledTick);
  // While we do not read from it we cannot tell.
  const idleMs = connection.paused === 0 ? (mqtt.tick() - seen) * tickMs : 0;
  // The stamp is that of the tick's start: up to a tick older than the packet.
  if (idleMs >= limitMs + tickMs) {
    if (mayHaveInput) {
      afterInput(mqtt, () => {
        if (connection.keepAliveTimer === 0) keepAlive(mqtt, connection, false);
      });
      return;
    }
    mqtt.counters.keepAliveTimeouts++;
    closeConnection(mqtt, connection, { reasonCode: ReasonCode.KeepAliveTimeout });
    return;
  }
  connection.keepAliveTimer = startTimer(
    mqtt,
    limitMs + tickMs - idleMs,
    TimerKind.KeepAlive,
    connection.slot,
  );
}

function partialPacket(mqtt: Mqtt, connection: Connection, mayHaveInput: boolean): void {
  connection.partialTimer = 0;
  const { partial } = connection;
  if (connection.isGone || partial === undefined) return;
  const allowedMs = mqtt.config.limits.writeTimeoutMs + partial.filled / LEAST_INPUT_BYTES_PER_MS;
  const leftMs = partial.sinceMs + allowedMs - mqtt.clock.monotonicMs();
  if (leftMs > 0 || connection.paused !== 0) {
    const delayMs = Math.max(leftMs, mqtt.timers.tickMs);
    connection.partialTimer = startTimer(mqtt, delayMs, TimerKind.PartialPacket, connection.slot);
    return;
  }
  if (mayHaveInput) {
    afterInput(mqtt, () => {
      // Of the same packet, though more of it has come.
      if (connection.partial?.sinceMs !== partial.sinceMs) return;
      mqtt.timers.cancel(connection.partialTimer);
      partialPacket(mqtt, connection, false);
    });
    return;
  }
  mqtt.counters.partialPacketTimeouts++;
  closeConnection(mqtt, connection, {
    reasonCode: ReasonCode.MalformedPacket,
    message: 'a packet did not arrive in time',
    silent: !connection.isOpen,
  });
}

function slowWrite(mqtt: Mqtt, connection: Connection): void {
  connection.writeTimer = 0;
  if (!connection.isWriting) return;
  const leftMs = connection.writeDeadlineMs - mqtt.clock.monotonicMs();
  if (leftMs > 0) {
    connection.writeTimer = startTimer(mqtt, leftMs, TimerKind.Write, connection.slot);
    return;
  }
  mqtt.counters.writeTimeouts++;
  connection.transport.destroy();
}
