/**
 * Patterns over addresses as MQTT, AMQP and NATS write them, compiled to a filter of the router, which is MQTT's. One thing it
 * cannot say: any number of levels (AMQP's #) with something behind. There the filter ends at that place, and `accepts` looks
 * at the rest.
 */
import { type Grammar, nameOf, RULES, unquoteInPattern } from './names.ts';

export interface BindingPattern {
  /** Of the router: matches what the pattern does, or more where there is an `accepts`. */
  readonly filter: string;
  /** Levels of an address that the filter matches, as MQTT writes them. */
  readonly accepts: ((levels: readonly string[]) => boolean) | undefined;
}

const MAX_LEVELS = 256;
const MAX_CHARS = 16_384;

const ONE = Symbol('one level');
const ANY = Symbol('any number of levels');
type Part = string | typeof ONE | typeof ANY;

class PatternError extends Error {}

function partsOf(grammar: Grammar, text: string): Part[] {
  const { separator, one, rest } = RULES[grammar];
  const levels = text.split(separator);
  if (text.length > MAX_CHARS || levels.length > MAX_LEVELS) throw new PatternError('it is too long');
  return levels.flatMap((level, i): Part[] => {
    if (level === one) return [ONE];
    if (level === rest) {
      if (grammar !== 'amqp' && i < levels.length - 1)
        throw new PatternError(`${rest} is allowed as the last level only`);
      return grammar === 'nats' ? [ONE, ANY] : [ANY];
    }
    if (grammar === 'mqtt' && /[+#]/.test(level)) throw new PatternError('+ and # are levels of their own');
    if (grammar === 'nats' && /^$|\s/.test(level))
      throw new PatternError('a level is empty or has white space');
    return [unquoteInPattern(grammar, level)];
  });
}

/** Neighbouring wildcards in one order, which changes nothing: those for one level first, and one for any number at most. */
function inOrder(parts: readonly Part[]): Part[] {
  const ordered: Part[] = [];
  let hasAny = false;
  for (const part of parts) {
    if (part === ANY) {
      hasAny = true;
      continue;
    }
    if (part !== ONE && hasAny) {
      ordered.push(ANY);
      hasAny = false;
    }
    ordered.push(part);
  }
  if (hasAny) ordered.push(ANY);
  return ordered;
}

/** In at most levels × parts steps: what one ANY took is never reconsidered once the next is reached. */
function fits(parts: readonly Part[], levels: readonly string[]): boolean {
  let part = 0;
  let level = 0;
  let lastAny = -1;
  let resume = 0;
  while (level < levels.length) {
    const wanted = parts[part];
    if (wanted === ANY) {
      lastAny = part++;
      resume = level;
    } else if (wanted === ONE || (wanted !== undefined && wanted === levels[level])) {
      part++;
      level++;
    } else if (lastAny >= 0) {
      part = lastAny + 1;
      level = ++resume;
    } else return false;
  }
  while (parts[part] === ANY) part++;
  return part === parts.length;
}

/** As a level of MQTT's, in which the router compares. */
const written = (part: Part): Part => (typeof part === 'string' ? (nameOf('mqtt', [part]) ?? part) : part);
const inFilter = (part: Part): string => (part === ONE ? '+' : part === ANY ? '#' : String(part));

/** `reason`, for who wrote it, why it is no pattern of that grammar. */
export function compileBindingPattern(
  grammar: Grammar,
  text: string,
): BindingPattern | { readonly reason: string } {
  let parts: Part[];
  try {
    parts = inOrder(partsOf(grammar, text)).map(written);
  } catch (error) {
    if (error instanceof PatternError) return { reason: error.message };
    throw error;
  }
  const end = parts.indexOf(ANY) + 1;
  if (end === 0 || end === parts.length) {
    return { filter: parts.map(inFilter).join('/'), accepts: undefined };
  }
  return {
    filter: parts.slice(0, end).map(inFilter).join('/'),
    accepts: (levels) => fits(parts, levels),
  };
}
