/**
 * The real writer and sealer over a store whose requests are lost, answered in vain, or executed long after they were
 * given up, with zombies, sealers that die and several that race. ROBUSTMQ_SEAL_SCHEDULES makes it longer.
 */
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { PutIfAbsent } from '../../../src/storage/wal/put-if-absent.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import { WalFenced, type WalWriter } from '../../../src/storage/wal/wal-store.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { createRandom, type Random } from '../../support/random.ts';

const SCHEDULES = Number(process.env.ROBUSTMQ_SEAL_SCHEDULES ?? 800);
const EPOCHS = 3;
const APPENDS = 12;

type Breakage =
  | 'none'
  | 'no seal'
  | 'exists is success'
  | 'overwrites'
  | 'seals are collected'
  | 'acknowledged out of order';

interface Ack {
  readonly epoch: number;
  readonly position: number;
  readonly text: string;
}

interface Network {
  /** A process's way to the store; after `dies` requests it never hears an answer again. */
  connect(dies: number): PutIfAbsent;
  /** Carries out one request that is under way, in no order. False when there is none. */
  step(): boolean;
}

function createNetwork(random: Random, objects: PutIfAbsent): Network {
  const under: (() => void)[] = [];
  const connect = (dies: number): PutIfAbsent => {
    let left = dies;
    const request = <T>(execute: () => Promise<T>): Promise<T> => {
      if (left-- <= 0) return new Promise<T>(() => {});
      return new Promise<T>((resolve, reject) => {
        const lost = (): void => reject(new Error('timed out'));
        under.push(() => {
          const fate = random.below(20);
          if (fate === 0) lost();
          else if (fate === 1) execute().then(lost, lost);
          else if (fate === 2) {
            lost();
            under.push(() => void execute());
          } else execute().then(resolve, reject);
        });
      });
    };
    return {
      create: (key, body) => {
        const bytes = [Buffer.concat(body as Uint8Array[])];
        return request(() => objects.create(key, bytes));
      },
      get: (key) => request(() => objects.get(key)),
      list: (prefix, after) => request(() => objects.list(prefix, after)),
      remove: (keys) => request(() => objects.remove(keys)),
    };
  };
  return {
    connect,
    step() {
      const [chosen] = under.splice(random.below(under.length), 1);
      chosen?.();
      return chosen !== undefined;
    },
  };
}

/** A store, or a use of one, that breaks a rule the protocol stands on. */
function broken(
  objects: PutIfAbsent,
  breakage: Breakage,
  onCreated: (body: Uint8Array) => void,
): PutIfAbsent {
  const isSeal = (body: readonly Uint8Array[]): boolean =>
    Buffer.concat(body as Uint8Array[]).equals(Buffer.from('RMQ-SEAL'));
  return {
    ...objects,
    async create(key, body) {
      if (breakage === 'no seal' && isSeal(body)) {
        return (await objects.get(key)) === undefined ? 'created' : 'exists';
      }
      if (breakage === 'overwrites') await objects.remove([key]);
      const outcome = await objects.create(key, body);
      if (outcome === 'created') onCreated(Buffer.concat(body as Uint8Array[]));
      return breakage === 'exists is success' && !isSeal(body) ? 'created' : outcome;
    },
  };
}

/** Runs one schedule; what was violated, or undefined. */
async function run(seed: number, breakage: Breakage): Promise<string | undefined> {
  const random = createRandom(seed);
  const acks: Ack[] = [];
  const lengths = new Map<number, Set<number>>();
  const tasks = new Set<Promise<unknown>>();
  const track = (task: Promise<unknown>): void => {
    const mine = task.catch(() => {}).finally(() => tasks.delete(mine));
    tasks.add(mine);
  };
  const early = (body: Uint8Array): void => {
    const match = /#(\d+)\.(\d+)@(\d+)#/.exec(Buffer.from(body).toString('latin1'));
    if (breakage === 'acknowledged out of order' && match !== null) {
      acks.push({ epoch: Number(match[1]), position: Number(match[3]), text: match[0] });
    }
  };
  const clean = createMemoryObjects();
  const objects = broken(clean, breakage, early);
  const network = createNetwork(random, objects);
  const walOf = (dies = Number.POSITIVE_INFINITY) =>
    createSealedWal({ objects: network.connect(dies), nonce: () => random.bytes(16), maxInFlight: 5 });

  async function write(epoch: number, writer: WalWriter, id: { next: number }): Promise<void> {
    const text = `#${epoch}.${id.next++}@${writer.next}#`;
    const position = await writer.append([Buffer.from(text)], { level: 'sync' });
    acks.push({ epoch, position, text });
  }

  /** Goes on until it is fenced or has written enough: it does not know that others took over. */
  async function own(epoch: number): Promise<void> {
    const wal = walOf(random.oneIn(4) ? random.below(30) : undefined);
    const writer = await wal.open('w', epoch);
    const id = { next: 0 };
    while (id.next < APPENDS) {
      const burst = Array.from({ length: 1 + random.below(5) }, () => write(epoch, writer, id));
      const outcomes = await Promise.allSettled(burst);
      if (outcomes.some((each) => each.status === 'rejected')) return;
      const newest = acks.findLast((ack) => ack.epoch === epoch);
      if (newest !== undefined && random.oneIn(4)) {
        const below = acks.filter((ack) => ack.epoch === epoch && ack.position <= newest.position);
        const from = random.oneIn(2) ? 0 : random.pick(below).position;
        await wal.remove('w', epoch, from, newest.position);
      }
    }
  }

  async function takeOver(epoch: number): Promise<void> {
    const length = await walOf(random.oneIn(3) ? random.below(12) : undefined).seal('w', epoch);
    if (breakage === 'seals are collected') {
      for (const key of await clean.list(`w/`)) {
        if (Buffer.compare((await clean.get(key)) ?? Buffer.alloc(0), Buffer.from('RMQ-SEAL')) === 0)
          await clean.remove([key]);
      }
    }
    lengths.set(epoch, (lengths.get(epoch) ?? new Set()).add(length));
  }

  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    track(own(epoch));
    for (let steps = random.below(60); steps > 0; steps--) {
      network.step();
      if (random.oneIn(2)) await immediate();
    }
    for (let sealers = 1 + random.below(3); sealers > 0; sealers--) track(takeOver(epoch));
  }
  // Everything that is still under way happens at last; whatever has died stays so.
  for (let idle = 0; idle < 3; ) {
    idle = network.step() ? 0 : idle + 1;
    await immediate();
  }
  // The dead may have left an epoch unsealed: whoever comes last sees what everybody saw.
  const last = createSealedWal({ objects });
  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    const length = await last.seal('w', epoch);
    const seen = lengths.get(epoch) ?? new Set();
    if (seen.size > 1 || (!seen.has(length) && seen.size > 0))
      return `epoch ${epoch} has lengths ${[...seen, length]}`;
    const mine = acks.filter((ack) => ack.epoch === epoch);
    const lost = mine.find(({ position }) => position >= length);
    if (lost !== undefined) return `${lost.text} was acknowledged behind the length ${length}`;
    const holes = (await clean.list(`w/${String(epoch).padStart(12, '0')}/hole/`)).map((key) =>
      (key.split('/').at(-1) ?? '').split('-').map(Number),
    );
    const isRemoved = (id: number): boolean =>
      holes.some(([from = 0, until = 0]) => from <= id && id < until);
    const kept = mine.filter(({ text }) => !isRemoved(Number(/\.(\d+)@/.exec(text)?.[1])));
    for (const { position, text } of kept) {
      const [block] = await last.read('w', epoch, position, length, 1).catch(() => []);
      if (block === undefined || Buffer.from(block.body).toString() !== text)
        return `${text} is not where it was acknowledged`;
    }
  }
  return undefined;
}

async function violations(breakage: Breakage, schedules: number): Promise<string[]> {
  const found: string[] = [];
  for (let seed = 1; seed <= schedules; seed++) {
    const violation = await run(seed, breakage);
    if (violation !== undefined) found.push(`seed ${seed}: ${violation}`);
  }
  return found;
}

describe('sealed epochs under a hostile network', () => {
  it('lose no acknowledged block, and have one length', { timeout: 60_000 + SCHEDULES * 20 }, async () => {
    expect(await violations('none', SCHEDULES)).toEqual([]);
  });

  it.each<Breakage>([
    'no seal',
    'exists is success',
    'overwrites',
    'seals are collected',
    'acknowledged out of order',
  ])('are seen to fail when the protocol is broken: %s', async (breakage) => {
    expect((await violations(breakage, 150)).length).toBeGreaterThan(0);
  });

  it('fence a writer whose own request was answered twice not at all', async () => {
    const objects = createMemoryObjects();
    let isFirst = true;
    const wal = createSealedWal({
      objects: {
        ...objects,
        async create(key, body) {
          const outcome = await objects.create(key, body);
          if (key.includes('/b/') && isFirst) {
            isFirst = false;
            throw new Error('the answer was lost');
          }
          return outcome;
        },
      },
    });
    const writer = await wal.open('w', 1);
    await writer.append([Buffer.from('x')], { level: 'sync' });
    await wal.seal('w', 1);
    await expect(writer.append([Buffer.from('y')], { level: 'sync' })).rejects.toThrow(WalFenced);
  });
});
