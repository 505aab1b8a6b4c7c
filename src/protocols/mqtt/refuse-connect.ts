import { PacketType } from './codec/packets.ts';
import { reasonName } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { closeConnection } from './disconnect.ts';
import { observed } from './observed.ts';
import { sendPacket } from './send-packet.ts';

/** CONNACK with the reason, where the version has a word for it, and the end. */
export function refuseConnect(
  mqtt: Mqtt,
  connection: Connection,
  reasonCode: number,
  message?: string,
  clientId?: string,
): void {
  mqtt.counters.connectsRefused++;
  mqtt.events.refused(observed(connection, clientId), message ?? reasonName(reasonCode));
  sendPacket(mqtt, connection, {
    type: PacketType.Connack,
    sessionPresent: false,
    reasonCode,
    properties: message === undefined ? {} : { reasonString: message },
  });
  closeConnection(mqtt, connection, { reasonCode, message, silent: true });
}
