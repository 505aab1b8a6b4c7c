/**
 * A message as the kernel carries it: bytes plus what the broker itself must know about them. It is immutable
 * and owns its bytes (they are never views of the read window).
 */
export interface Message {
  /** UTF-8, validated. */
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  /**
   * The publisher's properties in MQTT 5 wire form, without the length prefix and without those that belong to
   * one hop (topic alias, subscription identifier) or change with time (message expiry interval).
   */
  readonly properties: Uint8Array;
  readonly qos: 0 | 1 | 2;
  /** As the publisher set it; what a subscriber sees is decided at delivery. */
  readonly retain: boolean;
  /** Wall-clock deadline in ms since the epoch; 0 = never expires. */
  readonly expiresAtMs: number;
  /** Stands for the identifier of the client that published it, for No Local; -1 = the broker itself. */
  readonly publisher: number;
}
