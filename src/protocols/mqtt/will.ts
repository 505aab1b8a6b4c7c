/**
 * Will messages: made at CONNECT, published when the connection ends without DISCONNECT 0x00, later where the client
 * asked for a delay, and at the latest when the session ends. A client that comes back in time cancels a delayed one.
 */
import type { Message } from '../../kernel/message.ts';
import { TableId } from '../../kernel/state/table.ts';
import { type Mqtt, startTimer, TimerKind } from './context.ts';
import { encodeEntry } from './durable/session-entries.ts';
import { publishMessage } from './publish-message.ts';
import { ownerOf } from './security/owner.ts';
import { clientKeyOf, type Session } from './session.ts';

/** The connection is gone and the will stands. */
export function connectionLost(mqtt: Mqtt, session: Session, elapsedMs = 0): void {
  const { will } = session;
  if (will === undefined) return;
  // A session that ends with its connection does not wait: its end publishes the will (lifecycle.ts).
  if (will.delaySeconds === 0) publishWill(mqtt, session);
  else if (session.expirySeconds > 0) {
    const delayMs = Math.max(0, will.delaySeconds * 1000 - elapsedMs);
    session.willTimer = startTimer(mqtt, delayMs, TimerKind.WillDelay, session.number);
  }
}

export function discardWill(mqtt: Mqtt, session: Session): void {
  session.will = undefined;
  mqtt.timers.cancel(session.willTimer);
  session.willTimer = 0;
}

function noteGone(mqtt: Mqtt, session: Session): void {
  mqtt.durable.log.add(TableId.Sessions, encodeEntry.willGone(session.serial));
  mqtt.durable.table.touch(session);
}

export function publishWill(mqtt: Mqtt, session: Session): void {
  const { will } = session;
  if (will === undefined) return;
  discardWill(mqtt, session);
  const owner = ownerOf(session);
  const isAllowed = owner === undefined || mqtt.authorizer.mayStillPublish(owner, will.topic);
  if (!isAllowed) {
    mqtt.counters.publishesDenied++;
    if (session.durable === undefined) return;
    noteGone(mqtt, session);
    mqtt.durable.commit();
    return;
  }
  mqtt.counters.willsPublished++;
  const message: Message = {
    topic: will.topic,
    payload: will.payload,
    properties: will.properties,
    qos: will.qos,
    retain: will.retain,
    // The interval runs from publication, not from CONNECT.
    expiresAtMs: will.expirySeconds === undefined ? 0 : mqtt.clock.wallMs() + will.expirySeconds * 1000,
    publisher: clientKeyOf(session),
  };
  if (will.expirySeconds === 0) return;
  publishMessage(mqtt, message, session, {
    // In one change with the message: it is published once, whatever happens.
    also(own) {
      if (session.durable === undefined) return;
      noteGone(mqtt, session);
      own.hasEntries = true;
    },
  });
}
