/**
 * What lives here: the MQTT 5 reason codes, which packets may carry them, and what MQTT 3.1 and 3.1.1 say instead.
 * Not here: deciding which one applies.
 */
import { PacketType, type ProtocolVersion } from './packets.ts';

export const ReasonCode = {
  Success: 0x00,
  NormalDisconnection: 0x00,
  GrantedQos0: 0x00,
  GrantedQos1: 0x01,
  GrantedQos2: 0x02,
  DisconnectWithWill: 0x04,
  NoMatchingSubscribers: 0x10,
  NoSubscriptionExisted: 0x11,
  ContinueAuthentication: 0x18,
  ReAuthenticate: 0x19,
  UnspecifiedError: 0x80,
  MalformedPacket: 0x81,
  ProtocolError: 0x82,
  ImplementationSpecificError: 0x83,
  UnsupportedProtocolVersion: 0x84,
  ClientIdentifierNotValid: 0x85,
  BadUserNameOrPassword: 0x86,
  NotAuthorized: 0x87,
  ServerUnavailable: 0x88,
  ServerBusy: 0x89,
  Banned: 0x8a,
  ServerShuttingDown: 0x8b,
  BadAuthenticationMethod: 0x8c,
  KeepAliveTimeout: 0x8d,
  SessionTakenOver: 0x8e,
  TopicFilterInvalid: 0x8f,
  TopicNameInvalid: 0x90,
  PacketIdentifierInUse: 0x91,
  PacketIdentifierNotFound: 0x92,
  ReceiveMaximumExceeded: 0x93,
  TopicAliasInvalid: 0x94,
  PacketTooLarge: 0x95,
  MessageRateTooHigh: 0x96,
  QuotaExceeded: 0x97,
  AdministrativeAction: 0x98,
  PayloadFormatInvalid: 0x99,
  RetainNotSupported: 0x9a,
  QosNotSupported: 0x9b,
  UseAnotherServer: 0x9c,
  ServerMoved: 0x9d,
  SharedSubscriptionsNotSupported: 0x9e,
  ConnectionRateExceeded: 0x9f,
  MaximumConnectTime: 0xa0,
  SubscriptionIdentifiersNotSupported: 0xa1,
  WildcardSubscriptionsNotSupported: 0xa2,
} as const;
export type ReasonCode = (typeof ReasonCode)[keyof typeof ReasonCode];

const PUBACK_CODES = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASE_CODES = [0x00, 0x92];

/** Codes by packet type and sender: the tables of sections 3.2.2.2, 3.4.2.1 … 3.15.2.1. */
const FROM_SERVER: Readonly<Partial<Record<number, readonly number[]>>> = {
  [PacketType.Connack]: [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
    0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
  ],
  [PacketType.Puback]: PUBACK_CODES,
  [PacketType.Pubrec]: PUBACK_CODES,
  [PacketType.Pubrel]: RELEASE_CODES,
  [PacketType.Pubcomp]: RELEASE_CODES,
  [PacketType.Suback]: [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
  [PacketType.Unsuback]: [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
  [PacketType.Disconnect]: [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97,
    0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
  ],
  [PacketType.Auth]: [0x00, 0x18],
};

const FROM_CLIENT: Readonly<Partial<Record<number, readonly number[]>>> = {
  [PacketType.Puback]: PUBACK_CODES,
  [PacketType.Pubrec]: PUBACK_CODES,
  [PacketType.Pubrel]: RELEASE_CODES,
  [PacketType.Pubcomp]: RELEASE_CODES,
  [PacketType.Disconnect]: [
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
  ],
  [PacketType.Auth]: [0x18, 0x19],
};

export type Sender = 'client' | 'server';

/** Whether `sender` may put this MQTT 5 reason code into a packet of this type. */
export function mayCarry(type: PacketType, sender: Sender, reasonCode: number): boolean {
  const codes = (sender === 'client' ? FROM_CLIENT : FROM_SERVER)[type];
  return codes?.includes(reasonCode) ?? false;
}

const CONNACK_RETURN_CODES: ReadonlyMap<number, number> = new Map([
  [ReasonCode.Success, 0],
  [ReasonCode.UnsupportedProtocolVersion, 1],
  [ReasonCode.ClientIdentifierNotValid, 2],
  [ReasonCode.UnspecifiedError, 3],
  [ReasonCode.ServerUnavailable, 3],
  [ReasonCode.ServerBusy, 3],
  [ReasonCode.ServerShuttingDown, 3],
  [ReasonCode.QuotaExceeded, 3],
  [ReasonCode.UseAnotherServer, 3],
  [ReasonCode.ServerMoved, 3],
  [ReasonCode.ConnectionRateExceeded, 3],
  [ReasonCode.BadUserNameOrPassword, 4],
  [ReasonCode.NotAuthorized, 5],
  [ReasonCode.Banned, 5],
  [ReasonCode.BadAuthenticationMethod, 5],
]);

/**
 * CONNACK return code of MQTT 3.1 and 3.1.1 for an MQTT 5 reason code; undefined where none applies and the server
 * must close without a CONNACK (3.1.1, MQTT-3.2.2-6).
 */
export function connackReturnCode(reasonCode: number): number | undefined {
  return CONNACK_RETURN_CODES.get(reasonCode);
}

/**
 * SUBACK return code. 3.1 has no failure code and would have a refusal look like success; its clients either know
 * 0x80 or mask it to QoS 0, so it is sent to them too.
 */
export function subackReturnCode(version: ProtocolVersion, reasonCode: number): number {
  return version === 5 || reasonCode <= ReasonCode.GrantedQos2 ? reasonCode : 0x80;
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ReasonCode)
    .filter(([name]) => name !== 'NormalDisconnection' && name !== 'GrantedQos0')
    .map(([name, code]) => [code, readable(name)]),
);

/** The specification's name, for logs: 0x8e is 'Session taken over'. */
export function reasonName(reasonCode: number): string {
  return NAMES.get(reasonCode) ?? `Reason 0x${reasonCode.toString(16).padStart(2, '0')}`;
}

function readable(name: string): string {
  const words = name
    .replace(/([a-z])([A-Z0-9])/g, '$1 $2')
    .toLowerCase()
    .replace('qos', 'QoS');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
