/** Whether two tables know the same of the partitions: offsets and holes. How an index cuts its runs is its own business. */
import type { Table } from '../state/table.ts';
import { decodePage, logOfKey } from './entries.ts';
import { Hole, type IndexLimits } from './offset-index.ts';

type Pages = Pick<Table, 'pageKeys' | 'page'>;

/** `right` is from the journal. */
export function* partitionDifferences(right: Pages, found: Pages, limits: IndexLimits): Generator<string> {
  const known = factsOf(right, limits);
  for (const [logId, facts] of factsOf(found, limits)) {
    const own = known.get(logId);
    known.delete(logId);
    if (own === undefined) yield `the journal has no ${facts.name}`;
    else if (own.name !== facts.name) yield `${facts.name} is ${own.name} in the journal`;
    else if (own.offsets !== facts.offsets)
      yield `${facts.name} has ${facts.offsets}; in the journal it has ${own.offsets}`;
  }
  for (const { name } of known.values()) yield `only the journal has ${name}`;
}

interface Facts {
  readonly name: string;
  readonly offsets: string;
}

/** By log. */
function factsOf({ pageKeys, page }: Pages, limits: IndexLimits): Map<number, Facts> {
  const facts = new Map<number, Facts>();
  for (const key of pageKeys()) {
    const logId = logOfKey(key);
    const bytes = page(key);
    if (logId === 0 || bytes === undefined) continue;
    const { name, number, stripe, storage, startOffset, index } = decodePage(bytes, limits);
    const holes: { kind: string; from: number; end: number }[] = [];
    for (let i = 0; i < index.count; i++) {
      const { offset, end, position } = index.row(i);
      if (position >= 0 || end <= startOffset) continue;
      const kind = position === Hole.Missing ? 'missing' : 'removed';
      const from = Math.max(offset, startOffset);
      const last = holes.at(-1);
      if (last?.kind === kind && last.end === from) last.end = end;
      else holes.push({ kind, from, end });
    }
    const listed = holes.map(({ kind, from, end }) => `, ${kind} ${from} to ${end - 1}`).join('');
    const offsets = `offsets ${startOffset} to ${index.end - 1}${listed}`;
    facts.set(logId, { name: `${name}/${number} (${storage}, stripe ${stripe})`, offsets });
  }
  return facts;
}
