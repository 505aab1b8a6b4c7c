/**
 * What lives here: the shapes of all MQTT control packets of 3.1 (MQIsdp), 3.1.1 and 5.0, as the codec produces and
 * consumes them. Not here: reading and writing bytes (decode.ts, encode.ts), what a session does with a packet.
 *
 * A decoded packet owns its bytes: none of its arrays is a view of the input. Names that are matched or forwarded
 * (topic names, topic filters, response topics) stay UTF-8 bytes, already validated; text that people read (client
 * identifier, user name, reason string, user properties) is decoded.
 */

/** Protocol level on the wire: 3 = MQTT 3.1 (MQIsdp), 4 = MQTT 3.1.1, 5 = MQTT 5.0. */
export type ProtocolVersion = 3 | 4 | 5;
export type Qos = 0 | 1 | 2;

/** Control packet types as in the upper four bits of the fixed header; also the `type` that tells packets apart. */
export const PacketType = {
  Connect: 1,
  Connack: 2,
  Publish: 3,
  Puback: 4,
  Pubrec: 5,
  Pubrel: 6,
  Pubcomp: 7,
  Subscribe: 8,
  Suback: 9,
  Unsubscribe: 10,
  Unsuback: 11,
  Pingreq: 12,
  Pingresp: 13,
  Disconnect: 14,
  Auth: 15,
} as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

/** Name and value; the list keeps the sender's order and its repetitions. */
export type UserProperty = readonly [name: string, value: string];

interface WithUserProperties {
  readonly userProperties?: readonly UserProperty[] | undefined;
}

interface WithReason extends WithUserProperties {
  readonly reasonString?: string | undefined;
}

export interface ConnectProperties extends WithUserProperties {
  readonly sessionExpiryIntervalSeconds?: number | undefined;
  readonly receiveMaximum?: number | undefined;
  readonly maximumPacketSizeBytes?: number | undefined;
  readonly topicAliasMaximum?: number | undefined;
  readonly requestResponseInformation?: boolean | undefined;
  readonly requestProblemInformation?: boolean | undefined;
  readonly authenticationMethod?: string | undefined;
  readonly authenticationData?: Uint8Array | undefined;
}

/** Properties that describe a message and travel with it to every subscriber. */
export interface MessageProperties extends WithUserProperties {
  readonly payloadFormatIndicator?: 0 | 1 | undefined;
  readonly messageExpiryIntervalSeconds?: number | undefined;
  readonly contentType?: string | undefined;
  readonly responseTopic?: Uint8Array | undefined;
  readonly correlationData?: Uint8Array | undefined;
}

export interface WillProperties extends MessageProperties {
  readonly willDelayIntervalSeconds?: number | undefined;
}

export interface PublishProperties extends MessageProperties {
  readonly topicAlias?: number | undefined;
  /** Only from server to client; one per matching subscription. */
  readonly subscriptionIdentifiers?: readonly number[] | undefined;
}

export interface ConnackProperties extends WithReason {
  readonly sessionExpiryIntervalSeconds?: number | undefined;
  readonly receiveMaximum?: number | undefined;
  readonly maximumQos?: 0 | 1 | undefined;
  readonly retainAvailable?: boolean | undefined;
  readonly maximumPacketSizeBytes?: number | undefined;
  readonly assignedClientIdentifier?: string | undefined;
  readonly topicAliasMaximum?: number | undefined;
  readonly wildcardSubscriptionAvailable?: boolean | undefined;
  readonly subscriptionIdentifiersAvailable?: boolean | undefined;
  readonly sharedSubscriptionAvailable?: boolean | undefined;
  readonly serverKeepAliveSeconds?: number | undefined;
  readonly responseInformation?: string | undefined;
  readonly serverReference?: string | undefined;
  readonly authenticationMethod?: string | undefined;
  readonly authenticationData?: Uint8Array | undefined;
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK. */
export interface AckProperties extends WithReason {}

export interface SubscribeProperties extends WithUserProperties {
  readonly subscriptionIdentifier?: number | undefined;
}

export interface UnsubscribeProperties extends WithUserProperties {}

export interface DisconnectProperties extends WithReason {
  readonly sessionExpiryIntervalSeconds?: number | undefined;
  readonly serverReference?: string | undefined;
}

export interface AuthProperties extends WithReason {
  readonly authenticationMethod?: string | undefined;
  readonly authenticationData?: Uint8Array | undefined;
}

/** `properties` of every packet is `{}` where the version has none or the sender gave none. */
export interface Will {
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: WillProperties;
  /**
   * The message properties in wire form and in the sender's order, without length prefix, expiry and will delay: what
   * the kernel's Message carries. Empty below MQTT 5.
   */
  readonly messageProperties: Uint8Array;
}

export interface ConnectPacket {
  readonly type: typeof PacketType.Connect;
  readonly version: ProtocolVersion;
  /** The level byte had 0x80 set, as Mosquitto's bridges do: do not echo to it what it published. */
  readonly bridge: boolean;
  /** Clean Session (3.x) or Clean Start (5). */
  readonly clean: boolean;
  readonly keepAliveSeconds: number;
  /** '' = the client wants one assigned; whether it may is the session's rule, not the codec's. */
  readonly clientId: string;
  readonly will?: Will | undefined;
  readonly userName?: string | undefined;
  readonly password?: Uint8Array | undefined;
  readonly properties: ConnectProperties;
}

export interface ConnackPacket {
  readonly type: typeof PacketType.Connack;
  readonly sessionPresent: boolean;
  /** MQTT 5 reason code. Encoders map it for 3.x clients; decoders of 3.x give the return code 0…5 as it came. */
  readonly reasonCode: number;
  readonly properties: ConnackProperties;
}

export interface PublishPacket {
  readonly type: typeof PacketType.Publish;
  readonly dup: boolean;
  readonly qos: Qos;
  readonly retain: boolean;
  /** 0 with QoS 0. */
  readonly packetId: number;
  /** Empty when the topic comes by alias alone. */
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  readonly properties: PublishProperties;
  /** As in Will; without expiry, topic alias and subscription identifiers. Encoders send these and the one-hop ones of `properties`. */
  readonly messageProperties: Uint8Array;
  /** Payload Format Indicator 1 and the payload is not UTF-8: answer 0x99. Not a reason to close by itself. */
  readonly payloadNotUtf8: boolean;
}

interface PublishAck {
  readonly packetId: number;
  /** 0 below MQTT 5. */
  readonly reasonCode: number;
  readonly properties: AckProperties;
}
export interface PubackPacket extends PublishAck {
  readonly type: typeof PacketType.Puback;
}
export interface PubrecPacket extends PublishAck {
  readonly type: typeof PacketType.Pubrec;
}
export interface PubrelPacket extends PublishAck {
  readonly type: typeof PacketType.Pubrel;
}
export interface PubcompPacket extends PublishAck {
  readonly type: typeof PacketType.Pubcomp;
}
export type PublishAckPacket = PubackPacket | PubrecPacket | PubrelPacket | PubcompPacket;

export type RetainHandling = 0 | 1 | 2;

export interface SubscriptionRequest {
  /** As sent, `$share/group/` included; valid by the rules of topic.ts, where parseFilter takes it apart. */
  readonly filter: Uint8Array;
  readonly qos: Qos;
  /** The options below are false, false and 0 under MQTT 3.x. */
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: RetainHandling;
}

export interface SubscribePacket {
  readonly type: typeof PacketType.Subscribe;
  readonly packetId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly properties: SubscribeProperties;
}

export interface SubackPacket {
  readonly type: typeof PacketType.Suback;
  readonly packetId: number;
  /** One per filter, in order: granted QoS or an MQTT 5 failure (sent as 0x80 to 3.x clients). */
  readonly reasonCodes: readonly number[];
  readonly properties: AckProperties;
}

export interface UnsubscribePacket {
  readonly type: typeof PacketType.Unsubscribe;
  readonly packetId: number;
  readonly filters: readonly Uint8Array[];
  readonly properties: UnsubscribeProperties;
}

export interface UnsubackPacket {
  readonly type: typeof PacketType.Unsuback;
  readonly packetId: number;
  /** One per filter, in order; none of it is sent to 3.x clients. */
  readonly reasonCodes: readonly number[];
  readonly properties: AckProperties;
}

export interface PingreqPacket {
  readonly type: typeof PacketType.Pingreq;
}
export interface PingrespPacket {
  readonly type: typeof PacketType.Pingresp;
}

export interface DisconnectPacket {
  readonly type: typeof PacketType.Disconnect;
  /** 0 below MQTT 5. */
  readonly reasonCode: number;
  readonly properties: DisconnectProperties;
}

export interface AuthPacket {
  readonly type: typeof PacketType.Auth;
  readonly reasonCode: number;
  readonly properties: AuthProperties;
}

/** What a client may send. */
export type ClientPacket =
  | ConnectPacket
  | PublishPacket
  | PublishAckPacket
  | SubscribePacket
  | UnsubscribePacket
  | PingreqPacket
  | DisconnectPacket
  | AuthPacket;

/** What a server may send. */
export type ServerPacket =
  | ConnackPacket
  | PublishPacket
  | PublishAckPacket
  | SubackPacket
  | UnsubackPacket
  | PingrespPacket
  | DisconnectPacket
  | AuthPacket;

export type Packet = ClientPacket | ServerPacket;

/**
 * Why bytes are not a packet. A value, never thrown. `answer` says what the specification allows to tell the peer
 * before the connection is closed: nothing, a CONNACK or a DISCONNECT with `reasonCode`, encoded for `version`
 * (the version the client asked for where that is known).
 */
export interface ProtocolViolation {
  readonly type: 'violation';
  /** MQTT 5 reason code. */
  readonly reasonCode: number;
  readonly message: string;
  /** Conformance statement or section, e.g. 'MQTT-3.1.2-3'. */
  readonly citation: string;
  readonly answer: 'none' | 'connack' | 'disconnect';
  readonly version: ProtocolVersion;
}

/** What the decoder refuses beyond the specification's own limits. */
export interface CodecLimits {
  /** Whole packet with its fixed header; above it 0x95. */
  readonly maxPacketBytes: number;
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
  /** Filters in one SUBSCRIBE or UNSUBSCRIBE; above it 0x97. */
  readonly maxFiltersPerPacket: number;
  /** User properties in one packet; above it 0x97. */
  readonly maxUserProperties: number;
  /** Topic Alias Maximum that was announced to the peer; 0 = none allowed. */
  readonly topicAliasMaximum: number;
  /** Also refuse what UTF-8 strings SHOULD NOT contain: control characters and non-characters. */
  readonly strictUtf8: boolean;
  /** Filters that break the rules of topic.ts pass: the session answers each with its own code in SUBACK or UNSUBACK. */
  readonly leavesFiltersToSession?: boolean;
}

export function isViolation(result: Packet | ProtocolViolation): result is ProtocolViolation {
  return result.type === 'violation';
}
