/** What is different between two configurations, and how some of it is carried from one into the other. */
import type { Normalized } from './assignments.ts';
import type { Config } from './config.ts';
import { writtenValue } from './describe.ts';
import { schema } from './schema.ts';
import { type Effect, type Leaf, type Section, writtenName } from './schema-kit.ts';

/** As people see it: secrets are masked. */
export interface ConfigChange {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly effect: Effect;
}

/** Why a configuration that was read again is not taken, as a sentence; the one before stays. */
export class ReloadRefused extends Error {
  override readonly name = 'ReloadRefused';
}

interface Difference {
  readonly path: readonly string[];
  readonly node: Leaf;
  readonly effect: Effect;
  readonly from: Normalized;
  readonly to: Normalized;
}

export type Differences = readonly Difference[];

type Branch = Record<string, unknown>;

export function differences(from: Config, to: Config): Differences {
  const found: Difference[] = [];
  const walk = (node: Section, a: Branch, b: Branch, path: readonly string[], above: Effect): void => {
    for (const [name, child] of Object.entries(node.fields)) {
      const effect = child.effect ?? above;
      const own = [...path, name];
      if (child.kind === 'section') walk(child, a[name] as Branch, b[name] as Branch, own, effect);
      else if (JSON.stringify(a[name]) !== JSON.stringify(b[name])) {
        const [before, after] = [a[name] as Normalized, b[name] as Normalized];
        found.push({ path: own, node: child, effect, from: before, to: after });
      }
    }
  };
  walk(schema, from as unknown as Branch, to as unknown as Branch, [], 'restart');
  return found;
}

export const shownChanges = (found: Differences): ConfigChange[] =>
  found.map(({ path, node, effect, from, to }) => ({
    key: path.map(writtenName).join('.'),
    from: writtenValue(node, from),
    to: writtenValue(node, to),
    effect,
  }));

/** A configuration in which only these are different. */
export function changed(config: Config, found: Differences): Config {
  const copy = structuredClone(config);
  carryInto(copy, found, 'to');
  return copy;
}

/**
 * Changes values where they stand: the sections stay the objects that the parts of the node hold, and who reads a value
 * where it is used sees the new one.
 */
export function carryInto(config: Config, found: Differences, which: 'from' | 'to'): void {
  for (const difference of found) {
    let at = config as unknown as Branch;
    for (const name of difference.path.slice(0, -1)) at = at[name] as Branch;
    at[difference.path.at(-1) ?? ''] = difference[which];
  }
}
