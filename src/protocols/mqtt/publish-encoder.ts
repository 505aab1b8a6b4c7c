/**
 * The host's encoder of deliveries: a message, and what its receiver is to see of it, as everything of a PUBLISH in
 * front of the payload.
 */
import type { Message } from '../../kernel/message.ts';
import { encodePublishHead, publishBytes } from './codec/encode-publish.ts';

export interface PublishKind {
  /** As the receiver sees it. */
  readonly topic: Uint8Array;
  readonly version5: boolean;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly dup: boolean;
  /** Ignored with QoS 0. */
  readonly packetId: number;
  readonly subscriptionIds: Uint8Array;
  /** 0 = none. */
  readonly topicAlias: number;
  /** False: the alias stands for the topic. */
  readonly withTopic: boolean;
}

export interface PublishEncoder {
  /** Of the whole packet. */
  sizeOf(message: Message, kind: PublishKind): number;
  /** Bytes written at the start of `target`, the payload belongs right behind them; 0 when there is not that much room. */
  encodeHead(target: Uint8Array, message: Message, kind: PublishKind): number;
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** Whole seconds a message may still live, rounded up: one that has just been published keeps its full interval. */
export function remainingSeconds(message: Message, nowMs: number): number | undefined {
  if (message.expiresAtMs === 0) return undefined;
  return Math.min(0xffffffff, Math.max(0, Math.ceil((message.expiresAtMs - nowMs) / 1000)));
}

export function createPublishEncoder(wallMs: () => number): PublishEncoder {
  /** One for all, so that a delivery allocates nothing. */
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

  function describe(message: Message, kind: PublishKind): void {
    const expires = kind.version5 && message.expiresAtMs !== 0;
    head.version = kind.version5 ? 5 : 3;
    head.qos = kind.qos;
    head.retain = kind.retain;
    head.dup = kind.dup;
    head.packetId = kind.packetId;
    head.topic = kind.withTopic ? kind.topic : NOTHING;
    head.payloadBytes = message.payload.length;
    head.messageProperties = message.properties;
    head.topicAlias = kind.topicAlias;
    head.expirySeconds = expires ? remainingSeconds(message, wallMs()) : undefined;
    head.subscriptionIds = kind.subscriptionIds;
  }

  return {
    sizeOf(message, kind) {
      describe(message, kind);
      return publishBytes(head);
    },
    encodeHead(target, message, kind) {
      describe(message, kind);
      return encodePublishHead(target, 0, head);
    },
  };
}
