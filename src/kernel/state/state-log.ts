/**
 * The state log: everything durable above the storage tier goes through here. What a turn of the event loop changes is
 * gathered in one frame, appended to the journal with the records of that turn as one, and acknowledged in order. It
 * rebuilds the tables at start, writes their views, and keeps what a start has to replay short.
 *
 * Guaranteed: the changes of one `commit` are all there after a crash or none is; `done` runs in the order of the
 * commits, never before the level that it asked for is reached, and never with success after a failed write.
 */
import type { Entry } from '../../storage/journal/group.ts';
import type { Level } from '../../storage/journal/journal.ts';

/** `memory` is a journal that ends with the process; `object` one whose blocks are objects of a store. */
export type Storage = 'memory' | 'journal' | 'object';

/** `position`: of the frame that has the entries; -1 with an error. */
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
   * their own and `done` of the frame waits for both). `onPosition` runs before `done`s of the frame. The payload must
   * stay untouched.
   */
  addRecord(storage: Storage, record: Entry, onPosition: (position: number) => void): void;
  /** Ends the current change. Without `done` nobody waits. `isSettlement`: goes on when the disk is nearly full. */
  commit(level: Level, done?: Done, isSettlement?: boolean): void;
  /** Called before a frame is closed: who gathers over a turn adds what it has. Its additions need no `commit`. */
  onFlush(contribute: () => void): void;
  /** Bytes of an entry of the state log, from its place. Rejects when the bytes are damaged. */
  read(position: number, offset: number, length: number): Promise<Uint8Array>;
  /** Resolves when everything added so far is as durable as it asked for. */
  drained(): Promise<void>;

  /** Why new messages cannot be taken; undefined when they can. Settlements go on in `full`. */
  refusal(): 'failed' | 'full' | undefined;
  /** True above the high-water mark of what waits to be written; `onReady` runs when it is below again. */
  isBusy(): boolean;
  onReady: () => void;

  /** Behind the last acknowledged frame. */
  end(): number;
  /** Writes the views now. */
  checkpoint(): Promise<void>;
  /** Drains, writes the views, closes the journal. */
  close(): Promise<void>;
}
