/**
 * Filters of rules: MQTT's topic filters in which a level may be a placeholder. A placeholder stands for one level and is
 * compared as it is: what a client is called can neither end a level nor match more than one.
 */
import { isFilterLevel, isText, type Levels } from './addresses.ts';

export type Placeholder = 'clientid' | 'username' | 'certname' | 'tenant';

/** What placeholders stand for; undefined matches nothing. */
export type Values = Readonly<Record<Placeholder, string | undefined>>;

export const MAX_FILTER_LEVELS = 128;

const NAMES: readonly Placeholder[] = ['clientid', 'username', 'certname', 'tenant'];
const PLACEHOLDERS: ReadonlyMap<string, Placeholder> = new Map(NAMES.map((name) => [`$\{${name}}`, name]));
const PREFIXES = ['$share', '$queue', '$delayed'];

export const placeholderOf = (level: string): Placeholder | undefined => PLACEHOLDERS.get(level);

/** Nothing that could be read as more than one level, or as nothing. */
export const usableValue = (value: string | undefined): string | undefined =>
  value === undefined || value === '' || /[/+#\0]/.test(value) ? undefined : value;

/** Why the filter cannot stand in a rule. */
export function filterProblem(filter: string): string | undefined {
  if (filter === '') return 'a filter is empty';
  if (filter.includes('\0') || !isText(filter)) return 'a filter is not text';
  const levels = filter.split('/');
  if (levels.length > MAX_FILTER_LEVELS) return `a filter has more than ${MAX_FILTER_LEVELS} levels`;
  if (!levels.every(isFilterLevel))
    return `${JSON.stringify(filter)} has a wildcard that is not alone in its level`;
  if (PREFIXES.includes(levels[0] ?? '')) {
    return `${JSON.stringify(filter)} fits nothing: rules are about the topic behind ${levels[0]}/`;
  }
  const stray = levels.find((level) => level.includes('${') && placeholderOf(level) === undefined);
  if (stray === undefined) return undefined;
  return `${JSON.stringify(stray)}: a placeholder is a level of its own, one of ${[...PLACEHOLDERS.keys()].join(', ')}`;
}

/** `+/#` matches what `#` does. */
export function levelsOfRule(filter: string): Levels {
  const levels = filter.split('/');
  return levels.length === 2 && levels[0] === '+' && levels[1] === '#' ? ['#'] : levels;
}
