/** Pages over what has numbers: looked through in steps, bounded by items and by the characters of their names. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Page, PageRequest } from '../admin/node-view.ts';
import { OperationError } from '../admin/operation.ts';

export interface Numbered<V> {
  /** Above every number in use. */
  end(): number;
  /** Undefined where nothing has the number, or nothing that is wanted. */
  at(number: number): V | undefined;
}

/** What is looked at before the broker has its turn: some milliseconds of work at most. */
export const STEP = 500;
/** Clients choose names of up to 64 KiB: a thousand of those would be no page. */
export const MAX_PAGE_CHARACTERS = 1024 * 1024;

export function invalidCursor(): OperationError {
  return new OperationError(400, 'invalid-cursor', 'the cursor is not one of this list');
}

export function wholeNumber(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw invalidCursor();
  return Number(text);
}

/** One source after the other, each in the order of its numbers. */
export async function pageOf<V>(
  sources: readonly Numbered<V>[],
  { limit, after }: PageRequest,
  charactersOf: (view: V) => number,
): Promise<Page<V>> {
  const [first, number] = after === undefined ? [0, 0] : placeBehind(after);
  const items: V[] = [];
  let last = '';
  let characters = 0;
  let looked = 0;
  for (let s = first; s < sources.length; s++) {
    const source = sources[s];
    for (let n = s === first ? number : 0; source !== undefined && n < source.end(); n++) {
      if (++looked % STEP === 0) await turn();
      const view = source.at(n);
      if (view === undefined) continue;
      if (items.length === limit || characters >= MAX_PAGE_CHARACTERS) return { items, next: last };
      items.push(view);
      characters += charactersOf(view);
      last = `${s}.${n}`;
    }
  }
  return { items };
}

function placeBehind(after: string): [number, number] {
  const [source, number, ...rest] = after.split('.');
  if (rest.length > 0) throw invalidCursor();
  return [wholeNumber(source), wholeNumber(number) + 1];
}

/** The first names in alphabetical order behind `after`, of many that come in no order; at most `limit`. */
export async function firstNames(
  names: Iterable<string>,
  limit: number,
  after: string | undefined,
): Promise<string[]> {
  let found: string[] = [];
  const cut = (): void => {
    found = found.sort().slice(0, limit);
  };
  let looked = 0;
  for (const name of [...names]) {
    if (++looked % (10 * STEP) === 0) await turn();
    if (after !== undefined && name <= after) continue;
    found.push(name);
    if (found.length >= 2 * limit) cut();
  }
  cut();
  return found;
}
