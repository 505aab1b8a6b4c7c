/**
 * What becomes of an incoming PUBLISH of QoS 1 or 2 after it was taken or refused: one object for each, small because
 * many wait for the journal at a time. It is the acknowledgement that the connection is owed, and what is told when
 * the message is durable.
 */
import { TableId } from '../../kernel/state/table.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import type { Publication } from './durable/publication.ts';
import { encodeEntry } from './durable/session-entries.ts';
import type { Inbound } from './inbound.ts';
import { pay } from './owed.ts';
import { type Owed, PENDING } from './owed-queue.ts';
import type { PublishOptions } from './publish-message.ts';
import { Routed } from './routed.ts';
import type { Session } from './session.ts';

const PUBACK = 4;
const PUBREC = 5;

export class Acceptance implements PublishOptions, Owed {
  readonly type: 4 | 5;
  readonly packetId: number;
  readonly count = 1;
  reasonCode: number = PENDING;
  readonly flowId: number | undefined;
  private readonly mqtt: Mqtt;
  private readonly connection: Connection;
  private readonly qos: 0 | 1 | 2;
  private readonly isRecorded: boolean;

  constructor(mqtt: Mqtt, connection: Connection, inbound: Inbound, flowId: number | undefined) {
    const { qos, packetId, isRecorded } = inbound;
    this.type = qos === 2 ? PUBREC : PUBACK;
    this.packetId = packetId;
    this.flowId = flowId;
    this.mqtt = mqtt;
    this.connection = connection;
    this.qos = qos;
    this.isRecorded = isRecorded;
    if (qos > 0) connection.owed.push(this);
  }

  also(own: Publication, routed: Routed): void {
    if (this.qos !== 2 || routed === Routed.Refused) return;
    recordReceived(this.mqtt, own, this.connection.session, this.packetId);
  }

  done(routed: Routed, error: Error | undefined): void {
    if (error === undefined) this.answer(reasonFor(this.mqtt, routed));
    else this.notKept();
  }

  /**
   * PUBACK or PUBREC. MQTT 3 knows no refusal but closing, which would have the client send it again and again: there the
   * message is acknowledged, and counted as denied or refused; but for one that the journal has no room for.
   */
  answer(reasonCode: number): void {
    const { mqtt, connection, qos, packetId } = this;
    if (qos === 0 || connection.isGone) return;
    const isRefusal = reasonCode >= 0x80 && connection.version === 5;
    if (reasonCode === ReasonCode.QuotaExceeded && !isRefusal && mqtt.durable.log.refusal() !== undefined) {
      mqtt.fail(connection, reasonCode);
      return;
    }
    if (qos === 2) {
      if (isRefusal) mqtt.dataPlane.forgetReceived(connection.slot, packetId);
      else if (!this.isRecorded) mqtt.dataPlane.recordReceived(connection.slot, packetId);
    }
    pay(mqtt, connection, this, reasonCode);
  }

  /** The journal could not write it: it is not acknowledged, and its sender must know that it has to send it again. */
  private notKept(): void {
    const { mqtt, connection, qos, packetId } = this;
    mqtt.counters.publishesRefused++;
    if (qos === 0 || connection.isGone) return;
    if (connection.version === 5) {
      if (qos === 2) mqtt.dataPlane.forgetReceived(connection.slot, packetId);
      pay(mqtt, connection, this, ReasonCode.ImplementationSpecificError);
    } else {
      mqtt.fail(connection, ReasonCode.ImplementationSpecificError);
    }
  }
}

/** So that the same packet, sent again after a restart, is known. */
function recordReceived(mqtt: Mqtt, own: Publication, session: Session | undefined, packetId: number): void {
  const durable = session?.durable;
  if (session === undefined || durable === undefined || durable.received?.has(packetId)) return;
  durable.received ??= new Set();
  durable.received.add(packetId);
  mqtt.durable.log.add(TableId.Sessions, encodeEntry.received(session.serial, packetId));
  mqtt.durable.table.touch(session);
  own.hasEntries = true;
}

function reasonFor(mqtt: Mqtt, routed: Routed): number {
  if (routed === Routed.Delivered) return ReasonCode.Success;
  if (routed === Routed.Unmatched) {
    mqtt.counters.publishesUnmatched++;
    return ReasonCode.NoMatchingSubscribers;
  }
  mqtt.counters.publishesRefused++;
  return ReasonCode.QuotaExceeded;
}
