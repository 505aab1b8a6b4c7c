/** A classic group as it is kept: enough to go on after a restart without a rebalance. */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import type { GroupChange } from './changes.ts';
import type { ClassicGroup, ClassicState, Protocol } from './classic-group.ts';

/** The part of a group's record that has it. */
export const CLASSIC_PART = 'classic';

const VERSION = 1;
const STATES: readonly ClassicState[] = ['Empty', 'CompletingRebalance', 'Stable', 'PreparingRebalance'];

export interface KeptMember {
  readonly id: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly Protocol[];
  readonly assignment: Uint8Array;
}

export interface KeptGroup {
  readonly state: ClassicState;
  readonly changedAtMs: number;
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leaderId: string | null;
  readonly members: readonly KeptMember[];
}

const writeNullable = (to: ByteWriter, value: string | null): ByteWriter =>
  value === null ? to.u8(0) : to.u8(1).text(value);
const readNullable = (from: ByteReader): string | null => (from.u8() === 0 ? null : from.text());

export function imageOf(group: ClassicGroup): GroupChange {
  const to = new ByteWriter(256)
    .u8(VERSION)
    .u8(STATES.indexOf(group.state))
    .uint(group.changedAtMs)
    .uint(group.generation);
  writeNullable(to, group.protocolType);
  writeNullable(to, group.protocolName);
  writeNullable(to, group.leaderId);
  to.uint(group.members.size);
  for (const member of group.members.values()) {
    writeNullable(to.text(member.id), member.instanceId)
      .text(member.clientId)
      .text(member.clientHost)
      .uint(member.sessionTimeoutMs)
      .uint(member.rebalanceTimeoutMs)
      .uint(member.protocols.length);
    for (const { name, metadata } of member.protocols) to.text(name).bytes(metadata);
    to.bytes(member.assignment);
  }
  return { kind: 'part', group: group.id, part: CLASSIC_PART, bytes: to.finish() };
}

function readMember(from: ByteReader): KeptMember {
  return {
    id: from.text(),
    instanceId: readNullable(from),
    clientId: from.text(),
    clientHost: from.text(),
    sessionTimeoutMs: from.uint(),
    rebalanceTimeoutMs: from.uint(),
    protocols: Array.from({ length: from.count(2) }, () => ({
      name: from.text(),
      metadata: from.bytes(),
    })),
    assignment: from.bytes(),
  };
}

export function readImage(bytes: Uint8Array): KeptGroup {
  const from = new ByteReader(bytes);
  const version = from.u8();
  if (version !== VERSION) throw new Error(`groups: version ${version} of a classic group is unknown`);
  const group = {
    state: from.oneOf(STATES),
    changedAtMs: from.uint(),
    generation: from.uint(),
    protocolType: readNullable(from),
    protocolName: readNullable(from),
    leaderId: readNullable(from),
    members: Array.from({ length: from.count(8) }, () => readMember(from)),
  };
  if (!from.isComplete) throw new Error('groups: a classic group is damaged');
  return group;
}
