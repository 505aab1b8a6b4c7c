/** What was promised, as clients saw it, and what was found to be broken of it. */

export type Fate = 'committed' | 'aborted' | 'unknown';

export interface Ledger {
  /** Records that were written to the input, by what they say. */
  readonly fed: Map<string, Fate>;
  readonly violations: string[];
  transactions: number;
  aborted: number;
  abandoned: number;
  rebalances: number;
}

export const newLedger = (): Ledger => ({
  fed: new Map(),
  violations: [],
  transactions: 0,
  aborted: 0,
  abandoned: 0,
  rebalances: 0,
});

/** Each kind of complaint once: most of them repeat as long as the run does. */
export function complain(ledger: Ledger, what: string): void {
  if (!ledger.violations.includes(what)) ledger.violations.push(what);
}
