/** The grammar of filters in rules: topic filters of MQTT in which a whole level may be a placeholder. */

export type Placeholder = 'clientid' | 'username' | 'certname' | 'tenant';

export const MAX_FILTER_LEVELS = 128;

const NAMES: readonly Placeholder[] = ['clientid', 'username', 'certname', 'tenant'];
const PLACEHOLDERS: ReadonlyMap<string, Placeholder> = new Map(NAMES.map((name) => [`$\{${name}}`, name]));
const PREFIXES = ['$share', '$queue', '$delayed'];

export const placeholderOf = (level: string): Placeholder | undefined => PLACEHOLDERS.get(level);

/** Without half of a surrogate pair, which UTF-8 has no bytes for. */
export const isText = (text: string): boolean => !/\p{Surrogate}/u.test(text);

export function isFilterLevel(level: string, index: number, all: readonly string[]): boolean {
  if (level === '+') return true;
  return level === '#' ? index === all.length - 1 : !/[+#]/.test(level);
}

/** Why the filter cannot stand in a rule; undefined where it can. */
export function filterProblem(filter: string): string | undefined {
  if (filter === '') return 'a filter is empty';
  if (filter.includes('\0') || !isText(filter)) return 'a filter is not text';
  const levels = filter.split('/');
  if (levels.length > MAX_FILTER_LEVELS) return `a filter has more than ${MAX_FILTER_LEVELS} levels`;
  if (!levels.every(isFilterLevel)) {
    return `${JSON.stringify(filter)} has a wildcard that is not alone in its level`;
  }
  if (PREFIXES.includes(levels[0] ?? '')) {
    return `${JSON.stringify(filter)} fits nothing: rules are about the topic behind ${levels[0]}/`;
  }
  const stray = levels.find((level) => level.includes('${') && placeholderOf(level) === undefined);
  if (stray === undefined) return undefined;
  return `${JSON.stringify(stray)}: a placeholder is a level of its own, one of ${[...PLACEHOLDERS.keys()].join(', ')}`;
}
