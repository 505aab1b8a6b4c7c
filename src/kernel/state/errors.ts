/** Written by another version of the program. */
export class StateFormatUnknown extends Error {
  override readonly name = 'StateFormatUnknown';
}

/** Whole according to its checksum, and yet no sense: nothing is guessed. */
export class StateLogDamaged extends Error {
  override readonly name = 'StateLogDamaged';
  readonly position: number;
  constructor(position: number, what: string) {
    super(`the state log is damaged at position ${position} of the journal: ${what}`);
    this.position = position;
  }
}

/** A change that was not taken; nothing of it is in the journal. */
export class ChangeRefused extends Error {
  override readonly name = 'ChangeRefused';
  readonly reason: 'full' | 'too-large';
  constructor(reason: 'full' | 'too-large', message: string) {
    super(message);
    this.reason = reason;
  }
}
