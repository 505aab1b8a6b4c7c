import type { ByteReader, ByteWriter } from '../../../kernel/binary.ts';

/** Who has which partitions: sorted numbers by topic id, never empty ones. */
export type Assignment = ReadonlyMap<string, readonly number[]>;

export const NO_PARTITIONS: Assignment = new Map();

export function isSameAssignment(a: Assignment, b: Assignment): boolean {
  if (a.size !== b.size) return false;
  for (const [topic, numbers] of a) {
    const others = b.get(topic);
    if (others?.length !== numbers.length || numbers.some((number, i) => number !== others[i])) return false;
  }
  return true;
}

function select(
  from: Assignment,
  isWanted: (number: number, others: ReadonlySet<number>) => boolean,
  other: Assignment,
): Assignment {
  const selected = new Map<string, readonly number[]>();
  for (const [topic, numbers] of from) {
    const others = new Set(other.get(topic));
    const left = numbers.filter((number) => isWanted(number, others));
    if (left.length > 0) selected.set(topic, left);
  }
  return selected;
}

export const intersection = (a: Assignment, b: Assignment): Assignment =>
  select(a, (number, others) => others.has(number), b);
export const difference = (a: Assignment, b: Assignment): Assignment =>
  select(a, (number, others) => !others.has(number), b);
export const isSubset = (a: Assignment, b: Assignment): boolean => difference(a, b).size === 0;

export function union(a: Assignment, b: Assignment): Assignment {
  const all = new Map(a);
  for (const [topic, numbers] of b) {
    const known = all.get(topic);
    all.set(
      topic,
      known === undefined ? numbers : [...new Set([...known, ...numbers])].sort((one, other) => one - other),
    );
  }
  return all;
}

export function filterPartitions(
  from: Assignment,
  isWanted: (topicId: string, partition: number) => boolean,
): Assignment {
  const left = new Map<string, readonly number[]>();
  for (const [topic, numbers] of from) {
    const wanted = numbers.filter((number) => isWanted(topic, number));
    if (wanted.length > 0) left.set(topic, wanted);
  }
  return left;
}

/** From what the wire has. */
export function toAssignment(
  topics: readonly { readonly topicId: string; readonly partitions: readonly number[] }[],
): Assignment {
  const assignment = new Map<string, readonly number[]>();
  for (const { topicId, partitions } of topics) {
    if (partitions.length === 0) continue;
    const numbers = new Set([...(assignment.get(topicId) ?? []), ...partitions]);
    assignment.set(
      topicId,
      [...numbers].sort((one, other) => one - other),
    );
  }
  return assignment;
}

export const fromAssignment = (
  assignment: Assignment,
): { readonly topicId: string; readonly partitions: readonly number[] }[] =>
  [...assignment].map(([topicId, partitions]) => ({ topicId, partitions }));

export function writeAssignment(to: ByteWriter, assignment: Assignment): void {
  to.uint(assignment.size);
  for (const [topicId, numbers] of assignment) to.text(topicId).ascending(numbers);
}

export function readAssignment(from: ByteReader): Assignment {
  const assignment = new Map<string, readonly number[]>();
  for (let left = from.count(2); left > 0; left--) assignment.set(from.text(), from.ascending());
  return assignment;
}
