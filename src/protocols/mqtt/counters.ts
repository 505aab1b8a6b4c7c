/**
 * What the MQTT front-end counts by itself. Packets, bytes in and deliveries that the data plane serves are counted
 * there; `sys-topics.ts` and the admin surface add the two up.
 */
import { reasonName } from './codec/reason-codes.ts';

export interface Counters {
  connectionsAccepted: number;
  /** No slot, memory high, or stopping. */
  connectionsRefused: number;
  connectionsClosed: number;
  clientsConnected: number;
  clientsMaximum: number;
  connectsRefused: number;
  takeovers: number;
  /** Of another user's session. */
  takeoversDenied: number;
  protocolViolations: number;
  connectTimeouts: number;
  keepAliveTimeouts: number;
  partialPacketTimeouts: number;
  writeTimeouts: number;
  publishesDenied: number;
  /** What waited and may not be received any more. */
  deliveriesDenied: number;
  /** Above a rate, and not read for a while. */
  publishersThrottled: number;
  /** Told 0x97 (or dropped, at QoS 0) because a quota or every queue refused it. */
  publishesRefused: number;
  publishesUnmatched: number;
  /** PUBLISH packets encoded here, by QoS; the data plane counts its own. */
  publishSent: [number, number, number];
  publishBytesSent: number;
  /** PUBLISH packets too long for the read window, by QoS; the data plane counts the others. */
  publishReceived: [number, number, number];
  /** CONNACK, SUBACK and their like; acknowledgements are counted in the data plane. */
  controlPacketsSent: number;
  /** QoS 0 to a connected client that does not read. */
  droppedSlowConsumer: number;
  /** Given up by a full session queue. */
  droppedQueueFull: number;
  droppedExpired: number;
  droppedTooLarge: number;
  /** Bodies of waiting messages that could not be read back. */
  unreadableMessages: number;
  deadLetters: number;
  duplicates: number;
  delayed: number;
  /** No output memory. */
  droppedNoMemory: number;
  /** Session away and QoS 0 is not kept, or the session ended with messages waiting. */
  droppedOffline: number;
  sharedRedelivered: number;
  retainedRefused: number;
  retainedSent: number;
  willsPublished: number;
  sessionsCreated: number;
  sessionsResumed: number;
  sessionsExpired: number;
  sessionsEnded: number;
  bytesSent: number;
  writes: number;
  /** Packets too long for the read window, which the data plane does not count. */
  assembledPackets: number;
  assembledBytes: number;
  publishersPaused: number;
  /** Timers that could not be set because the wheel is full. */
  timersRefused: number;
  /** DISCONNECT packets sent and connections closed by us, by reason code. */
  readonly closedByReason: Map<number, number>;
}

export function createCounters(): Counters {
  return {
    connectionsAccepted: 0,
    connectionsRefused: 0,
    connectionsClosed: 0,
    clientsConnected: 0,
    clientsMaximum: 0,
    connectsRefused: 0,
    takeovers: 0,
    takeoversDenied: 0,
    protocolViolations: 0,
    connectTimeouts: 0,
    keepAliveTimeouts: 0,
    partialPacketTimeouts: 0,
    writeTimeouts: 0,
    publishesDenied: 0,
    deliveriesDenied: 0,
    publishersThrottled: 0,
    publishesRefused: 0,
    publishesUnmatched: 0,
    publishSent: [0, 0, 0],
    publishBytesSent: 0,
    publishReceived: [0, 0, 0],
    controlPacketsSent: 0,
    droppedSlowConsumer: 0,
    droppedQueueFull: 0,
    droppedExpired: 0,
    droppedTooLarge: 0,
    unreadableMessages: 0,
    deadLetters: 0,
    duplicates: 0,
    delayed: 0,
    droppedNoMemory: 0,
    droppedOffline: 0,
    sharedRedelivered: 0,
    retainedRefused: 0,
    retainedSent: 0,
    willsPublished: 0,
    sessionsCreated: 0,
    sessionsResumed: 0,
    sessionsExpired: 0,
    sessionsEnded: 0,
    bytesSent: 0,
    writes: 0,
    assembledPackets: 0,
    assembledBytes: 0,
    publishersPaused: 0,
    timersRefused: 0,
    closedByReason: new Map(),
  };
}

export function countClose(counters: Counters, reasonCode: number): void {
  counters.closedByReason.set(reasonCode, (counters.closedByReason.get(reasonCode) ?? 0) + 1);
}

/** `closedByReason` with the specification's names, for people. */
export function closesByName(counters: Counters): Record<string, number> {
  return Object.fromEntries([...counters.closedByReason].map(([code, count]) => [reasonName(code), count]));
}
