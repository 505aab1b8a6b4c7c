/** The two simple filters: by tag, and by headers. */
import type { Predicate, PropertyValue } from './selector.ts';

/** `a || b`, or `*` for all, also for those without a tag. Undefined when it names nothing or too much. */
export function compileTags(text: string, maxTags = 64): ((tag: string | undefined) => boolean) | undefined {
  if (text.trim() === '*') return () => true;
  const tags = text.split('||', maxTags + 1).map((tag) => tag.trim());
  if (tags.length > maxTags || tags.includes('')) return undefined;
  const wanted = new Set<string | undefined>(tags);
  return (tag) => wanted.has(tag);
}

/** Headers that must all, or of which any must, be there; with that value where one is given. */
export function compileHeaders(
  mode: 'all' | 'any',
  headers: readonly (readonly [name: string, value: PropertyValue])[],
): Predicate {
  return (properties) => {
    const matches = ([name, value]: readonly [string, PropertyValue]): boolean => {
      const found = properties(name);
      return found !== undefined && (value === undefined || found === value);
    };
    return mode === 'all' ? headers.every(matches) : headers.some(matches);
  };
}
