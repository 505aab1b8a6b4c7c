import { describe, expect, it } from 'vitest';
import { type PickContext, pick, SharedGroup, type SharedStrategy } from '../../src/kernel/shared-group.ts';

function groupOf(...sinks: number[]): SharedGroup {
  const group = new SharedGroup('g', new Uint8Array([97]));
  for (const sink of sinks) group.join({ sink, options: sink, identifier: sink });
  return group;
}

const base: PickContext = { publisherKey: 1, topicHash: 1, eligible: () => true, random: () => 0 };
const strategies: SharedStrategy[] = ['round-robin', 'random', 'sticky', 'hash-client', 'hash-topic'];

describe('shared group', () => {
  it('picks nobody when nobody is eligible', () => {
    for (const strategy of strategies) {
      expect(pick(groupOf(), strategy, base)).toBeUndefined();
      expect(pick(groupOf(1, 2), strategy, { ...base, eligible: () => false })).toBeUndefined();
    }
  });

  it('picks only eligible members, by every strategy', () => {
    for (const strategy of strategies) {
      const group = groupOf(1, 2, 3);
      for (let key = 0; key < 30; key++) {
        const context = {
          publisherKey: key,
          topicHash: key,
          eligible: (s: number) => s === 2,
          random: () => key / 30,
        };
        expect(pick(group, strategy, context)?.sink).toBe(2);
      }
    }
  });

  it('goes round, also after a member has left', () => {
    const group = groupOf(1, 2, 3);
    const next = () => pick(group, 'round-robin', base)?.sink;
    expect([next(), next(), next(), next()]).toEqual([1, 2, 3, 1]);
    expect(group.leave(2)).toBe(true);
    expect(group.leave(2)).toBe(false);
    expect(new Set([next(), next()])).toEqual(new Set([1, 3]));
  });

  it('sticks to a member until it leaves or is not eligible', () => {
    const group = groupOf(1, 2, 3);
    const last = { ...base, random: () => 0.99 };
    expect(pick(group, 'sticky', last)?.sink).toBe(3);
    expect(pick(group, 'sticky', base)?.sink).toBe(3);
    expect(pick(group, 'sticky', { ...base, eligible: (s) => s !== 3 })?.sink).toBe(1);
    expect(pick(group, 'sticky', last)?.sink).toBe(1);
    group.leave(1);
    expect(pick(group, 'sticky', base)?.sink).toBe(3);
  });

  it('keeps a key with its member and spreads neighbouring keys', () => {
    const group = groupOf(1, 2, 3, 4);
    const counts = new Map<number, number>();
    for (let key = 0; key < 4000; key++) {
      const byClient = pick(group, 'hash-client', { ...base, publisherKey: key })?.sink ?? 0;
      const byTopic = pick(group, 'hash-topic', { ...base, topicHash: key })?.sink ?? 0;
      expect(pick(group, 'hash-client', { ...base, publisherKey: key, topicHash: 9 })?.sink).toBe(byClient);
      expect(byTopic).toBe(byClient);
      counts.set(byClient, (counts.get(byClient) ?? 0) + 1);
    }
    for (const sink of [1, 2, 3, 4]) expect(counts.get(sink) ?? 0).toBeGreaterThan(850);
  });

  it('has one membership per sink, whose options a second join changes', () => {
    const group = groupOf(1);
    expect(group.join({ sink: 1, options: 9, identifier: 9 })).toBe('changed');
    expect(group.join({ sink: 1, options: 9, identifier: 9 })).toBe('same');
    expect(group.members).toEqual([{ sink: 1, options: 9, identifier: 9 }]);
  });
});
