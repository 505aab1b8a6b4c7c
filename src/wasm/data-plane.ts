/**
 * Host side of assembly/mqtt: the only code that touches the linear memory of the MQTT data plane.
 *
 * One instance serves all MQTT connections of a process. A connection is a slot (0 … maxConnections-1) that the
 * caller chooses. The module scans input, serves what it knows in place (flows, acknowledgements, PINGREQ) and
 * describes everything else in rows that the caller walks; it gathers output per slot and hands it out as spans
 * to write. See docs/architecture.md, "The data plane".
 */

/** What a row says. Rows before the last are notices; MISS and CONTROL rows are always last (the caller must act before more is read). */
export const Row = {
  /** A whole control packet that the host must decode: [kind, off, len, type<<8|flags]. Validated: fixed header only. */
  Control: 1,
  /**
   * A valid PUBLISH whose flow is unknown, or that is not for the fast path (retain set, topic alias, flow cache off):
   * the host routes it, and acknowledges it with `acknowledge` (QoS 1 and 2).
   */
  Publish: 2,
  /** A PUBLISH of a known flow that was served to its fast destinations and has a host part: the host serves that part and acknowledges (QoS 1 and 2). */
  HostPart: 3,
  /** A PUBLISH that one fast destination could not take (window full or host mode): the host queues it for that slot. */
  Overflow: 4,
  /** A valid acknowledgement for a packet identifier that is marked as the host's: [kind, type, packetId, reason]. */
  Ack: 5,
  /** The send window of this slot (the ingesting one) has room again, and the host had asked to know. */
  Window: 6,
} as const;
export type Row = (typeof Row)[keyof typeof Row];
