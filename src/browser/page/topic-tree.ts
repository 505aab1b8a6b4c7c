/**
 * The topics seen by the page, as a tree with counters: a plain model, no document. Bounded: above `maxNodes`, or with
 * a very long topic, a message is counted in `overflowed` and not added; of a large payload the start is kept.
 */
export interface TopicNode {
  readonly name: string;
  readonly topic: string;
  readonly parent: TopicNode | undefined;
  readonly children: Map<string, TopicNode>;
  /** Messages of this very topic. */
  messages: number;
  /** Messages of this topic and of all below it. */
  total: number;
  /** `total` per second, over the last interval of `measure`. */
  rate: number;
  totalMeasured: number;
  last: LastMessage | undefined;
  expanded: boolean;
}

export interface LastMessage {
  /** At most the first `MAX_PAYLOAD_KEPT` bytes of `size`. */
  readonly payload: Uint8Array;
  readonly size: number;
  readonly qos: number;
  readonly retain: boolean;
  readonly atMs: number;
}

export interface TopicTree {
  readonly root: TopicNode;
  readonly nodes: number;
  readonly overflowed: number;
  add(topic: string, message: Omit<LastMessage, 'size'>): void;
  /** Updates all rates; `seconds` since the last call. */
  measure(seconds: number): void;
  clear(): void;
}

/** A tree opens by itself down to here. */
const EXPANDED_DEPTH = 2;
const MAX_TOPIC_CHARACTERS = 1024;
export const MAX_PAYLOAD_KEPT = 16_384;

function createNode(name: string, topic: string, parent: TopicNode | undefined, depth: number): TopicNode {
  return {
    name,
    topic,
    parent,
    children: new Map(),
    messages: 0,
    total: 0,
    rate: 0,
    totalMeasured: 0,
    last: undefined,
    expanded: depth < EXPANDED_DEPTH,
  };
}

export function createTopicTree(maxNodes: number): TopicTree {
  let root = createNode('', '', undefined, 0);
  let nodes = 0;
  let overflowed = 0;
  /** Straight to a node that was seen before, without walking levels. */
  const byTopic = new Map<string, TopicNode>();

  function insert(topic: string): TopicNode | undefined {
    const levels = topic.split('/');
    let node = root;
    let missing = 0;
    for (const level of levels) {
      const child: TopicNode | undefined = missing > 0 ? undefined : node.children.get(level);
      if (child === undefined) missing++;
      else node = child;
    }
    if (nodes + missing > maxNodes) return undefined;
    node = root;
    for (let depth = 1; depth <= levels.length; depth++) {
      const level = levels[depth - 1] as string;
      let child = node.children.get(level);
      if (child === undefined) {
        child = createNode(level, levels.slice(0, depth).join('/'), node, depth);
        node.children.set(level, child);
        nodes++;
      }
      node = child;
    }
    byTopic.set(topic, node);
    return node;
  }

  function add(topic: string, message: Omit<LastMessage, 'size'>): void {
    const node = byTopic.get(topic) ?? (topic.length > MAX_TOPIC_CHARACTERS ? undefined : insert(topic));
    if (node === undefined) {
      overflowed++;
      return;
    }
    node.messages++;
    const { payload } = message;
    const kept = payload.length > MAX_PAYLOAD_KEPT ? payload.slice(0, MAX_PAYLOAD_KEPT) : payload;
    node.last = { ...message, payload: kept, size: payload.length };
    for (let above: TopicNode | undefined = node; above !== undefined; above = above.parent) above.total++;
  }

  function measure(seconds: number): void {
    const left = [root];
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      node.rate = (node.total - node.totalMeasured) / seconds;
      node.totalMeasured = node.total;
      left.push(...node.children.values());
    }
  }

  return {
    get root() {
      return root;
    },
    get nodes() {
      return nodes;
    },
    get overflowed() {
      return overflowed;
    },
    add,
    measure,
    clear() {
      root = createNode('', '', undefined, 0);
      nodes = overflowed = 0;
      byTopic.clear();
    },
  };
}

export interface VisibleRow {
  readonly node: TopicNode;
  readonly depth: number;
}

/** The rows to draw, in the order of names, at most `limit`; only topics that contain `search` and what is above them. */
export function visibleRows(
  tree: TopicTree,
  limit: number,
  search: string,
): { rows: VisibleRow[]; hidden: number } {
  const wanted = search.toLowerCase();
  const rows: VisibleRow[] = [];
  let hidden = 0;

  function visit(parent: TopicNode, depth: number): boolean {
    const children = [...parent.children.values()].sort((a, b) =>
      a.name.localeCompare(b.name, undefined, { numeric: true }),
    );
    let any = false;
    for (const node of children) {
      const position = rows.length;
      const found = wanted === '' || node.topic.toLowerCase().includes(wanted);
      if (rows.length < limit) rows.push({ node, depth });
      else hidden++;
      const below = (wanted !== '' || node.expanded) && visit(node, depth + 1);
      if (found || below) any = true;
      else if (position < limit) rows.length = position;
      else hidden--;
    }
    return any;
  }

  visit(tree.root, 0);
  return { rows, hidden };
}
