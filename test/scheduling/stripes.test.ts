import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEmbeddedMetaStore } from '../../src/scheduling/embedded.ts';
import type { MetaStore } from '../../src/scheduling/meta-store.ts';
import { openStripes, stripeOf } from '../../src/scheduling/stripes.ts';
import { createManualClock } from '../support/manual-clock.ts';

describe('stripes', () => {
  let folder: string;
  let meta: MetaStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'robustmq-stripes-'));
    meta = await openEmbeddedMetaStore({ folder, clock: createManualClock() });
  });
  afterEach(async () => {
    await meta.close();
    await rm(folder, { recursive: true });
  });

  it('fixes their number when the data directory is made, and checks it', async () => {
    expect((await openStripes(meta, 64)).count).toBe(64);
    expect((await openStripes(meta)).count).toBe(64);
    for (const count of [0, 3, 1.5, 131_072])
      await expect(openStripes(meta, count)).rejects.toThrow(RangeError);
    await meta.txn([], [{ op: 'put', key: '/stripes/count', value: 'many' }]);
    await expect(openStripes(meta)).rejects.toThrow(/is no number of stripes: many/);
  });

  it('puts a key where every version puts it: the hash is part of the format', () => {
    expect(stripeOf('default', 'session', 'sensor-1', 1024)).toBe(347);
    expect(stripeOf('default', 'queue', 'sensor-1', 1024)).toBe(19);
    expect(stripeOf('', 'log', 'größe/€', 1024)).toBe(4);
    expect(stripeOf('a', 'log', 'b', 1)).toBe(0);
    expect(stripeOf('a b', 'log', 'c', 65_536)).not.toBe(stripeOf('a', 'log', 'b c', 65_536));
  });

  it('spreads keys that differ little', () => {
    const held = new Array<number>(1024).fill(0);
    for (let index = 0; index < 102_400; index++) {
      const stripe = stripeOf('default', 'session', `device-${index}`, 1024);
      held[stripe] = (held[stripe] ?? 0) + 1;
    }
    // 100 each on average, with a standard deviation of 10.
    expect(Math.min(...held)).toBeGreaterThan(50);
    expect(Math.max(...held)).toBeLessThan(150);
  });

  it('gives each epoch to exactly one of those who race for it', async () => {
    const stripes = await openStripes(meta, 8);
    expect(await stripes.owner(3)).toBeUndefined();
    let epoch = 0n;
    for (let round = 0; round < 5; round++) {
      const racers = Array.from({ length: 10 }, (_, racer) => `node ${racer}`);
      const results = await Promise.all(racers.map((racer) => stripes.acquire(3, racer, epoch)));
      const winners = racers.filter((_, index) => results[index]?.status === 'acquired');
      expect(winners).toHaveLength(1);
      epoch++;
      const current = { owner: winners[0] ?? '', epoch };
      expect(await stripes.owner(3)).toEqual(current);
      for (const result of results) {
        if (result.status === 'acquired') expect(result.epoch).toBe(epoch);
        else expect(result.current).toEqual(current);
      }
    }
    expect(await stripes.acquire(3, 'late', 2n)).toMatchObject({
      status: 'conflict',
      current: { epoch: 5n },
    });
    await expect(stripes.owner(8)).rejects.toThrow(RangeError);
    await expect(stripes.acquire(-1, 'x', 0n)).rejects.toThrow(RangeError);
  });

  it('lets one process own all in a new epoch, at each start and while another tries the same', async () => {
    const stripes = await openStripes(meta);
    await stripes.acquire(7, 'before', 0n);
    const first = await stripes.acquireAll('one');
    expect(first.size).toBe(1024);
    expect([first.get(6), first.get(7)]).toEqual([1n, 2n]);
    const [second, third] = await Promise.all([stripes.acquireAll('two'), stripes.acquireAll('three')]);
    for (let stripe = 0; stripe < 1024; stripe++) {
      const epochs = [second.get(stripe) ?? 0n, third.get(stripe) ?? 0n];
      expect(new Set([...epochs, first.get(stripe)]).size).toBe(3);
      const owner = epochs[0] === (await stripes.owner(stripe))?.epoch ? 'two' : 'three';
      expect(await stripes.owner(stripe)).toEqual({ owner, epoch: (first.get(stripe) ?? 0n) + 2n });
    }
  });

  it('refuses an owner in a format that it does not know', async () => {
    const stripes = await openStripes(meta, 8);
    await meta.txn([], [{ op: 'put', key: '/stripes/owner/00001', value: '9 1 node' }]);
    await expect(stripes.owner(1)).rejects.toThrow(/format that this version does not know/);
  });
});
