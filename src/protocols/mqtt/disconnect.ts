/**
 * The one place that ends connections: an MQTT 5 client is told why, what is already put out still leaves, the session
 * is parted from the connection at once, and the transport closes behind the last byte or after a time limit.
 */
import { encodeForClient } from './codec/encode.ts';
import { type DisconnectPacket, PacketType } from './codec/packets.ts';
import { reasonName } from './codec/reason-codes.ts';
import { type Connection, Paused } from './connection.ts';
import { type Mqtt, startTimer, TimerKind } from './context.ts';
import { countClose } from './counters.ts';
import { detach } from './lifecycle.ts';
import { observed } from './observed.ts';
import { leave } from './security/standing.ts';
import { accountStranger } from './strangers.ts';

export interface Ending {
  readonly reasonCode: number;
  readonly message?: string | undefined;
  /** The client said goodbye with 0x00: its will is void. */
  readonly discardsWill?: boolean;
  /** The node stops: a durable session's will is published by the next start, when its delay has passed. */
  readonly defersWill?: boolean;
  /** No DISCONNECT, even to MQTT 5: the client ended it, or CONNACK said why. */
  readonly silent?: boolean;
  /** The client will send nothing more: no need to wait for its side to close. */
  readonly byClient?: boolean;
}

/** How long the last output may take to leave. */
const LINGER_MS = 5000;

/** Ends the connection now. Not to be called while a message is being routed: see `Mqtt.fail`. */
export function closeConnection(mqtt: Mqtt, connection: Connection, ending: Ending): void {
  if (connection.isGone) return;
  const { reasonCode, message } = ending;
  if (ending.silent !== true) countClose(mqtt.counters, reasonCode);
  mqtt.logger.debug(
    { clientId: connection.session?.clientId, remote: connection.transport.remoteAddress, reasonCode },
    message ?? reasonName(reasonCode),
  );
  if (connection.phase === 'open' && connection.version === 5 && ending.silent !== true) {
    sayDisconnect(mqtt, connection, reasonCode, message);
  }
  connection.phase = 'closing';
  connection.saidGoodbye = ending.byClient === true;
  connection.pause(Paused.Closing);
  stopTimers(mqtt, connection);
  forgetInput(mqtt, connection);
  leave(mqtt, connection);
  if (connection.session !== undefined) {
    const why = ending.byClient === true ? 'by the client' : (message ?? reasonName(reasonCode));
    mqtt.events.disconnected(observed(connection), why);
  }
  detach(mqtt, connection, ending.discardsWill !== true, ending.defersWill === true);
  connection.deadline = startTimer(mqtt, LINGER_MS, TimerKind.Deadline, connection.slot);
  mqtt.output.write(connection);
  endIfDrained(mqtt, connection);
}

/** Closes once nothing is left to write. */
export function endIfDrained(mqtt: Mqtt, connection: Connection): void {
  if (connection.phase !== 'closing' || connection.isWriting || connection.hasEnded) return;
  if (mqtt.dataPlane.heldBytes(connection.slot) > 0) return;
  connection.hasEnded = true;
  if (connection.saidGoodbye) connection.transport.destroy();
  else connection.transport.end();
}

function sayDisconnect(
  mqtt: Mqtt,
  connection: Connection,
  reasonCode: number,
  message: string | undefined,
): void {
  const packet: DisconnectPacket = {
    type: PacketType.Disconnect,
    reasonCode,
    properties: message === undefined ? {} : { reasonString: message },
  };
  const bytes = encodeForClient(packet, 5, connection.maxPacketBytesOut);
  if (bytes === undefined) return;
  mqtt.counters.controlPacketsSent++;
  mqtt.dataPlane.append(connection.slot, bytes);
}

/** The transport is gone. */
export function connectionClosed(mqtt: Mqtt, connection: Connection): void {
  if (connection.phase === 'closed') return;
  connection.phase = 'closed';
  stopTimers(mqtt, connection);
  forgetInput(mqtt, connection);
  leave(mqtt, connection);
  mqtt.congestion.forget(connection);
  if (connection.session !== undefined) mqtt.events.disconnected(observed(connection), 'connection lost');
  detach(mqtt, connection, true);
  mqtt.counters.connectionsClosed++;
  mqtt.dataPlane.close(connection.slot);
}

function stopTimers(mqtt: Mqtt, connection: Connection): void {
  const { timers } = mqtt;
  timers.cancel(connection.deadline);
  timers.cancel(connection.keepAliveTimer);
  timers.cancel(connection.partialTimer);
  timers.cancel(connection.writeTimer);
  connection.deadline = connection.keepAliveTimer = connection.partialTimer = connection.writeTimer = 0;
}

function forgetInput(mqtt: Mqtt, connection: Connection): void {
  connection.partial = undefined;
  connection.stalled = undefined;
  accountStranger(mqtt, connection);
  connection.aliasesIn = undefined;
}
