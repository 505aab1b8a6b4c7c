/**
 * Names of those who hold leases, as numbers, with how many each holds. A name lives as long as it holds something, and
 * the last one that held something a little longer, so the table is bounded by the leases. Number 0 is nobody.
 */
export class Holders {
  private readonly numbers = new Map<string, number>();
  private readonly names: string[] = [''];
  private readonly held: number[] = [0];
  private readonly free: number[] = [];
  /** Holds nothing, and will likely be asked for again; 0 = nobody. */
  private idle = 0;

  /** The number of a name, which must then take something. */
  numberFor(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const number = this.free.pop() ?? this.names.length;
    this.names[number] = name;
    this.held[number] = 0;
    this.numbers.set(name, number);
    return number;
  }

  /** 0 when it is not known; then it holds nothing. */
  numberOf(name: string): number {
    return this.numbers.get(name) ?? 0;
  }

  nameOf(number: number): string {
    return this.names[number];
  }

  heldBy(number: number): number {
    return number === 0 ? 0 : this.held[number];
  }

  take(number: number): void {
    if (number !== 0) this.held[number]++;
  }

  giveBack(number: number): void {
    if (number === 0 || --this.held[number] > 0) return;
    const { idle } = this;
    this.idle = number;
    if (idle === 0 || idle === number || this.held[idle] > 0) return;
    this.numbers.delete(this.names[idle]);
    this.names[idle] = '';
    this.free.push(idle);
  }

  clear(): void {
    this.numbers.clear();
    this.names.length = this.held.length = 1;
    this.free.length = 0;
    this.idle = 0;
  }
}
