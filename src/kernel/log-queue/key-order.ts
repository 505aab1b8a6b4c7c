/**
 * Which keys may go out: while a holder has messages of a key, only that holder may take the next ones of it, and
 * nobody may while one of them waits out a delay. Messages that had to be passed over for that are parked, in
 * order, 8 bytes each; when the key comes free the first of them becomes a candidate again, and each one that is
 * taken makes the next a candidate.
 *
 * Invariant: a key with parked messages is held, or delayed, or its first one is a candidate (outside this table)
 * that lies before every parked one. `wakeIdle` restores it after candidates were taken away by other means.
 */
import { PositionSet } from './position-set.ts';

interface KeyState {
  owner: number;
  held: number;
  delayed: number;
  /** Ascending. */
  readonly parked: number[];
}

export class KeyOrder {
  /** All that is parked; the queue peeks and drops here. A position deleted from it is passed over later. */
  readonly parked = new PositionSet();
  private readonly keys = new Map<number, KeyState>();
  /** By owner: its keys with parked messages, which it may take itself. */
  private readonly forOwner = new Map<number, Set<number>>();

  permits(key: number, holder: number, position: number): boolean {
    const state = this.keys.get(key);
    if (state === undefined) return true;
    if (state.delayed > 0 || (state.held > 0 && state.owner !== holder)) return false;
    const { parked } = state;
    while (parked.length > 0 && !this.parked.has(parked[0])) parked.shift();
    return parked.length === 0 || parked[0] > position;
  }

  park(key: number, position: number): void {
    const state = this.stateOf(key);
    const { parked } = state;
    if (state.held > 0) this.rememberFor(state.owner, key);
    if (this.parked.has(position)) return;
    this.parked.add(position);
    let at = parked.length;
    while (at > 0 && parked[at - 1] > position) at--;
    parked.splice(at, 0, position);
  }

  took(key: number, holder: number): void {
    const state = this.stateOf(key);
    if (holder === 0) state.delayed++;
    else {
      state.owner = holder;
      state.held++;
    }
  }

  /** Given back by `holder`; holder 0 is a delay that ended. Returns the position to be a candidate now, or -1. */
  gave(key: number, holder: number): number {
    const state = this.keys.get(key);
    if (state === undefined) return -1;
    if (holder === 0) state.delayed--;
    else state.held--;
    if (state.held === 0) {
      this.forOwner.get(state.owner)?.delete(key);
      return state.delayed === 0 ? this.wake(key) : -1;
    }
    if (state.delayed === 0 && state.parked.length > 0) this.rememberFor(state.owner, key);
    return -1;
  }

  /** Takes the first parked position of a key out: it becomes a candidate. -1 when there is none. */
  wake(key: number): number {
    const state = this.keys.get(key);
    if (state === undefined) return -1;
    let position = state.parked.shift();
    while (position !== undefined && !this.parked.delete(position)) position = state.parked.shift();
    if (state.held === 0 && state.delayed === 0 && state.parked.length === 0) this.keys.delete(key);
    return position ?? -1;
  }

  /** The first parked position of each key that `holder` has messages of: candidates for it. */
  wakeFor(holder: number): number[] {
    const keys = this.forOwner.get(holder);
    if (keys === undefined) return [];
    this.forOwner.delete(holder);
    const woken: number[] = [];
    for (const key of keys) {
      const state = this.keys.get(key);
      if (state === undefined || state.owner !== holder || state.held === 0 || state.delayed > 0) continue;
      const position = this.wake(key);
      if (position >= 0) woken.push(position);
    }
    return woken;
  }

  wakeIdle(): number[] {
    const woken: number[] = [];
    for (const [key, { owner, held, delayed, parked }] of this.keys) {
      if (held > 0 && parked.length > 0) this.rememberFor(owner, key);
      if (held > 0 || delayed > 0) continue;
      const position = this.wake(key);
      if (position >= 0) woken.push(position);
    }
    return woken;
  }

  clear(): void {
    this.keys.clear();
    this.forOwner.clear();
    this.parked.clear();
  }

  private rememberFor(owner: number, key: number): void {
    const keys = this.forOwner.get(owner);
    if (keys === undefined) this.forOwner.set(owner, new Set([key]));
    else keys.add(key);
  }

  private stateOf(key: number): KeyState {
    let state = this.keys.get(key);
    if (state === undefined) {
      state = { owner: 0, held: 0, delayed: 0, parked: [] };
      this.keys.set(key, state);
    }
    return state;
  }
}
