/**
 * While a decision about a connection is pending its transport is paused and what it had sent already is kept; then
 * input goes on where it stopped. Promises that fail count as a refusal of the connection.
 */
import { ReasonCode } from './codec/reason-codes.ts';
import { type Connection, Paused } from './connection.ts';
import type { Mqtt } from './context.ts';
import { closeConnection } from './disconnect.ts';

export function stall<T>(
  mqtt: Mqtt,
  connection: Connection,
  decision: Promise<T>,
  then: (value: T) => void,
): void {
  connection.isStalled = true;
  connection.pause(Paused.Stalled);
  decision.then(
    (value) => goOn(mqtt, connection, () => then(value)),
    (error: unknown) => {
      mqtt.logger.error({ err: error, clientId: connection.identity?.clientId }, 'a decision failed');
      goOn(mqtt, connection, () => {
        closeConnection(mqtt, connection, { reasonCode: ReasonCode.UnspecifiedError });
      });
    },
  );
}

function goOn(mqtt: Mqtt, connection: Connection, act: () => void): void {
  connection.isStalled = false;
  if (connection.isGone) return;
  mqtt.guard(connection, () => {
    act();
    // `act` may have stalled it again, or ended it.
    if (!connection.isStalled && !connection.isGone) mqtt.continueInput(connection);
  });
  mqtt.turn.wake();
  if (!connection.isStalled) connection.resume(Paused.Stalled);
}
