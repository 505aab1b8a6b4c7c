/**
 * Whom to serve next: consumers of one queue with their priority and credit. The highest priority with credit
 * left comes first, in turn among equals; a lower one is served only when all above have none. Nothing of it is
 * journaled: consumers live with their connections.
 */
interface Consumer {
  readonly priority: number;
  credit: number;
  /** When it was last served, in turns. */
  servedAt: number;
}

export class Consumers {
  private readonly consumers = new Map<string, Consumer>();
  private readonly maxConsumers: number;
  private turn = 0;

  constructor(maxConsumers: number) {
    this.maxConsumers = maxConsumers;
  }

  get size(): number {
    return this.consumers.size;
  }

  /** False when there is no room for one more. Adding a known one changes its priority and credit. */
  add(id: string, priority: number, credit: number): boolean {
    if (!this.consumers.has(id) && this.consumers.size >= this.maxConsumers) return false;
    this.consumers.set(id, { priority, credit, servedAt: this.turn++ });
    return true;
  }

  remove(id: string): boolean {
    return this.consumers.delete(id);
  }

  /** May be negative to take credit back. */
  addCredit(id: string, credit: number): void {
    const consumer = this.consumers.get(id);
    if (consumer !== undefined) consumer.credit = Math.max(0, consumer.credit + credit);
  }

  /** The consumer to offer to, and how much it takes; `declined` are those for whom nothing suited this round. */
  next(declined?: ReadonlySet<string>): { readonly id: string; readonly credit: number } | undefined {
    let best: { id: string; consumer: Consumer } | undefined;
    for (const [id, consumer] of this.consumers) {
      if (consumer.credit <= 0 || declined?.has(id) === true) continue;
      const isBetter =
        best === undefined ||
        consumer.priority > best.consumer.priority ||
        (consumer.priority === best.consumer.priority && consumer.servedAt < best.consumer.servedAt);
      if (isBetter) best = { id, consumer };
    }
    return best === undefined ? undefined : { id: best.id, credit: best.consumer.credit };
  }

  /** `count` messages went to it: its credit falls and its turn is over. */
  served(id: string, count: number): void {
    const consumer = this.consumers.get(id);
    if (consumer === undefined) return;
    consumer.credit = Math.max(0, consumer.credit - count);
    consumer.servedAt = this.turn++;
  }
}
