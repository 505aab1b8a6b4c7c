import fc from 'fast-check';
import { AssignerProtocol } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import {
  consumerAssignment,
  consumerSubscription,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../../src/protocols/kafka/messages/consumer-protocol.ts';
import type { In } from '../../../../src/protocols/kafka/schema/message.ts';
import { valuesOf } from '../support/arbitrary.ts';

describe('what consumers say through the broker', () => {
  it('comes back as it was', () => {
    for (const version of [0, 1, 2, 3]) {
      fc.assert(
        fc.property(
          valuesOf(consumerSubscription, version),
          valuesOf(consumerAssignment, version),
          (asked, got) => {
            const subscription = encodeSubscription(version, asked as In<typeof consumerSubscription>);
            expect(decodeSubscription(subscription).value).toEqual(asked);
            const assignment = encodeAssignment(version, got as In<typeof consumerAssignment>);
            expect(decodeAssignment(assignment).value).toEqual(got);
          },
        ),
        { numRuns: 30 },
      );
    }
  });

  it('is what kafkajs says and understands', () => {
    const said = AssignerProtocol.MemberMetadata.encode({
      version: 1,
      topics: ['a', 'b'],
      userData: Buffer.from('x'),
    });
    // kafkajs writes version 1 without the partitions that version has.
    said.writeInt16BE(0, 0);
    expect(decodeSubscription(said).value).toMatchObject({
      topics: ['a', 'b'],
      userData: Uint8Array.of(0x78),
    });
    const ours = encodeAssignment(0, {
      assignedPartitions: [{ topic: 'a', partitions: [0, 2] }],
      userData: Uint8Array.of(1),
    });
    expect(AssignerProtocol.MemberAssignment.decode(Buffer.from(ours))).toMatchObject({
      assignment: { a: [0, 2] },
    });
    const theirs = AssignerProtocol.MemberAssignment.encode({
      version: 0,
      assignment: { a: [3] },
      userData: Buffer.alloc(0),
    });
    expect(decodeAssignment(theirs).value?.assignedPartitions).toEqual([{ topic: 'a', partitions: [3] }]);
  });

  it('of a later version is read like the newest that we know', () => {
    const subscription = { topics: ['a'], ownedPartitions: [], generationId: 4, rackId: 'r' };
    const later = Buffer.concat([encodeSubscription(3, subscription), Buffer.from('more')]);
    later.writeInt16BE(9, 0);
    expect(decodeSubscription(later).value).toMatchObject(subscription);
  });

  it('is a fault when it is something else', () => {
    expect(decodeSubscription(new Uint8Array(0)).fault?.path).toBe('version');
    expect(decodeSubscription(Buffer.from('ffff00000000', 'hex')).fault).toEqual({
      reason: 'value',
      path: 'version',
    });
    expect(decodeSubscription(Buffer.from('range')).fault?.reason).toBe('truncated');
  });
});
