/**
 * MQTT bytes for tests: builders that can make any packet, also a wrong one, and a decoder for what a server
 * sends that refuses everything the specification forbids a server to send. It is written apart from the broker's
 * codec and from its WebAssembly, so that an error shared by both sides of a test is unlikely.
 */

/** Property identifiers of MQTT 5. */
export const P = {
  payloadFormat: 0x01,
  messageExpiry: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionId: 0x0b,
  sessionExpiry: 0x11,
  assignedClientId: 0x12,
  serverKeepAlive: 0x13,
  authMethod: 0x15,
  authData: 0x16,
  requestProblemInfo: 0x17,
  willDelay: 0x18,
  requestResponseInfo: 0x19,
  responseInfo: 0x1a,
  serverReference: 0x1c,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  maximumQos: 0x24,
  retainAvailable: 0x25,
  userProperty: 0x26,
  maximumPacketSize: 0x27,
  wildcardAvailable: 0x28,
  subscriptionIdAvailable: 0x29,
  sharedAvailable: 0x2a,
} as const;

export type PropertyValue =
  | number
  | string
  | Uint8Array
  | readonly [string | Uint8Array, string | Uint8Array];
export type Properties = readonly (readonly [id: number, value: PropertyValue])[];
export type Version = 3 | 4 | 5;

type Kind = 'byte' | 'u16' | 'u32' | 'varint' | 'utf8' | 'binary' | 'pair';

const KINDS: Readonly<Record<number, Kind>> = {
  1: 'byte',
  2: 'u32',
  3: 'utf8',
  8: 'utf8',
  9: 'binary',
  11: 'varint',
  17: 'u32',
  18: 'utf8',
  19: 'u16',
  21: 'utf8',
  22: 'binary',
  23: 'byte',
  24: 'u32',
  25: 'byte',
  26: 'utf8',
  28: 'utf8',
  31: 'utf8',
  33: 'u16',
  34: 'u16',
  35: 'u16',
  36: 'byte',
  37: 'byte',
  38: 'pair',
  39: 'u32',
  40: 'byte',
  41: 'byte',
  42: 'byte',
};

const text = (value: string | Uint8Array): Uint8Array =>
  typeof value === 'string' ? Buffer.from(value) : value;

export const byte = (value: number): Buffer => Buffer.from([value]);
export const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) | (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** A two-byte length and the bytes: strings and binary data alike. */
export const sized = (value: string | Uint8Array): Buffer =>
  Buffer.concat([u16(text(value).length), text(value)]);

export const packet = (first: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([byte(first), varint(body.length), body]);
};

function property(id: number, value: PropertyValue): Buffer {
  const head = byte(id);
  const kind = KINDS[id];
  if (typeof value === 'number') {
    if (kind === 'byte') return Buffer.concat([head, byte(value)]);
    if (kind === 'u16') return Buffer.concat([head, u16(value)]);
    if (kind === 'u32') return Buffer.concat([head, u32(value)]);
    return Buffer.concat([head, varint(value)]);
  }
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.concat([head, sized(value)]);
  return Buffer.concat([head, sized(value[0]), sized(value[1])]);
}

export function properties(list: Properties): Buffer {
  const body = Buffer.concat(list.map(([id, value]) => property(id, value)));
  return Buffer.concat([varint(body.length), body]);
}

const propertiesIf = (version: Version, list: Properties | undefined): Buffer =>
  version === 5 ? properties(list ?? []) : Buffer.alloc(0);

export interface WillOptions {
  readonly topic: string | Uint8Array;
  readonly payload?: string | Uint8Array;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly properties?: Properties;
}

export interface ConnectOptions {
  readonly version?: Version;
  readonly clientId?: string | Uint8Array;
  readonly clean?: boolean;
  readonly keepAlive?: number;
  readonly will?: WillOptions;
  readonly username?: string | Uint8Array;
  readonly password?: string | Uint8Array;
  readonly properties?: Properties;
  /** Overrides for packets that are wrong on purpose. */
  readonly protocolName?: string;
  readonly protocolLevel?: number;
  readonly flags?: number;
}

export function connect(options: ConnectOptions): Buffer {
  const { version = 5, will } = options;
  let flags = options.clean === false ? 0 : 2;
  if (will) flags |= 4 | ((will.qos ?? 0) << 3) | (will.retain ? 32 : 0);
  if (options.password !== undefined) flags |= 64;
  if (options.username !== undefined) flags |= 128;
  const parts = [
    sized(options.protocolName ?? (version === 3 ? 'MQIsdp' : 'MQTT')),
    byte(options.protocolLevel ?? version),
    byte(options.flags ?? flags),
    u16(options.keepAlive ?? 0),
    propertiesIf(version, options.properties),
    sized(options.clientId ?? ''),
  ];
  if (will) parts.push(propertiesIf(version, will.properties), sized(will.topic), sized(will.payload ?? ''));
  if (options.username !== undefined) parts.push(sized(options.username));
  if (options.password !== undefined) parts.push(sized(options.password));
  return packet(0x10, ...parts);
}

export interface PublishOptions {
  readonly version?: Version;
  readonly topic: string | Uint8Array;
  readonly payload?: string | Uint8Array;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly packetId?: number;
  readonly properties?: Properties;
}

export function publish(options: PublishOptions): Buffer {
  const { version = 5, qos = 0 } = options;
  const flags = (options.dup ? 8 : 0) | (qos << 1) | (options.retain ? 1 : 0);
  return packet(
    0x30 | flags,
    sized(options.topic),
    qos > 0 ? u16(options.packetId ?? 1) : Buffer.alloc(0),
    propertiesIf(version, options.properties),
    text(options.payload ?? ''),
  );
}

const ACK_FIRST = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;
export type AckType = keyof typeof ACK_FIRST;

/** Without a reason in the short form (success), with one in the long form of MQTT 5. */
export function ack(type: AckType, packetId: number, reason?: number, list?: Properties): Buffer {
  const parts = [u16(packetId)];
  if (reason !== undefined) parts.push(byte(reason));
  if (list !== undefined) parts.push(properties(list));
  return packet(ACK_FIRST[type], ...parts);
}

export interface Filter {
  readonly filter: string | Uint8Array;
  readonly qos?: number;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: number;
  /** The whole options byte, for wrong ones. */
  readonly options?: number;
}

export function subscribe(
  version: Version,
  packetId: number,
  filters: readonly Filter[],
  list?: Properties,
): Buffer {
  const body = filters.flatMap((f) => [
    sized(f.filter),
    byte(
      f.options ??
        (f.qos ?? 0) | (f.noLocal ? 4 : 0) | (f.retainAsPublished ? 8 : 0) | ((f.retainHandling ?? 0) << 4),
    ),
  ]);
  return packet(0x82, u16(packetId), propertiesIf(version, list), ...body);
}

export function unsubscribe(
  version: Version,
  packetId: number,
  filters: readonly (string | Uint8Array)[],
  list?: Properties,
): Buffer {
  return packet(0xa2, u16(packetId), propertiesIf(version, list), ...filters.map(sized));
}

export const pingreq = (): Buffer => Buffer.from([0xc0, 0]);

export function disconnect(reason?: number, list?: Properties): Buffer {
  const parts: Buffer[] = [];
  if (reason !== undefined) parts.push(byte(reason));
  if (list !== undefined) parts.push(properties(list));
  return packet(0xe0, ...parts);
}

export const auth = (reason: number, list: Properties): Buffer =>
  packet(0xf0, byte(reason), properties(list));
