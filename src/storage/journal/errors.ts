/** A write, a sync or the ownership of the log failed: reading goes on, nothing is acknowledged any more. */
export class JournalReadOnly extends Error {
  override readonly name = 'JournalReadOnly';
  constructor(cause: Error) {
    super(`the journal is read-only since it failed: ${cause.message}`, { cause });
  }
}

/** The disk is nearly full: writers wait, settlements may still be appended. */
export class JournalFull extends Error {
  override readonly name = 'JournalFull';
}

/** More bytes wait to be written than the journal holds; the caller must wait for acknowledgements. */
export class JournalBusy extends Error {
  override readonly name = 'JournalBusy';
}

/** An append that no limit allows. */
export class JournalRefused extends Error {
  override readonly name = 'JournalRefused';
}
