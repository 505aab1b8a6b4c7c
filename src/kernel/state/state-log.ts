/**
 * The state log: everything durable above the storage tier goes through here. What a turn of the event loop changes is
 * gathered in one frame, appended to the journal with the records of that turn as one, and acknowledged in order. It
 * rebuilds the tables at start, writes their views, and keeps what a start has to replay short.
 *
 * Guaranteed: the changes of one `commit` are all there after a crash or none is; `done` runs in the order of the
 * commits, never before the level that it asked for is reached, and never with success after a failed write. Those that
 * wait for the object store have an order of their own, behind that of the others: a slow store holds nobody else.
 */
import type { Entry } from '../../storage/journal/group.ts';
import {
  DEFAULT_LIMITS,
  type Journal,
  type JournalLimits,
  type Level,
} from '../../storage/journal/journal.ts';
import type { SpaceGuard } from '../../storage/journal/space-guard.ts';
import type { KvStore } from '../../storage/kv/kv-store.ts';
import type { Clock } from '../clock.ts';
import type { Storage, Table } from './table.ts';

export type { Storage } from './table.ts';

/** `position`: of the frame that has the entries of the change; -1 with an error. */
export type Done = (error: Error | undefined, position: number) => void;

export interface StateLog {
  /**
   * Adds an entry to the current change; its bytes are copied. Returns the entry's offset in the payload of the frame,
   * which stays the same whatever follows. A change that does not fit the frame begins a new one as a whole, so add all
   * entries of a change before anything else happens.
   */
  add(table: number, entry: Uint8Array): number;
  /**
   * A record of another log, in the same append as the current frame (for `journal`; other storages have journals of
   * their own). It lies behind the frame, and belongs to the current change. `onPosition` runs before the `done`s of the
   * frame; that of an `object` record before those `done`s of the frame that wait for the object storage. The payload
   * must stay untouched.
   */
  addRecord(storage: Storage, record: Entry, onPosition: (position: number) => void): void;
  /**
   * Ends the current change. Without `done` nobody waits. `isSettlement`: goes on when the disk is nearly full. Whether
   * others are taken is what `refusal` said last in this turn: who asks before a change, and makes it at once, is not
   * refused here. A refused change leaves nothing in the journal, and its `done` has a `ChangeRefused`. `storage`:
   * `object` waits for the object records of its frame and of all before it as well, and fails with them.
   */
  commit(level: Level, done?: Done, isSettlement?: boolean, storage?: Storage): void;
  /**
   * Called before a frame is closed: who gathers over a turn adds what it has. Its additions need no `commit`. What is
   * gathered of finished changes counts to the size at which a frame is closed once it is `gatheredBytes` of the limits.
   */
  onFlush(contribute: () => void, gatheredBytes?: () => number): void;
  /** Bytes of an entry of the state log, from its place. Rejects when the bytes are damaged. */
  read(position: number, offset: number, length: number): Promise<Uint8Array>;
  /** Resolves when everything added so far is as durable as it asked for. */
  drained(): Promise<void>;

  /** Why new messages cannot be taken (to this storage); undefined when they can. Settlements go on in `full`. */
  refusal(storage?: Storage): 'failed' | 'full' | undefined;
  /** True above the high-water mark of what waits to be written; `onReady` runs when it is below again. */
  isBusy(): boolean;
  /** Settlements have room until this much again waits: who is to be settled later is not sent before `onReady`. */
  isCrowded(): boolean;
  onReady: () => void;

  /** Behind the last frame whose `done`s have all run. */
  end(): number;
  /** Writes the views now. */
  checkpoint(): Promise<void>;
  /** Drains, writes the views, closes the journals. */
  close(): Promise<void>;
}

/** What a cleaner asks about a stretch of the journal. */
export interface LiveSource {
  readonly name: string;
  liveBytes(start: number, end: number): number;
  evacuate(start: number, end: number): Promise<void>;
}

export interface OpenStateLog extends StateLog {
  /** Writes all pages into the journal now, so that what is older there can go. Comes by itself, too. */
  snapshot(): Promise<void>;
  /** Of the state log itself and of each table that needs bytes beyond its pages. */
  readonly sources: readonly LiveSource[];
  /** Of the journal of another storage, beside those who own its records: what they do not know of yet. */
  underWay(storage: 'memory' | 'object'): LiveSource;
  readonly recovered: Recovered;
  /** From where a start would replay on top of the views; undefined as long as there are none that are complete. */
  viewsPosition(): number | undefined;
}

/** What a start did. */
export interface Recovered {
  /** `views` and what came behind them, a `snapshot` cycle and what came behind it, or the `journal` from its start. */
  readonly from: 'views' | 'snapshot' | 'journal';
  /** Where in the journal the replay started. */
  readonly position: number;
  readonly pages: number;
  readonly entries: number;
}

export interface StateLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface StateLogLimits {
  /** A frame is closed at the first commit behind this size. */
  readonly frameBytes: number;
  /** And at so much that is gathered over the turn: large batches are written while others arrive. */
  readonly gatheredBytes: number;
  /** Above it new changes are refused; above half of it `isBusy`. */
  readonly maxPendingBytes: number;
  /** What a start would replay, entry by entry and record by record, between two checkpoints of the views, at least. */
  readonly checkpointBytes: number;
  /** Journal that a start would read for that. Large records take long to write and are replayed at once. */
  readonly checkpointJournalBytes: number;
  /** Journal between two snapshot cycles, at least. */
  readonly cycleBytes: number;
  /** Most that snapshot cycles and checkpoints write per second. */
  readonly pageBytesPerSecond: number;
  /** As the journals have them. */
  readonly journal: Pick<JournalLimits, 'maxAppendBytes' | 'maxPendingBytes' | 'maxSegments'>;
}

const MiB = 1024 * 1024;

export const DEFAULT_STATE_LIMITS: StateLogLimits = {
  frameBytes: 256 * 1024,
  gatheredBytes: DEFAULT_LIMITS.maxGroupBytes,
  maxPendingBytes: DEFAULT_LIMITS.maxPendingBytes,
  checkpointBytes: 16 * MiB,
  checkpointJournalBytes: 128 * MiB,
  cycleBytes: 4 * DEFAULT_LIMITS.segmentBytes,
  pageBytesPerSecond: 64 * MiB,
  journal: DEFAULT_LIMITS,
};

export interface StateLogOptions {
  readonly journal: Journal;
  /** Of the storages with journals of their own. */
  readonly journals?: { readonly memory?: Journal; readonly object?: Journal };
  /** Without it a start replays the journal alone. */
  readonly kv?: KvStore;
  readonly tables: readonly Table[];
  readonly clock: Clock;
  /** The journal's own. */
  readonly space?: SpaceGuard;
  /** False where the journal ends with the process: no pages are written, and no entry is kept for a start. */
  readonly isReplayed?: boolean;
  readonly limits?: Partial<StateLogLimits>;
  readonly logger?: StateLogger;
}
