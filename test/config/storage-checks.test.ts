import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';

async function problems(...sets: string[]): Promise<string[]> {
  const loaded = await loadConfig({ sets });
  return loaded.ok ? [] : loaded.problems.map(({ path, reason }) => `${path} ${reason}`);
}

const store = 'storage.object.directory=/objects';
const topics = 'topics=[{"match":"a/#","storage":"object"}]';
const streams = 'streams=[{"name":"s","capture":["a/#"],"storage":"object"}]';

describe('the configuration of storage', () => {
  it('wants an object store for topics, streams and segments that are to be there', async () => {
    for (const set of [topics, streams, 'storage.tier.enabled=true']) {
      expect(await problems(set)).toEqual([
        expect.stringMatching(/needs an object store: storage.object.bucket or storage.object.directory$/),
      ]);
      expect(await problems(set, store)).toEqual([]);
      expect(await problems(set, 'storage.object.bucket=b')).toEqual([]);
    }
  });

  it('takes one object store, and both keys or neither', async () => {
    expect(await problems(store, 'storage.object.bucket=b')).toEqual([
      expect.stringContaining('storage.object.directory cannot be set together'),
    ]);
    expect(await problems('storage.object.bucket=b', 'storage.object.accessKeyId=k')).toEqual([
      expect.stringContaining('set both or neither'),
    ]);
  });

  it('refuses what nothing would keep: segments or references of a journal in memory', async () => {
    const memory = 'storage.engine=memory';
    expect(await problems(store, memory, 'storage.tier.enabled=true')).toEqual([
      expect.stringContaining('needs storage.engine=files'),
    ]);
    expect(await problems(store, memory, topics)).toEqual([
      expect.stringContaining('needs storage.engine=files'),
    ]);
    expect(await problems(store, memory, streams)).toEqual([]);
  });

  it('warns of retention by groups where there can be none', async () => {
    const settled = 'streams=[{"name":"s","retention":{"settled":true}}]';
    const warnings = async (...sets: string[]): Promise<readonly string[]> => {
      const loaded = await loadConfig({ sets: [settled, ...sets] });
      return loaded.ok ? loaded.warnings.filter((each) => each.includes('settled')) : ['a problem'];
    };
    expect(await warnings('listeners.kafka.enabled=false')).toEqual([
      expect.stringContaining('nobody can settle anything'),
    ]);
    expect(await warnings()).toEqual([]);
  });
});
