/**
 * What a shared group keeps while an ephemeral member has it: settled when that has acknowledged it, and given to
 * somebody else when it will not.
 */
import type { SharedGroup } from '../../kernel/shared-group.ts';
import type { Mqtt } from './context.ts';
import type { Delivery } from './session.ts';

/** `$share/name/filter`, as a client writes it. */
export function groupKeyOf(group: SharedGroup): string {
  return `$share/${group.name}/${Buffer.from(group.filter.buffer, group.filter.byteOffset, group.filter.byteLength).toString()}`;
}

export function settleIn(mqtt: Mqtt, group: SharedGroup, seq: number): void {
  mqtt.durable.groups.settle(groupKeyOf(group), seq);
  mqtt.durable.commit();
}

/** An ephemeral member has done with what its group keeps. */
export function settleShared(mqtt: Mqtt, delivery: Delivery): void {
  const { group, groupSeq } = delivery;
  if (group === undefined || groupSeq === undefined) return;
  settleIn(mqtt, group, groupSeq);
  // There may be room for what the group could not give it.
  mqtt.wakeGroup(group);
}

/** An ephemeral member gave it up: another one gets it. */
export function returnShared(mqtt: Mqtt, delivery: Delivery): void {
  const { group, groupSeq } = delivery;
  if (group === undefined || groupSeq === undefined) return;
  mqtt.durable.groups.get(groupKeyOf(group))?.leased.delete(groupSeq);
  mqtt.wakeGroup(group);
}
