/**
 * Enhanced authentication of MQTT 5: AUTH packets back and forth by a named method, before CONNACK or, by the client's
 * wish, later again with the same method.
 */
import { type AuthStep, type ConnectRequest, isPromise, principalFrom } from './auth.ts';
import { type AuthPacket, PacketType } from './codec/packets.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { closeConnection } from './disconnect.ts';
import type { Admit } from './exchange-state.ts';
import { refuseConnect } from './refuse-connect.ts';
import { becomes } from './security/standing.ts';
import { sendPacket } from './send-packet.ts';
import { stall } from './stall.ts';

export function beginExchange(
  mqtt: Mqtt,
  connection: Connection,
  name: string,
  data: Uint8Array | undefined,
  request: ConnectRequest,
  admit: Admit,
): void {
  const exchange = mqtt.authMethods.get(name)?.begin(request, 'connect');
  if (exchange === undefined) {
    refuseConnect(mqtt, connection, ReasonCode.BadAuthenticationMethod);
    return;
  }
  // The password has done its part.
  connection.auth = { method: name, request: { ...request, password: undefined }, admit };
  connection.exchange = exchange;
  follow(mqtt, connection, exchange.start(data));
}

export function handleAuth(mqtt: Mqtt, connection: Connection, packet: AuthPacket): void {
  const { auth } = connection;
  const { authenticationMethod, authenticationData } = packet.properties;
  if (auth === undefined || authenticationMethod !== auth.method) {
    violate(mqtt, connection, 'AUTH without, or with another, authentication method');
    return;
  }
  if (packet.reasonCode === ReasonCode.ReAuthenticate && connection.isOpen) {
    const method = mqtt.authMethods.get(auth.method);
    const exchange =
      connection.exchange === undefined
        ? method?.begin(auth.request, 're-authenticate', connection.identity)
        : undefined;
    if (exchange === undefined) {
      violate(mqtt, connection, 're-authentication is under way');
      return;
    }
    connection.exchange = exchange;
    follow(mqtt, connection, exchange.start(authenticationData));
    return;
  }
  if (packet.reasonCode !== ReasonCode.ContinueAuthentication || connection.exchange === undefined) {
    violate(mqtt, connection, 'AUTH out of turn');
    return;
  }
  follow(mqtt, connection, connection.exchange.continue(authenticationData));
}

function violate(mqtt: Mqtt, connection: Connection, message: string): void {
  mqtt.counters.protocolViolations++;
  if (connection.isOpen) closeConnection(mqtt, connection, { reasonCode: ReasonCode.ProtocolError, message });
  else refuseConnect(mqtt, connection, ReasonCode.ProtocolError, message);
}

function follow(mqtt: Mqtt, connection: Connection, step: AuthStep | Promise<AuthStep>): void {
  if (isPromise(step)) stall(mqtt, connection, step, (value) => take(mqtt, connection, value));
  else take(mqtt, connection, step);
}

function take(mqtt: Mqtt, connection: Connection, step: AuthStep): void {
  const { auth } = connection;
  if (auth === undefined) return;
  if (step.type === 'continue') {
    say(mqtt, connection, ReasonCode.ContinueAuthentication, step.data);
    return;
  }
  connection.exchange = undefined;
  if (step.type === 'failure') {
    const { reasonCode, message } = step;
    if (connection.isOpen) closeConnection(mqtt, connection, { reasonCode, message });
    else refuseConnect(mqtt, connection, reasonCode, message);
  } else if (connection.isOpen) {
    if (step.principal !== undefined) becomes(mqtt, connection, step.principal);
    say(mqtt, connection, ReasonCode.Success, step.data);
  } else {
    const { request } = auth;
    auth.admit(step.principal ?? principalFrom(request, step.userName ?? request.userName), step.data);
  }
}

function say(mqtt: Mqtt, connection: Connection, reasonCode: number, data: Uint8Array | undefined): void {
  sendPacket(mqtt, connection, {
    type: PacketType.Auth,
    reasonCode,
    properties: { authenticationMethod: connection.auth?.method, authenticationData: data },
  });
}
