/**
 * What a set of rules says about addresses: a trie over the levels of their filters, so that a decision costs what matches
 * and not what there is. Whom the rules are for was decided before; only what placeholders stand for is still open.
 */
import { type Placeholder, placeholderOf } from '../../config/rule-filter.ts';
import type { Action } from '../security.ts';
import type { Levels } from './addresses.ts';
import type { Values } from './filters.ts';
import { ACTIONS, type ReadyRule } from './rules.ts';

type Effect = 'allow' | 'deny';

export interface Found {
  deny: ReadyRule | undefined;
  allow: ReadyRule | undefined;
}

export interface Policy {
  /** The first rule of each effect that matches a topic. */
  match(levels: Levels, action: Action, values: Values): Found;
  /** The first rule of each effect that matches all that the filter does. */
  cover(filter: Levels, action: Action, values: Values): Found;
  /** Whether a rule of the effect matches anything that the filter does; in doubt it does. */
  overlaps(filter: Levels, action: Action, effect: Effect, values: Values): boolean;
}

interface Ranked {
  readonly order: number;
  readonly ready: ReadyRule;
}

/** The first rule for each action and effect of those that end at the same place. */
type Ends = (Ranked | undefined)[];

interface Node {
  readonly children: Map<string, Node>;
  readonly placeholders: Map<Placeholder, Node>;
  plus: Node | undefined;
  /** Filters that end here. */
  here: Ends | undefined;
  /** Filters that go on with `#`. */
  rest: Ends | undefined;
  /** Slots that occur here or below. */
  slots: number;
}

const newNode = (): Node => ({
  children: new Map(),
  placeholders: new Map(),
  plus: undefined,
  here: undefined,
  rest: undefined,
  slots: 0,
});

const slotOf = (action: Action, effect: Effect): number =>
  2 * ACTIONS.indexOf(action) + (effect === 'deny' ? 1 : 0);

function childFor(node: Node, level: string): Node {
  const placeholder = placeholderOf(level);
  if (level === '+') {
    node.plus ??= newNode();
    return node.plus;
  }
  const known = placeholder === undefined ? node.children.get(level) : node.placeholders.get(placeholder);
  if (known !== undefined) return known;
  const fresh = newNode();
  if (placeholder === undefined) node.children.set(level, fresh);
  else node.placeholders.set(placeholder, fresh);
  return fresh;
}

function add(root: Node, filter: Levels, ranked: Ranked): void {
  const { rule } = ranked.ready;
  const slots = rule.actions.map((action) => slotOf(action, rule.effect));
  const bits = slots.reduce((sum, slot) => sum | (1 << slot), 0);
  let node = root;
  node.slots |= bits;
  const endsInRest = filter.at(-1) === '#';
  for (const level of endsInRest ? filter.slice(0, -1) : filter) {
    node = childFor(node, level);
    node.slots |= bits;
  }
  const ends: Ends = (endsInRest ? node.rest : node.here) ?? [];
  for (const slot of slots) ends[slot] ??= ranked;
  if (endsInRest) node.rest = ends;
  else node.here = ends;
}

/** One question: what is looked for, and the best that was found of it. */
class Search {
  private readonly levels: Levels;
  private readonly values: Values;
  private readonly allowSlot: number;
  /** MQTT 5, 4.7.2: a wildcard in the first level does not match a name that begins with `$`. */
  private readonly isDollar: boolean;
  private allow: Ranked | undefined;
  private deny: Ranked | undefined;

  constructor(levels: Levels, action: Action, values: Values) {
    this.levels = levels;
    this.values = values;
    this.allowSlot = slotOf(action, 'allow');
    this.isDollar = (levels[0] ?? '').startsWith('$');
  }

  found(): Found {
    return { deny: this.deny?.ready, allow: this.allow?.ready };
  }

  private note(ends: Ends | undefined, isDenialOnly: boolean): void {
    if (ends === undefined) return;
    const allow = ends[this.allowSlot];
    const deny = ends[this.allowSlot + 1];
    if (
      !isDenialOnly &&
      allow !== undefined &&
      (this.allow === undefined || allow.order < this.allow.order)
    ) {
      this.allow = allow;
    }
    if (deny !== undefined && (this.deny === undefined || deny.order < this.deny.order)) this.deny = deny;
  }

  /**
   * Rules that match every topic that the levels do: for a topic those that match it. A client that is called `$…` is let
   * nowhere below that name by a placeholder in the first level, but a denial of it stands.
   */
  covering(node: Node, at: number, isDenialOnly: boolean): void {
    const isOpen = at > 0 || !this.isDollar;
    if (isOpen) this.note(node.rest, isDenialOnly);
    if (at === this.levels.length) {
      this.note(node.here, isDenialOnly);
      return;
    }
    const level = this.levels[at] ?? '';
    if (level === '#') return;
    if (node.plus !== undefined && isOpen) this.covering(node.plus, at + 1, isDenialOnly);
    if (level === '+') return;
    const child = node.children.get(level);
    if (child !== undefined) this.covering(child, at + 1, isDenialOnly);
    for (const [placeholder, next] of node.placeholders) {
      if (this.values[placeholder] === level) this.covering(next, at + 1, isDenialOnly || !isOpen);
    }
  }

  overlapping(node: Node, at: number, slot: number): boolean {
    if ((node.slots & (1 << slot)) === 0) return false;
    const isOpen = at > 0 || !this.isDollar;
    if (isOpen && node.rest?.[slot] !== undefined) return true;
    if (at === this.levels.length) return node.here?.[slot] !== undefined;
    const level = this.levels[at] ?? '';
    if (level === '#' && at > 0) return true;
    const onward = (next: Node): boolean =>
      level === '#' ? (next.slots & (1 << slot)) !== 0 : this.overlapping(next, at + 1, slot);
    if (node.plus !== undefined && isOpen && onward(node.plus)) return true;
    const isWild = level === '+' || level === '#';
    for (const [placeholder, next] of node.placeholders) {
      const value = this.values[placeholder];
      if (value === undefined || (isWild ? at === 0 && value.startsWith('$') : value !== level)) continue;
      if (onward(next)) return true;
    }
    if (!isWild) {
      const child = node.children.get(level);
      return child !== undefined && onward(child);
    }
    for (const [name, next] of node.children) {
      if ((at > 0 || !name.startsWith('$')) && onward(next)) return true;
    }
    return false;
  }
}

/** The rule that is named of two that fit: the first. `orderOf` says which that is. */
function firstOf(
  a: ReadyRule | undefined,
  b: ReadyRule | undefined,
  orderOf: (rule: ReadyRule) => number,
): ReadyRule | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return orderOf(a) <= orderOf(b) ? a : b;
}

/** Several policies as one, so that what many principals have in common is there once. */
export function together(policies: readonly Policy[], orderOf: (rule: ReadyRule) => number): Policy {
  const merged = (ask: (policy: Policy) => Found): Found => {
    const best: Found = { deny: undefined, allow: undefined };
    for (const policy of policies) {
      const { deny, allow } = ask(policy);
      best.deny = firstOf(best.deny, deny, orderOf);
      best.allow = firstOf(best.allow, allow, orderOf);
    }
    return best;
  };
  return {
    match: (levels, action, values) => merged((policy) => policy.match(levels, action, values)),
    cover: (filter, action, values) => merged((policy) => policy.cover(filter, action, values)),
    overlaps: (filter, action, effect, values) =>
      policies.some((policy) => policy.overlaps(filter, action, effect, values)),
  };
}

/** In the order in which they are to be named. */
export function createPolicy(rules: readonly ReadyRule[]): Policy {
  const root = newNode();
  rules.forEach((ready, order) => {
    for (const filter of ready.filters) add(root, filter, { order, ready });
  });
  const covering = (levels: Levels, action: Action, values: Values): Found => {
    const search = new Search(levels, action, values);
    search.covering(root, 0, false);
    return search.found();
  };
  return {
    match: covering,
    cover: (filter, action, values) => covering(normalized(filter), action, values),
    overlaps: (filter, action, effect, values) =>
      new Search(filter, action, values).overlapping(root, 0, slotOf(action, effect)),
  };
}

const normalized = (filter: Levels): Levels =>
  filter.length === 2 && filter[0] === '+' && filter[1] === '#' ? ['#'] : filter;
