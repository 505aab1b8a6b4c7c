/**
 * Filters of rules: MQTT's topic filters in which a level may be a placeholder. A placeholder stands for one level and is
 * compared as it is: what a client is called can neither end a level nor match more than one.
 */
import type { Placeholder } from '../../config/rule-filter.ts';
import type { Levels } from './addresses.ts';

/** What placeholders stand for; undefined matches nothing. */
export type Values = Readonly<Record<Placeholder, string | undefined>>;

/** Nothing that could be read as more than one level, or as nothing. */
export const usableValue = (value: string | undefined): string | undefined =>
  value === undefined || value === '' || /[/+#\0]/.test(value) ? undefined : value;

/** `+/#` matches what `#` does. */
export function levelsOfRule(filter: string): Levels {
  const levels = filter.split('/');
  return levels.length === 2 && levels[0] === '+' && levels[1] === '#' ? ['#'] : levels;
}
