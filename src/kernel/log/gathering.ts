import type { PartitionState } from './partition.ts';

/** Partitions to which this turn has brought something. Not a Set: see listeners.ts for what clearing one in each turn leaves. */
export class Gathering {
  readonly #partitions: PartitionState[] = [];

  get all(): readonly PartitionState[] {
    return this.#partitions;
  }

  add(partition: PartitionState): void {
    if (partition.isGathering) return;
    partition.isGathering = true;
    this.#partitions.push(partition);
  }

  remove(partition: PartitionState): void {
    if (!partition.isGathering) return;
    partition.isGathering = false;
    this.#partitions.splice(this.#partitions.indexOf(partition), 1);
  }

  clear(): void {
    for (const partition of this.#partitions) partition.isGathering = false;
    this.#partitions.length = 0;
  }
}
