/**
 * Which streams take a topic: a handful of configured filters, so a loop over them is enough; the answer is asked once
 * per flow. As for subscriptions, a wildcard in front does not match topics that begin with `$`.
 */
const SLASH = 0x2f;
const DOLLAR = 0x24;

function split(topic: Uint8Array): Uint8Array[] {
  const levels: Uint8Array[] = [];
  let from = 0;
  for (let at = topic.indexOf(SLASH); at >= 0; at = topic.indexOf(SLASH, from)) {
    levels.push(topic.subarray(from, at));
    from = at + 1;
  }
  levels.push(topic.subarray(from));
  return levels;
}

export interface TopicFilter {
  matches(topic: Uint8Array): boolean;
}

/** Precondition: `text` is a valid topic filter. */
export function compileFilter(text: string): TopicFilter {
  const levels = text.split('/').map((level) => ({ level, bytes: Buffer.from(level) }));
  const isOpen = levels.at(-1)?.level === '#';
  const fixed = isOpen ? levels.slice(0, -1) : levels;
  const startsWild = levels[0]?.level === '#' || levels[0]?.level === '+';
  return {
    matches(topic) {
      if (startsWild && topic[0] === DOLLAR) return false;
      const found = split(topic);
      // `a/#` matches `a` as well.
      if (isOpen ? found.length < fixed.length : found.length !== fixed.length) return false;
      return fixed.every(({ level, bytes }, i) => level === '+' || bytes.equals(found[i] as Uint8Array));
    },
  };
}
