/**
 * Cursors: how far each group has come in each log, with a little metadata, and an epoch per group that fences a
 * coordinator or member that was replaced: whoever commits with an older epoch changes nothing. An operation
 * applies its entry through `apply` and returns it to be journaled; the same entries in order rebuild the table.
 */
import { ByteReader, ByteWriter } from './binary.ts';

export interface Cursor {
  readonly offset: number;
  readonly metadata: Uint8Array;
}

export type CursorEntry =
  | { readonly kind: 'fence'; readonly group: string; readonly epoch: number }
  | {
      readonly kind: 'commit';
      readonly group: string;
      readonly epoch: number;
      readonly log: string;
      readonly offset: number;
      readonly metadata: Uint8Array;
    }
  | { readonly kind: 'forget'; readonly group: string; readonly log: string }
  | { readonly kind: 'forget-group'; readonly group: string };

export type CursorRefusal = 'fenced' | 'full' | 'metadata-too-large' | 'unknown' | 'out-of-range';
export type CursorResult = { readonly entry: CursorEntry } | { readonly refused: CursorRefusal };

export interface CursorLimits {
  /** Over all groups; a commit for one more is refused as `full`. */
  readonly maxCursors: number;
  readonly maxGroups: number;
  readonly maxMetadataBytes: number;
}

interface Group {
  epoch: number;
  readonly cursors: Map<string, Cursor>;
}

const VERSION = 1;
const KINDS = ['fence', 'commit', 'forget', 'forget-group'] as const;

export class Cursors {
  private readonly groups = new Map<string, Group>();
  private readonly limits: CursorLimits;
  private count = 0;

  constructor(limits: CursorLimits) {
    this.limits = limits;
  }

  get size(): number {
    return this.count;
  }

  get(group: string, log: string): Cursor | undefined {
    return this.groups.get(group)?.cursors.get(log);
  }

  /** 0 for a group that was never fenced. */
  epochOf(group: string): number {
    return this.groups.get(group)?.epoch ?? 0;
  }

  groupNames(): IterableIterator<string> {
    return this.groups.keys();
  }

  cursorsOf(group: string): IterableIterator<[string, Cursor]> {
    return (this.groups.get(group)?.cursors ?? new Map<string, Cursor>()).entries();
  }

  /** From now on only commits of `epoch` or a later one count. Epochs only rise. */
  fence(group: string, epoch: number): CursorResult {
    if (!Number.isSafeInteger(epoch) || epoch < 0) return { refused: 'out-of-range' };
    const known = this.groups.get(group);
    if (epoch <= (known?.epoch ?? 0)) return { refused: 'fenced' };
    if (known === undefined && this.groups.size >= this.limits.maxGroups) return { refused: 'full' };
    return this.change({ kind: 'fence', group, epoch });
  }

  /** The offset may go back: that is how a group is reset. */
  commit(group: string, epoch: number, log: string, offset: number, metadata: Uint8Array): CursorResult {
    const known = this.groups.get(group);
    if (epoch < (known?.epoch ?? 0)) return { refused: 'fenced' };
    if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(epoch) || epoch < 0) {
      return { refused: 'out-of-range' };
    }
    if (metadata.length > this.limits.maxMetadataBytes) return { refused: 'metadata-too-large' };
    const isNew = known?.cursors.has(log) !== true;
    const isFull = known === undefined && this.groups.size >= this.limits.maxGroups;
    if (isFull || (isNew && this.count >= this.limits.maxCursors)) return { refused: 'full' };
    return this.change({ kind: 'commit', group, epoch, log, offset, metadata });
  }

  /** The log is gone, or the group has left it. */
  forget(group: string, log: string): CursorResult {
    if (this.get(group, log) === undefined) return { refused: 'unknown' };
    return this.change({ kind: 'forget', group, log });
  }

  forgetGroup(group: string): CursorResult {
    if (!this.groups.has(group)) return { refused: 'unknown' };
    return this.change({ kind: 'forget-group', group });
  }

  apply(entry: CursorEntry): void {
    const group = this.groups.get(entry.group);
    switch (entry.kind) {
      case 'fence': {
        const fenced = group ?? this.newGroup(entry.group);
        fenced.epoch = Math.max(fenced.epoch, entry.epoch);
        break;
      }
      case 'commit': {
        const { epoch, log, offset, metadata } = entry;
        const owner = group ?? this.newGroup(entry.group);
        if (epoch < owner.epoch) return;
        owner.epoch = epoch;
        if (!owner.cursors.has(log)) this.count++;
        owner.cursors.set(log, { offset, metadata });
        break;
      }
      case 'forget':
        if (group?.cursors.delete(entry.log) === true) this.count--;
        break;
      case 'forget-group':
        this.count -= group?.cursors.size ?? 0;
        this.groups.delete(entry.group);
        break;
    }
  }

  snapshot(): Uint8Array {
    const to = new ByteWriter(1024).u8(VERSION).uint(this.groups.size);
    for (const [name, { epoch, cursors }] of this.groups) {
      to.text(name).uint(epoch).uint(cursors.size);
      for (const [log, { offset, metadata }] of cursors) to.text(log).uint(offset).bytes(metadata);
    }
    return to.finish();
  }

  /** False, and an empty table, when the bytes are no snapshot of this version or exceed the limits. */
  restore(snapshot: Uint8Array): boolean {
    this.groups.clear();
    this.count = 0;
    const from = new ByteReader(snapshot);
    if (from.u8() !== VERSION) return false;
    const groups = from.count(3);
    for (let i = 0; i < groups && !from.failed; i++) {
      const group = this.newGroup(from.text());
      group.epoch = from.uint();
      const cursors = from.count(3);
      for (let k = 0; k < cursors && !from.failed; k++) {
        group.cursors.set(from.text(), { offset: from.uint(), metadata: from.bytes() });
      }
      this.count += group.cursors.size;
    }
    const fits = this.groups.size <= this.limits.maxGroups && this.count <= this.limits.maxCursors;
    if (from.isComplete && fits) return true;
    this.groups.clear();
    this.count = 0;
    return false;
  }

  private newGroup(name: string): Group {
    const group: Group = { epoch: 0, cursors: new Map() };
    this.groups.set(name, group);
    return group;
  }

  private change(entry: CursorEntry): CursorResult {
    this.apply(entry);
    return { entry };
  }
}

export function encodeCursorEntry(entry: CursorEntry): Uint8Array {
  const to = new ByteWriter().u8(VERSION).u8(KINDS.indexOf(entry.kind)).text(entry.group);
  if (entry.kind === 'fence') to.uint(entry.epoch);
  else if (entry.kind === 'forget') to.text(entry.log);
  else if (entry.kind === 'commit') {
    to.uint(entry.epoch).text(entry.log).uint(entry.offset).bytes(entry.metadata);
  }
  return to.finish();
}

/** Undefined when the bytes are not an entry of this version. */
export function decodeCursorEntry(bytes: Uint8Array): CursorEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const kind = from.oneOf(KINDS);
  const group = from.text();
  const entry = ((): CursorEntry => {
    switch (kind) {
      case 'fence':
        return { kind, group, epoch: from.uint() };
      case 'commit': {
        const epoch = from.uint();
        const log = from.text();
        const offset = from.uint();
        return { kind, group, epoch, log, offset, metadata: from.bytes() };
      }
      case 'forget':
        return { kind, group, log: from.text() };
      case 'forget-group':
        return { kind, group };
    }
  })();
  return from.isComplete ? entry : undefined;
}
