import type { PartitionState } from './partition.ts';

/** Partitions to which this turn has brought something. Not a Set: see listeners.ts for what clearing one in each turn leaves. */
export class TouchedPartitions {
  readonly #partitions: PartitionState[] = [];

  get all(): readonly PartitionState[] {
    return this.#partitions;
  }

  add(partition: PartitionState): void {
    if (partition.isTouched) return;
    partition.isTouched = true;
    this.#partitions.push(partition);
  }

  remove(partition: PartitionState): void {
    if (!partition.isTouched) return;
    partition.isTouched = false;
    this.#partitions.splice(this.#partitions.indexOf(partition), 1);
  }

  clear(): void {
    for (const partition of this.#partitions) partition.isTouched = false;
    this.#partitions.length = 0;
  }
}
