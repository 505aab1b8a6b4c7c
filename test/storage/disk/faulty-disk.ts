import { basename, dirname } from 'node:path';
import type { Disk, DiskFile } from '../../../src/storage/disk/disk.ts';
import { createRandom, type Random } from '../../support/random.ts';

/** What may go wrong, as once in so many operations; 0 = never. */
export interface Faults {
  /** A datasync that rejects with EIO; what it should have covered is never made durable by a later one. */
  readonly failingSyncOneIn: number;
  /** A datasync that resolves and makes nothing durable. */
  readonly lyingSyncOneIn: number;
  /** A write that rejects with EIO after some of its bytes. */
  readonly failingWriteOneIn: number;
  /** Bytes that all files together may have. Above: ENOSPC after the part that fitted. */
  readonly capacityBytes: number;
}

const NO_FAULTS: Faults = {
  failingSyncOneIn: 0,
  lyingSyncOneIn: 0,
  failingWriteOneIn: 0,
  capacityBytes: Number.POSITIVE_INFINITY,
};

interface Change {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** A file apart from its names. `durable` is what a loss of power leaves for certain. */
interface Inode {
  bytes: Uint8Array;
  durable: Uint8Array;
  unsynced: Change[];
}

type Names = Map<string, Inode>;
type NameChange = (names: Names) => void;

export interface FaultyDisk extends Disk {
  faults: Faults;
  readonly syncs: { count: number };
  /** The machine lost power: what was not synced survives whole, in part, in pieces or not at all. The old disk is dead. */
  crash(): FaultyDisk;
  /** The process was killed: all that was written is there. Operations under way happened or not. */
  kill(): FaultyDisk;
  /** Flips one bit of a file, in memory and on the platter. */
  flipBit(path: string, offset: number, bit: number): void;
  sizeOf(path: string): number;
  paths(): string[];
}

const SECTOR_BYTES = 512;

function failure(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}

/** `old` with `bytes` put at `at`, as long as it must be. */
function patched(old: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const end = at + bytes.length;
  if (end <= old.length) {
    old.set(bytes, at);
    return old;
  }
  // Room to grow, so that many appends do not copy the file each time.
  const room = old.buffer.byteLength - old.byteOffset;
  const grown =
    end <= room
      ? new Uint8Array(old.buffer, old.byteOffset, end)
      : new Uint8Array(new ArrayBuffer(end * 2), 0, end);
  if (end > room) grown.set(old);
  grown.set(bytes, at);
  return grown;
}

/** What a loss of power leaves of one file. */
function afterPowerLoss(inode: Inode, random: Random): Uint8Array {
  let bytes: Uint8Array = inode.durable.slice();
  const mood = random.below(4);
  if (mood === 0) return bytes;
  const whole = mood === 1 ? inode.unsynced.length : random.below(inode.unsynced.length + 1);
  inode.unsynced.forEach((change, i) => {
    if (mood === 1 || (mood === 2 && i < whole)) bytes = patched(bytes, change.at, change.bytes);
    else if (mood === 2 && i === whole) {
      const kept = random.below(change.bytes.length + 1);
      bytes = patched(bytes, change.at, change.bytes.subarray(0, kept));
    } else if (mood === 3) {
      for (let from = 0; from < change.bytes.length; ) {
        const until = Math.min(
          change.bytes.length,
          from + SECTOR_BYTES - ((change.at + from) % SECTOR_BYTES),
        );
        if (random.oneIn(2)) bytes = patched(bytes, change.at + from, change.bytes.subarray(from, until));
        from = until;
      }
    }
  });
  return bytes;
}

/** A disk in memory that does to its owner what disks do. The same seed and the same use give the same faults. */
export function faultyDisk(seed: number, faults: Partial<Faults> = {}): FaultyDisk {
  return build(createRandom(seed), { ...NO_FAULTS, ...faults }, new Map(), new Map(), []);
}

interface DirectoryChange {
  readonly directory: string;
  readonly change: NameChange;
}

function build(
  random: Random,
  faults: Faults,
  names: Names,
  durableNames: Names,
  unsyncedNames: readonly DirectoryChange[],
): FaultyDisk {
  let dead = false;
  let nameChanges = [...unsyncedNames];
  const syncs = { count: 0 };

  const turn = async (): Promise<void> => {
    for (let hops = random.below(4); hops > 0; hops--) await undefined;
    // What the dead process had under way never happens and never answers.
    if (dead) await new Promise<never>(() => {});
  };
  const happens = (oneIn: number): boolean => oneIn > 0 && random.oneIn(oneIn);
  const find = (path: string): Inode => {
    const inode = names.get(path);
    if (inode === undefined) throw failure('ENOENT', path);
    return inode;
  };
  const rename = (directory: string, change: NameChange): void => {
    change(names);
    nameChanges.push({ directory, change });
  };
  const used = (): number => {
    let sum = 0;
    for (const inode of new Set(names.values())) sum += inode.bytes.length;
    return sum;
  };

  const fileOf = (path: string, inode: Inode): DiskFile => ({
    path,
    async writev(views, position, isSynced = false) {
      await turn();
      const all = Buffer.concat(views as Uint8Array[]);
      const grows = Math.max(0, position + all.length - inode.bytes.length);
      const room = Number.isFinite(disk.faults.capacityBytes) ? disk.faults.capacityBytes - used() : Infinity;
      const isFull = grows > room;
      const isBroken = !isFull && happens(disk.faults.failingWriteOneIn);
      let kept = all.length;
      if (isFull) kept = Math.max(0, all.length - (grows - Math.max(0, room)));
      if (isBroken) kept = random.below(all.length + 1);
      const bytes = all.subarray(0, kept);
      inode.bytes = patched(inode.bytes, position, bytes);
      const change = { at: position, bytes };
      inode.unsynced.push(change);
      await turn();
      if (isFull) throw failure('ENOSPC', `no space left to write ${path}`);
      if (isBroken) throw failure('EIO', `write of ${path} failed`);
      if (!isSynced) return;
      syncs.count++;
      const isLost = happens(disk.faults.failingSyncOneIn);
      if (!isLost && happens(disk.faults.lyingSyncOneIn)) return;
      inode.unsynced = inode.unsynced.filter((other) => other !== change);
      if (isLost) throw failure('EIO', `synced write of ${path} failed`);
      inode.durable = patched(inode.durable, position, bytes);
    },
    async read(into, position) {
      await turn();
      const part = inode.bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
    async datasync() {
      const covers = inode.unsynced.length;
      await turn();
      syncs.count++;
      if (happens(disk.faults.failingSyncOneIn)) {
        inode.unsynced.splice(0, covers);
        throw failure('EIO', `datasync of ${path} failed`);
      }
      if (happens(disk.faults.lyingSyncOneIn)) return;
      for (const { at, bytes } of inode.unsynced.splice(0, covers))
        inode.durable = patched(inode.durable, at, bytes);
    },
    async truncate(bytes) {
      await turn();
      inode.bytes = inode.bytes.slice(0, bytes);
      inode.durable = inode.durable.slice(0, bytes);
      inode.unsynced = [];
    },
    async size() {
      await turn();
      return inode.bytes.length;
    },
    async close() {
      await turn();
    },
  });

  const disk: FaultyDisk = {
    faults,
    syncs,
    async open(path, mode) {
      await turn();
      if (mode === 'create') {
        if (names.has(path)) throw failure('EEXIST', path);
        const inode: Inode = { bytes: new Uint8Array(0), durable: new Uint8Array(0), unsynced: [] };
        rename(dirname(path), (map) => map.set(path, inode));
      }
      return fileOf(path, find(path));
    },
    async exists(path) {
      await turn();
      return names.has(path);
    },
    existsNow: (path) => names.has(path),
    async link(from, to) {
      await turn();
      const inode = find(from);
      if (names.has(to)) throw failure('EEXIST', to);
      rename(dirname(to), (map) => map.set(to, inode));
    },
    async rename(from, to) {
      await turn();
      const inode = find(from);
      rename(dirname(to), (map) => {
        map.delete(from);
        map.set(to, inode);
      });
    },
    async remove(path) {
      await turn();
      find(path);
      rename(dirname(path), (map) => map.delete(path));
    },
    async list(directory) {
      await turn();
      return [...names.keys()].filter((path) => dirname(path) === directory).map((path) => basename(path));
    },
    async makeDirectory() {
      await turn();
    },
    async syncDirectory(path) {
      await turn();
      // Names of one directory become durable in the order of their changes.
      for (const { directory, change } of nameChanges) if (directory === path) change(durableNames);
      nameChanges = nameChanges.filter(({ directory }) => directory !== path);
    },
    async freeBytes() {
      await turn();
      return Math.max(0, disk.faults.capacityBytes - used());
    },
    crash() {
      dead = true;
      const survivors: Names = new Map(durableNames);
      for (const { change } of nameChanges.slice(0, random.below(nameChanges.length + 1))) change(survivors);
      const seen = new Map<Inode, Inode>();
      for (const [path, inode] of survivors) {
        let copy = seen.get(inode);
        if (copy === undefined) {
          const bytes = afterPowerLoss(inode, random);
          copy = { bytes, durable: bytes.slice(), unsynced: [] };
          seen.set(inode, copy);
        }
        survivors.set(path, copy);
      }
      return build(random, NO_FAULTS, survivors, new Map(survivors), []);
    },
    kill() {
      dead = true;
      return build(random, NO_FAULTS, new Map(names), durableNames, nameChanges);
    },
    flipBit(path, offset, bit) {
      const inode = find(path);
      const value = (inode.bytes[offset] ?? 0) ^ (1 << bit);
      inode.bytes[offset] = value;
      if (offset < inode.durable.length) inode.durable[offset] = value;
    },
    sizeOf: (path) => find(path).bytes.length,
    paths: () => [...names.keys()],
  };
  return disk;
}
