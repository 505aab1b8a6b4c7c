/**
 * What lives here: the table of all MQTT 5 properties (specification section 2.2.2.2) from which both directions of the
 * codec work. Not here: how a property's bytes are read (decode-properties.ts) and written (encode-properties.ts).
 */
import { PacketType } from './packets.ts';

/** Will properties are a set of their own inside CONNECT; 0 is no packet type. */
export const WILL = 0;
export type PropertyContext = PacketType | typeof WILL;

export type PropertyKind =
  | 'flag' // a byte, 0 or 1, kept as a number
  | 'boolean' // a byte, 0 or 1
  | 'uint16'
  | 'uint32'
  | 'varint'
  | 'string'
  | 'topic' // a UTF-8 string kept as bytes, a topic name
  | 'binary'
  | 'pair';

export interface PropertyDefinition {
  readonly id: number;
  /** Field of the packet's `properties`. */
  readonly name: string;
  readonly kind: PropertyKind;
  readonly contexts: readonly PropertyContext[];
  /** Contexts in which it may appear more than once; the field is then a list. */
  readonly repeatable: readonly PropertyContext[];
  /** Reason code if the value is 0; undefined = 0 is a value. */
  readonly zeroReason: number | undefined;
  /** Describes the message and passes through to subscribers unchanged. */
  readonly passesThrough: boolean;
}

const { Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp } = PacketType;
const { Subscribe, Suback, Unsubscribe, Unsuback, Disconnect, Auth } = PacketType;

const MESSAGE: readonly PropertyContext[] = [Publish, WILL];
const ACKS: readonly PropertyContext[] = [Puback, Pubrec, Pubrel, Pubcomp, Suback, Unsuback];
const ANY: readonly PropertyContext[] = [
  ...[Connect, Connack, ...MESSAGE, ...ACKS],
  ...[Subscribe, Unsubscribe, Disconnect, Auth],
];

interface Traits {
  readonly repeatable?: readonly PropertyContext[];
  readonly zeroReason?: number;
  readonly passesThrough?: boolean;
}

function property(
  id: number,
  name: string,
  kind: PropertyKind,
  contexts: readonly PropertyContext[],
  traits: Traits = {},
): PropertyDefinition {
  const { repeatable = [], zeroReason, passesThrough = false } = traits;
  return { id, name, kind, contexts, repeatable, zeroReason, passesThrough };
}

const PROTOCOL_ERROR = 0x82;
const TOPIC_ALIAS_INVALID = 0x94;
const message = { passesThrough: true };
const positive = { zeroReason: PROTOCOL_ERROR };

export const PROPERTIES: readonly PropertyDefinition[] = [
  property(0x01, 'payloadFormatIndicator', 'flag', MESSAGE, message),
  property(0x02, 'messageExpiryIntervalSeconds', 'uint32', MESSAGE),
  property(0x03, 'contentType', 'string', MESSAGE, message),
  property(0x08, 'responseTopic', 'topic', MESSAGE, message),
  property(0x09, 'correlationData', 'binary', MESSAGE, message),
  property(0x0b, 'subscriptionIdentifier', 'varint', [Publish, Subscribe], {
    ...positive,
    repeatable: [Publish],
  }),
  property(0x11, 'sessionExpiryIntervalSeconds', 'uint32', [Connect, Connack, Disconnect]),
  property(0x12, 'assignedClientIdentifier', 'string', [Connack]),
  property(0x13, 'serverKeepAliveSeconds', 'uint16', [Connack]),
  property(0x15, 'authenticationMethod', 'string', [Connect, Connack, Auth]),
  property(0x16, 'authenticationData', 'binary', [Connect, Connack, Auth]),
  property(0x17, 'requestProblemInformation', 'boolean', [Connect]),
  property(0x18, 'willDelayIntervalSeconds', 'uint32', [WILL]),
  property(0x19, 'requestResponseInformation', 'boolean', [Connect]),
  property(0x1a, 'responseInformation', 'string', [Connack]),
  property(0x1c, 'serverReference', 'string', [Connack, Disconnect]),
  property(0x1f, 'reasonString', 'string', [Connack, ...ACKS, Disconnect, Auth]),
  property(0x21, 'receiveMaximum', 'uint16', [Connect, Connack], positive),
  property(0x22, 'topicAliasMaximum', 'uint16', [Connect, Connack]),
  property(0x23, 'topicAlias', 'uint16', [Publish], { zeroReason: TOPIC_ALIAS_INVALID }),
  property(0x24, 'maximumQos', 'flag', [Connack]),
  property(0x25, 'retainAvailable', 'boolean', [Connack]),
  property(0x26, 'userProperties', 'pair', ANY, { ...message, repeatable: ANY }),
  property(0x27, 'maximumPacketSizeBytes', 'uint32', [Connect, Connack], positive),
  property(0x28, 'wildcardSubscriptionAvailable', 'boolean', [Connack]),
  property(0x29, 'subscriptionIdentifiersAvailable', 'boolean', [Connack]),
  property(0x2a, 'sharedSubscriptionAvailable', 'boolean', [Connack]),
];

const BY_ID: readonly (PropertyDefinition | undefined)[] = Array.from({ length: 0x2b }, (_, id) =>
  PROPERTIES.find((definition) => definition.id === id),
);

export function propertyById(id: number): PropertyDefinition | undefined {
  return BY_ID[id];
}

/** The field that holds it: a list where it may repeat. */
export function fieldName(definition: PropertyDefinition, context: PropertyContext): string {
  return definition.name === 'subscriptionIdentifier' && context === PacketType.Publish
    ? 'subscriptionIdentifiers'
    : definition.name;
}
