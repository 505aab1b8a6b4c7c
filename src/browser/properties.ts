/** The properties of MQTT 5, read and written from one table. */
import { type Reader, Writer } from './wire.ts';

export interface Properties {
  payloadFormatIndicator?: number;
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Uint8Array;
  subscriptionIdentifiers?: number[];
  sessionExpiryInterval?: number;
  assignedClientIdentifier?: string;
  serverKeepAlive?: number;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
  requestProblemInformation?: number;
  willDelayInterval?: number;
  requestResponseInformation?: number;
  responseInformation?: string;
  serverReference?: string;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  maximumQos?: number;
  retainAvailable?: number;
  userProperties?: [name: string, value: string][];
  maximumPacketSize?: number;
  wildcardSubscriptionAvailable?: number;
  subscriptionIdentifierAvailable?: number;
  sharedSubscriptionAvailable?: number;
}

type Kind = 'u8' | 'u16' | 'u32' | 'text' | 'binary' | 'varints' | 'pairs';

const TABLE: readonly (readonly [id: number, name: keyof Properties, kind: Kind])[] = [
  [0x01, 'payloadFormatIndicator', 'u8'],
  [0x02, 'messageExpiryInterval', 'u32'],
  [0x03, 'contentType', 'text'],
  [0x08, 'responseTopic', 'text'],
  [0x09, 'correlationData', 'binary'],
  [0x0b, 'subscriptionIdentifiers', 'varints'],
  [0x11, 'sessionExpiryInterval', 'u32'],
  [0x12, 'assignedClientIdentifier', 'text'],
  [0x13, 'serverKeepAlive', 'u16'],
  [0x15, 'authenticationMethod', 'text'],
  [0x16, 'authenticationData', 'binary'],
  [0x17, 'requestProblemInformation', 'u8'],
  [0x18, 'willDelayInterval', 'u32'],
  [0x19, 'requestResponseInformation', 'u8'],
  [0x1a, 'responseInformation', 'text'],
  [0x1c, 'serverReference', 'text'],
  [0x1f, 'reasonString', 'text'],
  [0x21, 'receiveMaximum', 'u16'],
  [0x22, 'topicAliasMaximum', 'u16'],
  [0x23, 'topicAlias', 'u16'],
  [0x24, 'maximumQos', 'u8'],
  [0x25, 'retainAvailable', 'u8'],
  [0x26, 'userProperties', 'pairs'],
  [0x27, 'maximumPacketSize', 'u32'],
  [0x28, 'wildcardSubscriptionAvailable', 'u8'],
  [0x29, 'subscriptionIdentifierAvailable', 'u8'],
  [0x2a, 'sharedSubscriptionAvailable', 'u8'],
];

const BY_ID = new Map(TABLE.map((row) => [row[0], row]));

export function writeProperties(writer: Writer, properties: Properties): void {
  const body = new Writer();
  for (const [id, name, kind] of TABLE) {
    const value: unknown = properties[name];
    if (value === undefined) continue;
    if (kind === 'pairs') {
      for (const [key, text] of value as [string, string][]) body.u8(id).text(key).text(text);
    } else if (kind === 'varints') {
      for (const number of value as number[]) body.u8(id).varint(number);
    } else if (kind === 'text') body.u8(id).text(value as string);
    else if (kind === 'binary') body.u8(id).binary(value as Uint8Array);
    else body.u8(id)[kind](value as number);
  }
  const bytes = body.done();
  writer.varint(bytes.length).raw(bytes);
}

/** An unknown property, or a single one that comes twice, fails the reader. */
export function readProperties(reader: Reader): Properties {
  const found: Record<string, unknown> = {};
  const body = reader.sub(reader.varint());
  while (body.left > 0 && !body.failed) {
    const row = BY_ID.get(body.varint());
    if (row === undefined) {
      body.failed = true;
      break;
    }
    const [, name, kind] = row;
    if (kind === 'pairs' || kind === 'varints') {
      const list = (found[name] as unknown[] | undefined) ?? [];
      list.push(kind === 'pairs' ? [body.text(), body.text()] : body.varint());
      found[name] = list;
    } else if (name in found) body.failed = true;
    else found[name] = body[kind]();
  }
  if (body.failed) reader.failed = true;
  return found as Properties;
}
