import { describe, expect, it } from 'vitest';
import { createTopicTree, MAX_PAYLOAD_KEPT, visibleRows } from '../../../src/browser/page/topic-tree.ts';

const message = (payload = new Uint8Array(0)) => ({ payload, qos: 0, retain: false, atMs: 0 });

function drawn(tree: ReturnType<typeof createTopicTree>, limit = 100, search = '') {
  const { rows, hidden } = visibleRows(tree, limit, search);
  return { topics: rows.map(({ node }) => node.topic), hidden };
}

describe('topic tree', () => {
  it('counts per topic and for all above it', () => {
    const tree = createTopicTree(100);
    for (const topic of ['a/b', 'a/b', 'a/c', 'a', '/x']) tree.add(topic, message());
    const a = tree.root.children.get('a');
    expect([a?.messages, a?.total, tree.root.total]).toEqual([1, 4, 5]);
    expect(a?.children.get('b')).toMatchObject({ messages: 2, total: 2, topic: 'a/b' });
    expect(tree.root.children.get('')?.children.get('x')?.topic).toBe('/x');
    tree.measure(2);
    expect([a?.rate, tree.root.rate]).toEqual([2, 2.5]);
    tree.measure(1);
    expect(a?.rate).toBe(0);
  });

  it('stops growing at its bound and goes on counting known topics', () => {
    const tree = createTopicTree(3);
    for (const topic of ['a/b', 'c', 'd', 'a/x', 'a/b']) tree.add(topic, message());
    expect([tree.nodes, tree.overflowed]).toEqual([3, 2]);
    expect(tree.root.children.get('a')?.total).toBe(2);
    tree.add('x/'.repeat(1000), message());
    expect(tree.overflowed).toBe(3);
    tree.clear();
    expect([tree.nodes, tree.overflowed, tree.root.total]).toEqual([0, 0, 0]);
  });

  it('keeps the start of a large payload', () => {
    const tree = createTopicTree(3);
    tree.add('a', message(new Uint8Array(100_000)));
    const last = tree.root.children.get('a')?.last;
    expect([last?.payload.length, last?.size]).toEqual([MAX_PAYLOAD_KEPT, 100_000]);
  });

  it('shows what is open, in the order of names, up to a limit', () => {
    const tree = createTopicTree(100);
    for (const topic of ['b', 'a/2/x', 'a/10/x']) tree.add(topic, message());
    expect(drawn(tree)).toEqual({ topics: ['a', 'a/2', 'a/10', 'b'], hidden: 0 });
    expect(drawn(tree, 2)).toEqual({ topics: ['a', 'a/2'], hidden: 2 });
  });

  it('searches closed branches too, and shows what is above a find', () => {
    const tree = createTopicTree(100);
    for (const topic of ['b', 'a/2/x', 'a/10/Yes', 'c/d']) tree.add(topic, message());
    expect(drawn(tree, 100, 'yes')).toEqual({ topics: ['a', 'a/10', 'a/10/Yes'], hidden: 0 });
    expect(drawn(tree, 1, 'yes')).toEqual({ topics: ['a'], hidden: 2 });
    expect(drawn(tree, 100, 'nothing')).toEqual({ topics: [], hidden: 0 });
  });
});
