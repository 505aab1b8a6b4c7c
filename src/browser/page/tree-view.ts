/** Draws the topic tree: one row element per visible topic, reused from frame to frame. */
import { byId, element, setText } from './dom.ts';
import { count, preview } from './format.ts';
import { type TopicNode, type TopicTree, visibleRows } from './topic-tree.ts';

const MAX_ROWS = 400;
const PREVIEW_CHARACTERS = 120;

interface Row {
  readonly root: HTMLDivElement;
  readonly caret: HTMLSpanElement;
  readonly name: HTMLSpanElement;
  readonly value: HTMLSpanElement;
  readonly total: HTMLSpanElement;
  readonly rate: HTMLSpanElement;
  drawnTotal: number;
}

export interface TreeView {
  /** Draws at the next frame, once however often it is asked. */
  invalidate(): void;
  readonly selected: TopicNode | undefined;
}

export function createTreeView(tree: TopicTree, onSelect: (node: TopicNode) => void): TreeView {
  const list = byId('tree', HTMLDivElement);
  const search = byId('search', HTMLInputElement);
  const note = byId('tree-note', HTMLElement);
  const rows = new Map<TopicNode, Row>();
  let selected: TopicNode | undefined;
  let scheduled = false;

  function createRow(node: TopicNode, depth: number): Row {
    const caret = element('span', 'caret');
    const name = element('span', 'name', node.name === '' ? '(empty)' : node.name);
    const [value, total, rate] = [
      element('span', 'value'),
      element('span', 'number'),
      element('span', 'number rate'),
    ];
    const root = element('div', 'row', caret, name, value, rate, total);
    root.role = 'treeitem';
    root.tabIndex = 0;
    root.title = node.topic;
    root.style.setProperty('--depth', String(depth));
    root.addEventListener('click', () => {
      if (node.children.size > 0) node.expanded = !node.expanded;
      choose(node);
    });
    root.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowRight') node.expanded = true;
      else if (event.key === 'ArrowLeft') node.expanded = false;
      else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        const next = event.key === 'ArrowDown' ? root.nextElementSibling : root.previousElementSibling;
        if (next instanceof HTMLElement) next.focus();
      } else if (event.key !== 'Enter') return;
      event.preventDefault();
      if (event.key === 'Enter') choose(node);
      invalidate();
    });
    return { root, caret, name, value, total, rate, drawnTotal: node.total };
  }

  function choose(node: TopicNode): void {
    selected = node;
    onSelect(node);
    invalidate();
  }

  function drawRow(row: Row, node: TopicNode): void {
    const parent = node.children.size > 0;
    setText(row.caret, parent ? (node.expanded ? '▾' : '▸') : '');
    if (parent) row.root.ariaExpanded = String(node.expanded);
    setText(row.value, node.last === undefined ? '' : preview(node.last.payload, PREVIEW_CHARACTERS));
    setText(row.total, count(node.total));
    setText(row.rate, node.rate > 0 ? `${count(node.rate)}/s` : '');
    row.root.classList.toggle('selected', node === selected);
    row.root.classList.toggle('live', node.total !== row.drawnTotal);
    row.drawnTotal = node.total;
  }

  function draw(): void {
    scheduled = false;
    const { rows: visible, hidden } = visibleRows(tree, MAX_ROWS, search.value.trim());
    const wanted = new Set(visible.map((row) => row.node));
    for (const [node, row] of rows) {
      if (wanted.has(node)) continue;
      row.root.remove();
      rows.delete(node);
    }
    let before: Element | null = list.firstElementChild;
    for (const { node, depth } of visible) {
      let row = rows.get(node);
      if (row === undefined) {
        row = createRow(node, depth);
        rows.set(node, row);
      }
      drawRow(row, node);
      if (row.root === before) before = before.nextElementSibling;
      else list.insertBefore(row.root, before);
    }
    const notes = [`${count(tree.nodes)} topics`];
    if (hidden > 0) notes.push(`${count(hidden)} rows not shown`);
    if (tree.overflowed > 0) notes.push(`${count(tree.overflowed)} messages of further topics only counted`);
    setText(note, notes.join(' · '));
    list.classList.toggle('empty', visible.length === 0);
  }

  function invalidate(): void {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(draw);
  }

  search.addEventListener('input', invalidate);
  return {
    invalidate,
    get selected() {
      return selected;
    },
  };
}
