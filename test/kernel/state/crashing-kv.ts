import {
  checkWrite,
  type JournalPosition,
  type KvEntry,
  type KvStore,
} from '../../../src/storage/kv/kv-store.ts';
import type { Random } from '../../support/random.ts';

interface State {
  readonly map: Map<string, Uint8Array>;
  readonly applied: Map<number, JournalPosition>;
}

export interface CrashingKv extends KvStore {
  /** What a loss of power leaves: the state after some write behind the last checkpoint. */
  crash(): CrashingKv;
  /** What a killed process leaves. */
  kill(): CrashingKv;
  readonly size: number;
  isBroken: boolean;
}

const copy = ({ map, applied }: State): State => ({ map: new Map(map), applied: new Map(applied) });
const text = (key: Uint8Array): string => Buffer.from(key).toString('latin1');

/** A store of views that keeps the promises of the interface and not a byte more. */
export function crashingKv(random: Random, start?: State): CrashingKv {
  let now = start ?? { map: new Map(), applied: new Map() };
  let kept = [copy(now)];
  const turn = async (): Promise<void> => {
    for (let hops = random.below(4); hops > 0; hops--) await undefined;
    if (store.isBroken) throw new Error('the views are broken');
  };
  const store: CrashingKv = {
    engine: 'memory',
    isBroken: false,
    applied: () => new Map(now.applied),
    async write(ops, applied) {
      checkWrite(ops, applied, now.applied);
      const entries = ops.map(({ key, value }) => [text(key), value?.slice()] as const);
      await turn();
      now = copy(now);
      for (const [key, value] of entries) {
        if (value === undefined) now.map.delete(key);
        else now.map.set(key, value);
      }
      for (const [stripe, position] of applied) now.applied.set(stripe, position);
      kept.push(now);
    },
    async getMany(keys) {
      await turn();
      return keys.map((key) => now.map.get(text(key)));
    },
    async *scan({ start: from, end }) {
      await turn();
      const entries: KvEntry[] = [...now.map]
        .filter(([key]) => key >= text(from) && key < text(end))
        .map(([key, value]) => ({ key: Buffer.from(key, 'latin1'), value }));
      if (entries.length > 0) yield entries;
    },
    async dropStripe() {
      await turn();
      now = { map: new Map(), applied: new Map() };
      kept.push(now);
    },
    async checkpoint() {
      await turn();
      kept = [now];
      return new Map(now.applied);
    },
    async close() {},
    get size() {
      return now.map.size;
    },
    crash: () => crashingKv(random, copy(random.pick(kept))),
    kill: () => crashingKv(random, copy(now)),
  };
  return store;
}
