/**
 * The slow path's encoder: a message is encoded once per kind of subscriber (version, QoS, RETAIN, identifiers) and
 * packet identifiers are patched per receiver. Results are views of reused buffers, valid until the next call.
 */
import type { Message } from '../../kernel/message.ts';
import { encodePublishHead, packetIdOffset, publishBytes } from './codec/encode-publish.ts';

export interface Encoded {
  bytes: Uint8Array;
  /** Position of the packet identifier; 0 with QoS 0. */
  idOffset: number;
}

export interface PublishKind {
  readonly version5: boolean;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly subscriptionIds: Uint8Array;
}

export interface PublishEncoder {
  /** Size on the wire, without an alias. */
  sizeOf(message: Message, kind: PublishKind): number;
  encode(message: Message, kind: PublishKind): Encoded;
  /** For one receiver only. `withTopic` false: the alias stands for the topic. */
  encodeWithAlias(message: Message, kind: PublishKind, alias: number, withTopic: boolean): Encoded;
}

interface Variant extends Encoded {
  buffer: Uint8Array;
  version5: boolean;
  qos: number;
  retain: boolean;
  dup: boolean;
  subscriptionIds: Uint8Array;
  expirySeconds: number | undefined;
}

const NOTHING: Uint8Array = new Uint8Array(0);
const VARIANTS_MAX = 8;
const BUFFER_KEPT_BYTES = 1 << 18;
const FIRST_BUFFER_BYTES = 1024;

function createVariant(): Variant {
  return {
    buffer: new Uint8Array(FIRST_BUFFER_BYTES),
    bytes: NOTHING,
    idOffset: 0,
    version5: false,
    qos: 0,
    retain: false,
    dup: false,
    subscriptionIds: NOTHING,
    expirySeconds: undefined,
  };
}

/** Whole seconds a message may still live, rounded up: one that has just been published keeps its full interval. */
export function remainingSeconds(message: Message, nowMs: number): number | undefined {
  if (message.expiresAtMs === 0) return undefined;
  return Math.min(0xffffffff, Math.max(0, Math.ceil((message.expiresAtMs - nowMs) / 1000)));
}

export function createPublishEncoder(wallMs: () => number): PublishEncoder {
  const variants: Variant[] = [];
  let count = 0;
  let current: Message | undefined;
  const single = createVariant();
  const head = {
    version: 5 as 3 | 5,
    qos: 0 as 0 | 1 | 2,
    retain: false,
    dup: false,
    packetId: 0,
    topic: NOTHING,
    payloadBytes: 0,
    messageProperties: NOTHING,
    topicAlias: 0,
    expirySeconds: undefined as number | undefined,
    subscriptionIds: NOTHING,
  };

  function describe(message: Message, kind: PublishKind, expirySeconds: number | undefined): void {
    head.version = kind.version5 ? 5 : 3;
    head.qos = kind.qos;
    head.retain = kind.retain;
    head.dup = kind.dup;
    head.topic = message.topic;
    head.payloadBytes = message.payload.length;
    head.messageProperties = message.properties;
    head.topicAlias = 0;
    head.expirySeconds = expirySeconds;
    head.subscriptionIds = kind.subscriptionIds;
  }

  function write(variant: Variant, message: Message): Encoded {
    const length = publishBytes(head);
    if (variant.buffer.length < length || (variant.buffer.length > BUFFER_KEPT_BYTES && length <= 4096)) {
      variant.buffer = new Uint8Array(
        length <= FIRST_BUFFER_BYTES ? FIRST_BUFFER_BYTES : length + (length >> 2),
      );
    }
    const headBytes = encodePublishHead(variant.buffer, 0, head);
    variant.buffer.set(message.payload, headBytes);
    variant.bytes = variant.buffer.subarray(0, length);
    variant.idOffset = head.qos === 0 ? 0 : packetIdOffset(variant.buffer, 0);
    return variant;
  }

  function encode(message: Message, kind: PublishKind): Encoded {
    const expires = kind.version5 && message.expiresAtMs !== 0;
    const expirySeconds = expires ? remainingSeconds(message, wallMs()) : undefined;
    if (message !== current) {
      current = message;
      count = 0;
    }
    for (let i = 0; i < count; i++) {
      const variant = variants[i] as Variant;
      if (
        variant.version5 === kind.version5 &&
        variant.qos === kind.qos &&
        variant.retain === kind.retain &&
        variant.dup === kind.dup &&
        variant.expirySeconds === expirySeconds &&
        variant.subscriptionIds === kind.subscriptionIds
      ) {
        return variant;
      }
    }
    if (count === VARIANTS_MAX) count = 0;
    variants[count] ??= createVariant();
    const variant = variants[count++] as Variant;
    variant.version5 = kind.version5;
    variant.qos = kind.qos;
    variant.retain = kind.retain;
    variant.dup = kind.dup;
    variant.expirySeconds = expirySeconds;
    variant.subscriptionIds = kind.subscriptionIds;
    describe(message, kind, expirySeconds);
    return write(variant, message);
  }

  return {
    sizeOf(message, kind) {
      describe(message, kind, kind.version5 && message.expiresAtMs !== 0 ? 0 : undefined);
      return publishBytes(head);
    },
    encode,
    encodeWithAlias(message, kind, alias, withTopic) {
      describe(message, kind, remainingSeconds(message, wallMs()));
      head.topicAlias = alias;
      if (!withTopic) head.topic = NOTHING;
      return write(single, message);
    },
  };
}
