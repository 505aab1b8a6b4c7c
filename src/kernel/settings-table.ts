/**
 * Settings: small things that administrators change while the broker runs, as a table of the state log. A setting has a
 * kind, a name and bytes that are its owner's. One change sets and removes any number of them, all or none, and is in force
 * when it is durable; changes are made one after the other, each on top of what the one before left.
 *
 * Above `maxSettings` or `maxBytes` what adds is refused, what removes never is. The last writer wins, so entries and pages
 * may be repeated.
 */
import { ByteReader, ByteWriter } from './binary.ts';
import { ChangeRefused } from './state/errors.ts';
import type { StateLog } from './state/state-log.ts';
import type { Table } from './state/table.ts';

export interface SettingsLimits {
  readonly maxSettings: number;
  readonly maxBytes: number;
  /** Of all edits of a change. */
  readonly maxChangeBytes: number;
}

export interface Edit {
  /** 0 to 255. */
  readonly kind: number;
  readonly name: string;
  /** undefined removes it. */
  readonly value: Uint8Array | undefined;
}

export type SettingsOutcome = 'changed' | 'full' | 'failed';

export interface Settings {
  readonly table: Table;
  /** The state log that has rebuilt the table; before it nothing can be changed. */
  attach(stateLog: StateLog): void;
  get(kind: number, name: string): Uint8Array | undefined;
  /** In no order. */
  list(kind: number): Iterable<readonly [name: string, value: Uint8Array]>;
  readonly count: number;
  /** `decide` runs when all changes before are in force; no edits is no change. */
  change(decide: () => readonly Edit[]): Promise<SettingsOutcome>;
  /** Runs `work` when all changes before are in force, and those behind it once it has ended. For `changeTogether`. */
  reserve<T>(work: () => Promise<T>): Promise<T>;
  /** Whether there is room for what they add. */
  fits(edits: readonly Edit[]): boolean;
  /** Adds edits to the current change of the state log; what it gives puts them in force. Undefined where they do not fit. */
  stage(edits: readonly Edit[]): (() => void) | undefined;
  /** Of one kind: each setting that there is, or will be after the start, and each that changes later. */
  watch(kind: number, changed: (name: string, value: Uint8Array | undefined) => void): void;
}

const MiB = 1024 * 1024;

export const DEFAULT_SETTINGS_LIMITS: SettingsLimits = {
  maxSettings: 100_000,
  maxBytes: 64 * MiB,
  maxChangeBytes: 8 * MiB,
};

const VERSION = 1;
const BUCKETS = 256;
/** What a setting costs beyond its bytes. */
const OVERHEAD_BYTES = 100;

function bucketOf(kind: number, name: string): number {
  let hash = 0x811c9dc5 ^ kind;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return ((hash >>> 16) ^ hash) & (BUCKETS - 1);
}

const costOf = (name: string, value: Uint8Array): number => OVERHEAD_BYTES + name.length + value.length;

type Setting = Edit & { readonly value: Uint8Array };

export function createSettings(
  id: number,
  name: string,
  limits: SettingsLimits = DEFAULT_SETTINGS_LIMITS,
): Settings {
  const buckets = Array.from({ length: BUCKETS }, () => new Map<string, Setting>());
  const kinds = new Map<number, Map<string, Uint8Array>>();
  const watchers = new Map<number, ((name: string, value: Uint8Array | undefined) => void)[]>();
  const dirty = new Set<number>();
  let attached: StateLog | undefined;
  let count = 0;
  let bytes = 0;
  let last: Promise<unknown> = Promise.resolve();

  const ofKind = (kind: number): Map<string, Uint8Array> => {
    let known = kinds.get(kind);
    if (known === undefined) {
      known = new Map();
      kinds.set(kind, known);
    }
    return known;
  };

  const put = ({ kind, name, value }: Edit): void => {
    const number = bucketOf(kind, name);
    const settings = ofKind(kind);
    const old = settings.get(name);
    if (old !== undefined) {
      count--;
      bytes -= costOf(name, old);
    }
    dirty.add(number);
    if (value === undefined) {
      settings.delete(name);
      buckets[number]?.delete(`${kind} ${name}`);
      return;
    }
    settings.set(name, value);
    buckets[number]?.set(`${kind} ${name}`, { kind, name, value });
    count++;
    bytes += costOf(name, value);
  };

  const tell = ({ kind, name, value }: Edit): void => {
    for (const changed of watchers.get(kind) ?? []) changed(name, value);
  };

  const fits = (edits: readonly Edit[]): boolean => {
    let moreBytes = 0;
    let more = 0;
    let changeBytes = 0;
    for (const { kind, name, value } of edits) {
      const old = ofKind(kind).get(name);
      changeBytes += costOf(name, value ?? new Uint8Array(0));
      more += Number(value !== undefined) - Number(old !== undefined);
      moreBytes +=
        (value === undefined ? 0 : costOf(name, value)) - (old === undefined ? 0 : costOf(name, old));
    }
    if (changeBytes > limits.maxChangeBytes) return false;
    return (
      (more <= 0 || count + more <= limits.maxSettings) &&
      (moreBytes <= 0 || bytes + moreBytes <= limits.maxBytes)
    );
  };

  const logOf = (): StateLog => {
    if (attached === undefined) throw new Error(`${name} without a state log`);
    return attached;
  };

  const stage = (edits: readonly Edit[]): (() => void) | undefined => {
    if (!fits(edits)) return undefined;
    if (edits.length > 0) logOf().add(id, encodeEdits(edits));
    return () => {
      for (const edit of edits) put(edit);
      for (const edit of edits) tell(edit);
    };
  };

  const makeChange = (decide: () => readonly Edit[]): Promise<SettingsOutcome> => {
    const log = logOf();
    const edits = decide();
    if (edits.length === 0) return Promise.resolve('changed');
    const staged = stage(edits);
    return staged === undefined ? Promise.resolve('full') : commit(log, [staged]);
  };

  const reserve = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };

  return {
    attach(stateLog) {
      attached = stateLog;
    },
    get: (kind, name) => kinds.get(kind)?.get(name),
    list: (kind) => ofKind(kind),
    get count() {
      return count;
    },
    change: (decide) => reserve(() => makeChange(decide)),
    reserve,
    fits,
    stage,
    watch(kind, changed) {
      for (const [name, value] of ofKind(kind)) changed(name, value);
      watchers.set(kind, [...(watchers.get(kind) ?? []), changed]);
    },

    table: {
      id,
      name,
      apply(entry) {
        for (const edit of decodeEdits(entry, name)) put(edit);
      },
      load(key, page) {
        const bucket = buckets[key[0] ?? 0];
        for (const { kind, name } of [...(bucket?.values() ?? [])]) put({ kind, name, value: undefined });
        for (const edit of decodeEdits(page, name)) put(edit);
        dirty.delete(key[0] ?? 0);
      },
      recovered() {
        for (const bucket of buckets) for (const setting of bucket.values()) tell(setting);
      },
      *pageKeys() {
        for (let number = 0; number < BUCKETS; number++) {
          if ((buckets[number]?.size ?? 0) > 0) yield Uint8Array.of(number);
        }
      },
      page(key) {
        const settings = buckets[key[0] ?? 0];
        if (settings === undefined || settings.size === 0) return undefined;
        // In an order of their own, so that the same settings are the same bytes.
        const sorted = [...settings].toSorted(([a], [b]) => (a < b ? -1 : 1));
        return encodeEdits(sorted.map(([, setting]) => setting));
      },
      takeDirty(max) {
        const keys: Uint8Array[] = [];
        for (const number of dirty) {
          if (keys.length >= max) break;
          dirty.delete(number);
          keys.push(Uint8Array.of(number));
        }
        return keys;
      },
    },
  };
}

function commit(log: StateLog, staged: readonly (() => void)[]): Promise<SettingsOutcome> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | undefined): void => {
      if (error === undefined) {
        for (const putInForce of staged) putInForce();
        resolve('changed');
      } else if (error instanceof ChangeRefused) resolve('failed');
      else reject(error);
    };
    log.commit('sync', done, true);
  });
}

/**
 * One change of several tables on the same state log: all of it or nothing. `decide` gives the edits of each, in the order of
 * the tables; that order has to be the same for all who change them together. Nobody changes any of them while it decides.
 */
export function changeTogether(
  log: StateLog,
  tables: readonly Settings[],
  decide: () => Promise<readonly (readonly Edit[])[]>,
): Promise<SettingsOutcome> {
  const within = async (left: readonly Settings[]): Promise<SettingsOutcome> => {
    const [first, ...others] = left;
    if (first !== undefined) return first.reserve(() => within(others));
    const edits = await decide();
    if (edits.every((each) => each.length === 0)) return 'changed';
    // Nothing of a change may be added before it is known that all of it fits.
    if (!tables.every((table, i) => table.fits(edits[i] ?? []))) return 'full';
    const staged = tables.map((table, i) => table.stage(edits[i] ?? []));
    return commit(
      log,
      staged.filter((each) => each !== undefined),
    );
  };
  return within(tables);
}

function encodeEdits(edits: readonly Edit[]): Uint8Array {
  const to = new ByteWriter(64 * edits.length).u8(VERSION).uint(edits.length);
  for (const { kind, name, value } of edits) {
    to.u8(kind)
      .text(name)
      .u8(value === undefined ? 0 : 1);
    if (value !== undefined) to.bytes(value);
  }
  return to.finish();
}

function decodeEdits(bytes: Uint8Array, table: string): Edit[] {
  const from = new ByteReader(bytes);
  const version = from.u8();
  if (version !== VERSION) throw new Error(`${table}: version ${version} is unknown`);
  const edits = Array.from({ length: from.count(3) }, (): Edit => {
    const kind = from.u8();
    const name = from.text();
    return { kind, name, value: from.u8() === 0 ? undefined : from.bytes() };
  });
  if (!from.isComplete) throw new Error(`${table}: an entry or a page is damaged`);
  return edits;
}
