/**
 * The journal entries of the sessions table. A session is named by its serial, which is never given twice; a delivery
 * by the session and its sequence number, which its entry says: a page can have changes that are still on their way to
 * the journal, and who replays those has to know that they are in it.
 */
import type { ByteReader } from '../../../kernel/binary.ts';
import type { PendingWill } from '../pending-will.ts';
import type { DeliverySet } from './delivery-options.ts';
import { EntryWriter } from './entry-writer.ts';

export const SessionEntry = {
  Open: 1,
  Detach: 2,
  End: 3,
  Subscribe: 4,
  Unsubscribe: 5,
  Deliver: 6,
  Settle: 7,
  Sent: 8,
  Released: 9,
  Received: 10,
  Forgot: 11,
  WillGone: 12,
  Repeated: 13,
  DefineSet: 14,
  /** As Deliver, of messages with ids in a row, each session's with sequence numbers in a row. */
  DeliverRun: 15,
  /** As Settle, of sequence numbers in a row. */
  SettleRun: 16,
  /** Whose it is. */
  Owner: 17,
} as const;

export interface OpenEntry {
  readonly serial: number;
  readonly clientId: string;
  readonly expirySeconds: number;
  readonly will: PendingWill | undefined;
}

export interface SubscriptionName {
  readonly group: string | undefined;
  readonly filter: Uint8Array;
}

/** A run comes from one read of a connection. */
const RUN_MAX = 1 << 20;

const to = new EntryWriter();

/** All results are views of one buffer, valid until the next call of any of these. */
export const encodeEntry = {
  open({ serial, clientId, expirySeconds, will }: OpenEntry): Uint8Array {
    to.begin(SessionEntry.Open).uint(serial).text(clientId).uint(expirySeconds);
    writeWill(to, will);
    return to.view();
  },
  owner: (serial: number, owner: string): Uint8Array =>
    to.begin(SessionEntry.Owner).uint(serial).text(owner).view(),
  detach(serial: number, atMs: number, expirySeconds: number, keepsWill: boolean): Uint8Array {
    to.begin(SessionEntry.Detach).uint(serial).uint(atMs).uint(expirySeconds);
    return to.u8(keepsWill ? 1 : 0).view();
  },
  end: (serial: number): Uint8Array => to.begin(SessionEntry.End).uint(serial).view(),
  subscribe(serial: number, name: SubscriptionName, options: number, identifier: number): Uint8Array {
    to.begin(SessionEntry.Subscribe).uint(serial);
    writeName(to, name);
    return to.u8(options).uint(identifier).view();
  },
  unsubscribe(serial: number, name: SubscriptionName): Uint8Array {
    to.begin(SessionEntry.Unsubscribe).uint(serial);
    writeName(to, name);
    return to.view();
  },
  /** One message to many sessions, with the number that each gave it: some three or four bytes for each. */
  deliver(
    messageId: number,
    sessions: readonly { readonly serial: number }[],
    options: readonly number[],
    seqs: readonly number[],
  ): Uint8Array {
    to.begin(SessionEntry.Deliver).uint(messageId);
    return writeDeliveries(sessions, options, seqs);
  },
  /** `count` messages from that id on; `seqs`: of the first. */
  deliverRun(
    firstId: number,
    count: number,
    sessions: readonly { readonly serial: number }[],
    options: readonly number[],
    seqs: readonly number[],
  ): Uint8Array {
    to.begin(SessionEntry.DeliverRun).uint(firstId).uint(count);
    return writeDeliveries(sessions, options, seqs);
  },
  settle: (serial: number, seq: number): Uint8Array =>
    to.begin(SessionEntry.Settle).uint(serial).uint(seq).view(),
  settleRun: (serial: number, seq: number, count: number): Uint8Array =>
    to.begin(SessionEntry.SettleRun).uint(serial).uint(seq).uint(count).view(),
  sent: (serial: number, below: number): Uint8Array =>
    to.begin(SessionEntry.Sent).uint(serial).uint(below).view(),
  released: (serial: number, seq: number): Uint8Array =>
    to.begin(SessionEntry.Released).uint(serial).uint(seq).view(),
  received: (serial: number, packetId: number): Uint8Array =>
    to.begin(SessionEntry.Received).uint(serial).uint(packetId).view(),
  forgot: (serial: number, packetId: number): Uint8Array =>
    to.begin(SessionEntry.Forgot).uint(serial).uint(packetId).view(),
  willGone: (serial: number): Uint8Array => to.begin(SessionEntry.WillGone).uint(serial).view(),
  /** All that is not settled and was sent is sent again, for the `round`th time. */
  repeated: (serial: number, round: number): Uint8Array =>
    to.begin(SessionEntry.Repeated).uint(serial).uint(round).view(),
  defineSet(index: number, { subscriptionIds, group }: DeliverySet): Uint8Array {
    to.begin(SessionEntry.DefineSet).uint(index).bytes(subscriptionIds);
    if (group === undefined) to.u8(0);
    else to.u8(1).text(group);
    return to.view();
  },
};

function writeDeliveries(
  sessions: readonly { readonly serial: number }[],
  options: readonly number[],
  seqs: readonly number[],
): Uint8Array {
  to.uint(sessions.length);
  let previous = 0;
  let previousSeq = 0;
  for (let i = 0; i < sessions.length; i++) {
    const { serial } = sessions[i] as { readonly serial: number };
    const seq = seqs[i] as number;
    to.int(serial - previous)
      .uint(options[i] as number)
      .int(seq - previousSeq);
    previous = serial;
    previousSeq = seq;
  }
  return to.view();
}

interface Writer {
  u8(value: number): Writer;
  uint(value: number): Writer;
  bytes(value: Uint8Array): Writer;
  text(value: string): Writer;
}

function writeName(writer: Writer, { group, filter }: SubscriptionName): void {
  if (group === undefined) writer.u8(0);
  else writer.u8(1).text(group);
  writer.bytes(filter);
}

export function readName(from: ByteReader): SubscriptionName {
  const group = from.u8() === 0 ? undefined : from.text();
  return { group, filter: from.bytes() };
}

export function writeWill(writer: Writer, will: PendingWill | undefined): void {
  if (will === undefined) {
    writer.u8(0);
    return;
  }
  writer.u8(1).bytes(will.topic).bytes(will.payload).bytes(will.properties);
  writer
    .u8(will.qos)
    .u8(will.retain ? 1 : 0)
    .uint(will.delaySeconds);
  writer.uint(will.expirySeconds === undefined ? 0 : will.expirySeconds + 1);
}

export function readWill(from: ByteReader): PendingWill | undefined {
  if (from.u8() === 0) return undefined;
  const [topic, payload, properties] = [from.bytes(), from.bytes(), from.bytes()];
  const qos = from.oneOf([0, 1, 2] as const);
  const retain = from.u8() === 1;
  const delaySeconds = from.uint();
  const expiry = from.uint();
  const expirySeconds = expiry === 0 ? undefined : expiry - 1;
  return { topic, payload, properties, qos, retain, delaySeconds, expirySeconds };
}

/** How many are in a run. */
export function readRun(from: ByteReader): number {
  const count = from.uint();
  return count <= RUN_MAX ? count : from.fail();
}

export function readSigned(from: ByteReader): number {
  const value = from.uint();
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}

export function readSet(from: ByteReader): DeliverySet {
  const subscriptionIds = from.bytes();
  return { subscriptionIds, group: from.u8() === 0 ? undefined : from.text() };
}
