import type { ReadWindow } from './transport.ts';

/** What can be told to stop and start producing bytes: a socket or a WebSocket. */
export interface Pausable {
  pause(): unknown;
  resume(): unknown;
}

/**
 * The way of input from one connection to its handler. It keeps three promises that sources do not make by themselves:
 * nothing is delivered while paused (what a source had in hand is kept, at most one of its chunks), kept bytes come
 * before newer ones, and delivery never happens inside `resume`, whose caller may still be using the window.
 */
export class Inlet {
  private readonly window: ReadWindow;
  private readonly source: Pausable;
  private readonly deliver: (length: number) => void;
  private kept: Uint8Array[] | undefined;
  private paused = false;
  private draining = false;
  private closed = false;

  constructor(window: ReadWindow, source: Pausable, deliver: (length: number) => void) {
    this.window = window;
    this.source = source;
    this.deliver = deliver;
  }

  /** The source has put `length` bytes at the start of the window. */
  arrived(length: number): void {
    if (this.closed) return;
    if (this.paused || this.kept !== undefined) this.keep(this.window.bytes.slice(0, length));
    else this.deliver(length);
  }

  /** The source has a chunk elsewhere, owned by nobody else. */
  push(chunk: Uint8Array): void {
    if (this.closed) return;
    if (this.paused || this.kept !== undefined) {
      this.keep(chunk);
      return;
    }
    const rest = this.copyThrough(chunk);
    if (rest !== undefined) this.keep(rest);
  }

  /** Bytes that were read before the handler existed; they are delivered in a later turn. */
  prime(chunk: Uint8Array): void {
    this.keep(chunk);
    this.source.pause();
    this.drainLater();
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.source.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.kept === undefined) this.source.resume();
    else this.drainLater();
  }

  isPaused(): boolean {
    return this.paused;
  }

  /** Drops what is kept and what still comes. */
  close(): void {
    this.closed = true;
    this.kept = undefined;
  }

  private keep(chunk: Uint8Array): void {
    this.kept ??= [];
    this.kept.push(chunk);
  }

  private drainLater(): void {
    if (this.draining) return;
    this.draining = true;
    setImmediate(() => this.drain());
  }

  private drain(): void {
    this.draining = false;
    const queue = this.kept;
    if (queue === undefined) return;
    while (!this.paused && !this.closed && queue.length > 0) {
      const chunk = queue.shift();
      const rest = chunk === undefined ? undefined : this.copyThrough(chunk);
      if (rest !== undefined) queue.unshift(rest);
    }
    if (this.closed || queue.length > 0) return;
    this.kept = undefined;
    if (!this.paused) this.source.resume();
  }

  /** Delivers in pieces of the window's size; returns what a pause in the middle left over. */
  private copyThrough(chunk: Uint8Array): Uint8Array | undefined {
    const room = this.window.bytes.length;
    let offset = 0;
    while (offset < chunk.length) {
      if (this.closed) return undefined;
      if (this.paused) return chunk.subarray(offset);
      const length = Math.min(room, chunk.length - offset);
      this.window.bytes.set(length === chunk.length ? chunk : chunk.subarray(offset, offset + length));
      offset += length;
      this.deliver(length);
    }
    return undefined;
  }
}
