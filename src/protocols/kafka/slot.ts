/** The place of a request in the order of the answers, with what is to be given back behind it. */
import { createLoan, type Loan } from '../../kernel/log/partitions.ts';
import type { CallMemory } from './handlers.ts';
import type { RequestMemory } from './request-memory.ts';

export class Slot implements CallMemory {
  /** undefined while the request is under way; empty when there is no answer. */
  answer: readonly Uint8Array[] | undefined;
  readonly bytes: number;
  readonly #requests: RequestMemory;
  #frame: Buffer | undefined;
  #isAnswered = false;
  #isLetGo = false;
  #loan: Loan | undefined;

  constructor(requests: RequestMemory, frame: Buffer, answer?: readonly Uint8Array[]) {
    this.#requests = requests;
    this.#frame = frame;
    this.bytes = frame.length;
    this.answer = answer;
  }

  get loan(): Loan {
    this.#loan ??= createLoan();
    return this.#loan;
  }

  /** What there is to give back once the answer has left. */
  get borrowed(): Loan | undefined {
    return this.#loan;
  }

  letGo(): void {
    this.#isLetGo = true;
    if (this.#isAnswered) this.#free();
  }

  /** The request is not looked at for its answer any more. */
  answered(): void {
    this.#isAnswered = true;
    if (this.#isLetGo) this.#free();
  }

  #free(): void {
    const frame = this.#frame;
    this.#frame = undefined;
    if (frame !== undefined) this.#requests.give(frame);
  }
}
