/**
 * What consumers of the classic protocol tell each other through the broker, behind the version that they write before it. The broker
 * passes it on as it is, but must know which topics a group reads, and speaks it itself to classic members of a group of the new kind.
 */
import { array, bytes, int32, string, structs } from '../schema/fields.ts';
import { type Decoded, type In, type Message, message, type Out } from '../schema/message.ts';
import { WireWriter } from '../schema/writer.ts';

export const consumerSubscription = message(
  'ConsumerProtocolSubscription',
  { versions: '0-3', flexible: 'none' },
  {
    topics: array(string()),
    userData: bytes({ nullable: '0+', default: null }),
    ownedPartitions: structs({ topic: string(), partitions: array(int32()) }, { in: '1+' }),
    generationId: int32({ in: '2+', default: -1 }),
    rackId: string({ in: '3+', nullable: '3+', default: null }),
  },
);

export const consumerAssignment = message(
  'ConsumerProtocolAssignment',
  { versions: '0-3', flexible: 'none' },
  {
    assignedPartitions: structs({ topic: string(), partitions: array(int32()) }),
    userData: bytes({ nullable: '0+', default: null }),
  },
);

const VERSION_BYTES = 2;

/** A version that we do not have is read like the newest that we have: later ones only add at the end. */
function decode<T>({ decode: read, versions }: Message<T>, embedded: Uint8Array): Decoded<T> {
  if (embedded.byteLength < VERSION_BYTES) return { fault: { reason: 'truncated', path: 'version' } };
  const version = new DataView(embedded.buffer, embedded.byteOffset).getInt16(0);
  if (version < versions.first) return { fault: { reason: 'value', path: 'version' } };
  return read(Math.min(version, versions.last), embedded, VERSION_BYTES);
}

const writer = new WireWriter();

function encode<T>(what: Message<unknown, T>, version: number, value: T): Uint8Array {
  try {
    writer.int16(version);
    what.encode(version, value, writer);
    return new Uint8Array(Buffer.concat(writer.finish()));
  } catch (error) {
    writer.discard();
    throw error;
  }
}

export const decodeSubscription = (embedded: Uint8Array): Decoded<Out<typeof consumerSubscription>> =>
  decode(consumerSubscription, embedded);

export const decodeAssignment = (embedded: Uint8Array): Decoded<Out<typeof consumerAssignment>> =>
  decode(consumerAssignment, embedded);

export const encodeSubscription = (version: number, value: In<typeof consumerSubscription>): Uint8Array =>
  encode(consumerSubscription, version, value);

export const encodeAssignment = (version: number, value: In<typeof consumerAssignment>): Uint8Array =>
  encode(consumerAssignment, version, value);
