/**
 * The write-ahead log as the journal sees it, whatever keeps its bytes: local files, memory, an object store. A log
 * is a sequence of epochs, an epoch a sequence of blocks, each appended by the one writer of its epoch. Blocks have
 * positions: bytes from the start of the epoch, headers included, so that the next position follows from the last
 * block. Here are the contract and its errors; what blocks contain, and who may win an epoch, is decided elsewhere.
 *
 * Guaranteed by every engine: appends are acknowledged strictly in order; what was acknowledged lies below the length
 * that `seal` returns; that length is the same for every caller, for ever; a writer whose epoch is being sealed
 * acknowledges nothing any more. None of it depends on a clock.
 */

/** `os`: the operating system has it, a killed process loses nothing. `sync`: it survives a loss of power. */
export type WalLevel = 'os' | 'sync';

export interface AppendOptions {
  readonly level: WalLevel;
  /** Begins a new file (where the engine has files) and can be found again with `lastAnchor`. */
  readonly isAnchor?: boolean;
  /** What `BodyCheck.matches` compares the body with; the CRC-32 of the body where none is given. */
  readonly sum?: number;
}

export interface WalBlock {
  readonly position: number;
  /** Where the next block begins. */
  readonly end: number;
  readonly isAnchor: boolean;
  readonly body: Uint8Array;
}

/** Where a body is laid out before it is appended. Its bytes stay as they are while somebody wants them. */
export interface BodyRoom {
  readonly bytes: Uint8Array;
  /** Who laid it out does not want it any more. */
  free(): void;
  /** One more wants it. */
  lend(): void;
  /** One less. */
  giveBack(): void;
}

export interface BodyMemory {
  take(bytes: number): BodyRoom;
}

export interface WalWriter {
  readonly epoch: number;
  /** Position that the next appended block gets. */
  readonly next: number;
  /** Appends not yet acknowledged; at `maxInFlight` the next append is refused. */
  readonly inFlight: number;
  readonly maxInFlight: number;
  /** Where the engine has memory of its own: a body that is laid out there, and appended next, is not copied. */
  readonly memory?: BodyMemory;
  /**
   * Resolves with the position of the block, after all before it. The views must not change until then. The first
   * failure is final: it rejects this append and all that are or come behind it.
   */
  append(body: readonly Uint8Array[], options: AppendOptions): Promise<number>;
  /** Waits for what is under way. The epoch stays unsealed. */
  close(): Promise<void>;
}

/** What an engine may make use of, or not. */
export interface ReadHints {
  /**
   * Told where the next blocks begin before these have been checked, after the call and before it resolves: who reads on
   * can begin there.
   */
  onEnd?(position: number): void;
  /** A buffer for the bytes; what was in it does not matter. */
  allocate?(bytes: number): Uint8Array;
}

export interface WalStore {
  /** Bytes that the body of one block may have. */
  readonly maxBlockBytes: number;
  /** Tries out what the guarantees stand on; rejects with a sentence when the store does not have it. */
  probe(): Promise<void>;
  /** The caller has won this epoch. Each can be opened once; `WalFenced` when it was, or is being sealed. */
  open(walId: string, epoch: number): Promise<WalWriter>;
  /** Ends an epoch and returns its length in bytes. Any process may call it, at any time, as often as it likes. */
  seal(walId: string, epoch: number): Promise<number>;
  /** Epochs that were opened or sealed, ascending. */
  epochs(walId: string): Promise<number[]>;
  /**
   * Blocks from the one at `from`, at least one and some `maxBytes` of them, none at or behind `until`. All in that
   * range were acknowledged or lie below the sealed length: one that is not whole is `WalCorrupt`.
   */
  read(
    walId: string,
    epoch: number,
    from: number,
    until: number,
    maxBytes: number,
    hints?: ReadHints,
  ): Promise<WalBlock[]>;
  /** Position of the last anchor below `length` (the epoch's sealed length, above 0). */
  lastAnchor(walId: string, epoch: number, length: number): Promise<number>;
  /** What a sealer would find now. Writes nothing; an epoch that has its writer may have grown a moment later. */
  inspect(walId: string, epoch: number): Promise<EpochState>;
  /**
   * Frees the blocks of `[from, until)`, which were acknowledged: from an anchor up to another or up to the sealed
   * length. The rest stays readable, on both sides. Some of the range may stay; what fencing needs is never removed.
   */
  remove(walId: string, epoch: number, from: number, until: number): Promise<void>;
}

export interface EpochState {
  readonly length: number;
  readonly isSealed: boolean;
  /** Behind the last whole block: what was never acknowledged, and sealing gives up. */
  readonly tornBytes: number;
}

/** Judges a body without the store knowing what it contains. */
export interface BodyCheck {
  matches(body: Uint8Array, sum: number): boolean;
}

/** Another owner has taken over: stop acknowledging, let go of the clients. */
export class WalFenced extends Error {
  override readonly name = 'WalFenced';
  constructor(walId: string, epoch: number, reason: string) {
    super(`fenced: epoch ${epoch} of write-ahead log ${walId} ${reason}`);
  }
}

/** Bytes that were once whole are not any more. Never skipped, never repaired by guessing. */
export class WalCorrupt extends Error {
  override readonly name = 'WalCorrupt';
  readonly file: string;
  readonly position: number;
  constructor(file: string, position: number, reason: string) {
    super(`corrupt: ${file} at ${position}: ${reason}`);
    this.file = file;
    this.position = position;
  }
}

/** Written by another version of the program. */
export class WalFormatUnknown extends Error {
  override readonly name = 'WalFormatUnknown';
}

/** More appends under way than the writer allows; the caller must wait for one. */
export class WalBusy extends Error {
  override readonly name = 'WalBusy';
}

/** Names of logs become names of files and keys: nothing in them may mean anything there. */
export function checkWalId(walId: string): void {
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(walId)) {
    throw new Error(`"${walId}" cannot name a write-ahead log: 1 to 64 of a-z, 0-9, _ and -`);
  }
}
