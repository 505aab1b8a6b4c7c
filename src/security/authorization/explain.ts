/** Why a decision is what it is: each rule by itself, and what of it did or did not fit. Slow, and independent of how decisions are made. */
import type { Action, Principal } from '../security.ts';
import type { Levels } from './addresses.ts';
import type { Values } from './filters.ts';
import { createPolicy } from './policy.ts';
import { actionBit, type ReadyRule, type RuleReference, unmetCondition } from './rules.ts';

export interface Considered {
  readonly rule: RuleReference;
  readonly isFitting: boolean;
  /** A sentence's end: `rule 3 is for other users`. */
  readonly why: string;
}

export interface Asked {
  readonly principal: Principal;
  readonly action: Action;
  /** undefined: what was asked about is no address. */
  readonly levels: Levels | undefined;
  readonly isFilter: boolean;
  readonly values: Values;
}

function why(ready: ReadyRule, { principal, action, levels, isFilter, values }: Asked): Considered {
  const { reference: rule, actions } = ready;
  const misses = (reason: string): Considered => ({ rule, isFitting: false, why: reason });
  const unmet = unmetCondition(ready, principal);
  if (unmet !== undefined) return misses(unmet);
  if ((actions & actionBit(action)) === 0) return misses(`is not about ${action}`);
  if (levels === undefined) return misses('is not asked: that is no address');
  const alone = createPolicy([ready]);
  const found = isFilter ? alone.cover(levels, action, values) : alone.match(levels, action, values);
  if (found[rule.effect] !== undefined)
    return { rule, isFitting: true, why: isFilter ? 'matches all of it' : 'matches' };
  const unusable = [...ready.placeholders].find((placeholder) => values[placeholder] === undefined);
  if (unusable !== undefined) return misses(`needs a ${unusable} that is one level`);
  if (!isFilter || !alone.overlaps(levels, action, rule.effect, values))
    return misses('is about other addresses');
  return rule.effect === 'deny'
    ? { rule, isFitting: true, why: 'matches some of it, which is not delivered' }
    : misses('matches only some of it');
}

export const createConsidered = (rules: readonly ReadyRule[], asked: Asked): Considered[] =>
  rules.map((ready) => why(ready, asked));
