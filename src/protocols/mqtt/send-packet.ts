/** A control packet to a client. It never exceeds the client's Maximum Packet Size: diagnostics go first, then the packet. */
import { encodeForClient, withoutDiagnostics } from './codec/encode.ts';
import { PacketType, type ServerPacket } from './codec/packets.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';

/** False = the client's limit is smaller than the packet: nothing was sent. */
export function sendPacket(mqtt: Mqtt, connection: Connection, packet: ServerPacket): boolean {
  const mayExplain = connection.tellsProblems || packet.type === PacketType.Connack;
  const bytes = encodeForClient(
    mayExplain ? packet : withoutDiagnostics(packet),
    connection.version,
    connection.maxPacketBytesOut,
  );
  if (bytes === undefined) return false;
  mqtt.counters.controlPacketsSent++;
  if (!mqtt.dataPlane.append(connection.slot, bytes)) mqtt.fail(connection, ReasonCode.QuotaExceeded);
  mqtt.turn.wake();
  return true;
}
