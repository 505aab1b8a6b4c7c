/**
 * Patterns of transactional ids: what administrators commonly write, in time that grows with the length of the id only. Literals,
 * `.`, classes, `* + ?` behind one of them, alternatives, escapes; the whole id must match. Groups are not understood.
 */

interface Atom {
  readonly accepts: (char: string) => boolean;
  readonly isOptional: boolean;
  readonly isRepeated: boolean;
}

const CLASSES: Readonly<Record<string, RegExp>> = { d: /\d/, D: /\D/, w: /\w/, W: /\W/, s: /\s/, S: /\S/ };
const MAX_PATTERN = 256;
const RESERVED = '*+?(){}[]^$';

/** A class, an escape, a dot or a literal at `at`, and where it ends; undefined where none is understood. */
function readAtom(pattern: string, at: number): { accepts: Atom['accepts']; end: number } | undefined {
  const char = pattern[at] ?? '';
  if (char === '.') return { accepts: () => true, end: at + 1 };
  if (char === '\\') {
    const escaped = pattern[at + 1];
    if (escaped === undefined) return undefined;
    const known = CLASSES[escaped];
    if (known !== undefined) return { accepts: (each) => known.test(each), end: at + 2 };
    return /\w/.test(escaped) ? undefined : { accepts: (each) => each === escaped, end: at + 2 };
  }
  if (char === '[') {
    const text = /^\[(?:\\.|[^\]\\[])+\]/u.exec(pattern.slice(at))?.[0];
    if (text === undefined) return undefined;
    try {
      const compiled = new RegExp(`^${text}$`, 'u');
      return { accepts: (each) => compiled.test(each), end: at + text.length };
    } catch {
      return undefined;
    }
  }
  return RESERVED.includes(char) ? undefined : { accepts: (each) => each === char, end: at + 1 };
}

/** The alternatives, each a sequence. */
function readPattern(pattern: string): Atom[][] | undefined {
  let atoms: Atom[] = [];
  const alternatives = [atoms];
  for (let at = 0; at < pattern.length; ) {
    const char = pattern[at];
    const isAnchor =
      (char === '^' && atoms.length === 0) || (char === '$' && (pattern[at + 1] ?? '|') === '|');
    if (char === '|') {
      atoms = [];
      alternatives.push(atoms);
    }
    if (char === '|' || isAnchor) {
      at++;
      continue;
    }
    const atom = readAtom(pattern, at);
    if (atom === undefined) return undefined;
    const quantifier = pattern[atom.end] ?? '';
    const isQuantified = quantifier !== '' && '*+?'.includes(quantifier);
    atoms.push({
      accepts: atom.accepts,
      isOptional: quantifier === '*' || quantifier === '?',
      isRepeated: quantifier === '*' || quantifier === '+',
    });
    at = atom.end + (isQuantified ? 1 : 0);
  }
  return alternatives;
}

/** Places in the sequence, each of them once. */
function matchesSequence(atoms: readonly Atom[], text: string): boolean {
  const reach = (places: Set<number>, from: number): void => {
    // What can be reached from a place that is in there already is, too.
    for (let at = from; !places.has(at); at++) {
      places.add(at);
      if (atoms[at]?.isOptional !== true) return;
    }
  };
  let places = new Set<number>();
  reach(places, 0);
  for (const char of text) {
    const next = new Set<number>();
    for (const place of places) {
      const atom = atoms[place];
      if (atom?.accepts(char) !== true) continue;
      if (atom.isRepeated) reach(next, place);
      reach(next, place + 1);
    }
    places = next;
    if (places.size === 0) return false;
  }
  return places.has(atoms.length);
}

/** undefined where the pattern is not understood. */
export function idMatcher(pattern: string): ((id: string) => boolean) | undefined {
  if (pattern.length > MAX_PATTERN) return undefined;
  const alternatives = readPattern(pattern);
  return alternatives && ((id) => alternatives.some((atoms) => matchesSequence(atoms, id)));
}
