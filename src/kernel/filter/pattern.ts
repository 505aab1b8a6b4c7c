/**
 * Regular expressions over names, as clients send them (topics that a member subscribes to, transactional ids, clients whose metrics are
 * wanted): what RE2 has of them but for Unicode classes and word boundaries. A pattern is a list of states that a name is run through all at once, so matching takes time in proportion to
 * name and pattern, whoever wrote it; there is nothing to backtrack into. A name matches as a whole.
 */
export interface Pattern {
  matches(name: string): boolean;
}

/** Of one pattern, repetitions written out. */
const MAX_STATES = 5000;
const MAX_REPEAT = 1000;
const MAX_DEPTH = 100;

type Accepts = (code: number) => boolean;
type State =
  | { readonly kind: 'take'; readonly accepts: Accepts; to: number }
  | { readonly kind: 'fork'; to: number; other: number }
  | { readonly kind: 'start' | 'end'; to: number };

type Node =
  | { readonly kind: 'take'; readonly accepts: Accepts }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'all'; readonly nodes: readonly Node[] }
  | { readonly kind: 'any'; readonly nodes: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number };

class PatternError extends Error {}

const between =
  (first: string, last: string): Accepts =>
  (code) =>
    code >= first.charCodeAt(0) && code <= last.charCodeAt(0);
const isDigit = between('0', '9');
const isLower = between('a', 'z');
const isUpper = between('A', 'Z');
const isLetter: Accepts = (code) => isLower(code) || isUpper(code);
const isWord: Accepts = (code) => isDigit(code) || isLetter(code) || code === 95;
const isSpace: Accepts = (code) => code === 32 || (code >= 9 && code <= 13 && code !== 11);
const not =
  (accepts: Accepts): Accepts =>
  (code) =>
    !accepts(code);
const either =
  (all: readonly Accepts[]): Accepts =>
  (code) =>
    all.some((accepts) => accepts(code));

const CLASSES: Readonly<Record<string, Accepts>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const NAMED: Readonly<Record<string, Accepts>> = {
  alnum: (code) => isDigit(code) || isLetter(code),
  alpha: isLetter,
  digit: isDigit,
  lower: isLower,
  upper: isUpper,
  punct: (code) => code > 32 && code < 127 && !isDigit(code) && !isLetter(code),
  space: isSpace,
  word: isWord,
  xdigit: either([isDigit, between('a', 'f'), between('A', 'F')]),
};

class Parser {
  private readonly text: string;
  private at = 0;
  private depth = 0;
  private ignoresCase = false;

  constructor(text: string) {
    this.text = text;
  }

  parse(): Node {
    const node = this.alternatives();
    if (this.at < this.text.length) throw new PatternError('an unexpected )');
    return node;
  }

  private peek(text: string): boolean {
    return this.text.startsWith(text, this.at);
  }

  private skip(text: string): boolean {
    const isThere = this.peek(text);
    if (isThere) this.at += text.length;
    return isThere;
  }

  private next(): string {
    if (this.at >= this.text.length) throw new PatternError('an end where more is expected');
    return this.text[this.at++];
  }

  private alternatives(): Node {
    if (++this.depth > MAX_DEPTH) throw new PatternError('too many groups in each other');
    const nodes = [this.sequence()];
    while (this.skip('|')) nodes.push(this.sequence());
    this.depth--;
    return nodes.length === 1 ? nodes[0] : { kind: 'any', nodes };
  }

  private sequence(): Node {
    const nodes: Node[] = [];
    while (this.at < this.text.length && !this.peek('|') && !this.peek(')')) nodes.push(this.repeated());
    return { kind: 'all', nodes };
  }

  private repeated(): Node {
    const node = this.atom();
    const bounds = this.bounds();
    if (bounds === undefined) return node;
    this.skip('?');
    if (this.bounds() !== undefined) throw new PatternError('a repetition of a repetition');
    return { kind: 'repeat', node, ...bounds };
  }

  private bounds(): { min: number; max: number } | undefined {
    if (this.skip('*')) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (this.skip('+')) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (this.skip('?')) return { min: 0, max: 1 };
    const found = /^\{(\d+)(,(\d*))?\}/.exec(this.text.slice(this.at, this.at + 20));
    if (found === null) return undefined;
    this.at += found[0].length;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === '' ? Number.POSITIVE_INFINITY : Number(found[3]);
    if (min > MAX_REPEAT || (Number.isFinite(max) && max > MAX_REPEAT) || max < min) {
      throw new PatternError(`the repetition ${found[0]}`);
    }
    return { min, max };
  }

  private atom(): Node {
    const char = this.next();
    if (char === '(') return this.group();
    if (char === '[') return { kind: 'take', accepts: this.set() };
    if (char === '.') return { kind: 'take', accepts: (code) => code !== 10 };
    if (char === '^') return { kind: 'start' };
    if (char === '$') return { kind: 'end' };
    if (char === '\\') return this.escape();
    if ('*+?'.includes(char)) throw new PatternError(`a ${char} behind nothing`);
    return this.literal(char.charCodeAt(0));
  }

  private literal(code: number): Node {
    const accepts: Accepts = (each) => each === code;
    return { kind: 'take', accepts: this.folded(accepts) };
  }

  private folded(accepts: Accepts): Accepts {
    if (!this.ignoresCase) return accepts;
    return (code) => accepts(code) || (isLetter(code) && accepts(code ^ 32));
  }

  private group(): Node {
    const ignoresCase = this.ignoresCase;
    if (this.skip('?')) {
      const name = /^P?<[A-Za-z_]\w*>/.exec(this.text.slice(this.at));
      if (name !== null) this.at += name[0].length;
      else if (this.flags()) return { kind: 'all', nodes: [] };
    }
    const node = this.alternatives();
    if (!this.skip(')')) throw new PatternError('a group without an end');
    this.ignoresCase = ignoresCase;
    return node;
  }

  /** True where they are for the rest, and not for a group. */
  private flags(): boolean {
    const found = /^([ims]*)(?:-([ims]+))?([:)])/.exec(this.text.slice(this.at, this.at + 16));
    if (found === null) throw new PatternError('a kind of group that is not supported');
    this.at += found[0].length;
    if (found[1].includes('i')) this.ignoresCase = true;
    if (found[2]?.includes('i')) this.ignoresCase = false;
    return found[3] === ')';
  }

  private escape(): Node {
    const char = this.next();
    if (char === 'A') return { kind: 'start' };
    if (char === 'z') return { kind: 'end' };
    if (char === 'Q') return this.quoted();
    const accepts = CLASSES[char];
    if (accepts !== undefined) return { kind: 'take', accepts };
    return this.literal(this.escapedCode(char));
  }

  private quoted(): Node {
    const end = this.text.indexOf('\\E', this.at);
    const literal = this.text.slice(this.at, end < 0 ? undefined : end);
    this.at += literal.length + (end < 0 ? 0 : 2);
    return { kind: 'all', nodes: [...literal].map((char) => this.literal(char.charCodeAt(0))) };
  }

  private escapedCode(char: string): number {
    const control = CONTROLS[char];
    if (control !== undefined) return control;
    const hex = char === 'x' ? /^[0-9A-Fa-f]{2}/.exec(this.text.slice(this.at, this.at + 2)) : null;
    if (hex !== null) {
      this.at += 2;
      return Number.parseInt(hex[0], 16);
    }
    const code = char.charCodeAt(0);
    if (isLetter(code) || isDigit(code)) throw new PatternError(`\\${char} is not supported`);
    return code;
  }

  /** Behind its bracket. */
  private set(): Accepts {
    const isNegated = this.skip('^');
    const parts: Accepts[] = [];
    for (let isFirst = true; isFirst || !this.peek(']'); isFirst = false) parts.push(this.part());
    this.next();
    const accepts = this.folded(either(parts));
    return isNegated ? not(accepts) : accepts;
  }

  private part(): Accepts {
    const named = /^\[:(\^?)(\w+):\]/.exec(this.text.slice(this.at, this.at + 16));
    if (named !== null) {
      const accepts = NAMED[named[2]];
      if (accepts === undefined) throw new PatternError(`the class ${named[2]}`);
      this.at += named[0].length;
      return named[1] === '' ? accepts : not(accepts);
    }
    const first = this.next();
    if (first === '\\') {
      const accepts = CLASSES[this.text[this.at] ?? ''];
      if (accepts !== undefined) {
        this.at++;
        return accepts;
      }
    }
    const low = this.code(first);
    if (!this.peek('-') || this.peek('-]')) return (code) => code === low;
    this.at++;
    const high = this.code(this.next());
    if (high < low) throw new PatternError('a range whose end is before its start');
    return (code) => code >= low && code <= high;
  }

  private code(char: string): number {
    return char === '\\' ? this.escapedCode(this.next()) : char.charCodeAt(0);
  }
}

/** States from the last to the first, each knowing what follows it; the accepting one is 0. */
class Compiler {
  readonly states: State[] = [{ kind: 'end', to: -1 }];
  private readonly maxStates: number;

  constructor(maxStates: number) {
    this.maxStates = maxStates;
  }

  private add(state: State): number {
    if (this.states.length >= this.maxStates) throw new PatternError('a pattern that is too large');
    return this.states.push(state) - 1;
  }

  compile(node: Node, to: number): number {
    if (node.kind === 'take') return this.add({ kind: 'take', accepts: node.accepts, to });
    if (node.kind === 'start' || node.kind === 'end') return this.add({ kind: node.kind, to });
    if (node.kind === 'all') return node.nodes.reduceRight((next, each) => this.compile(each, next), to);
    if (node.kind === 'any') {
      return node.nodes
        .map((each) => this.compile(each, to))
        .reduceRight((other, first) => this.add({ kind: 'fork', to: first, other }));
    }
    return this.repeat(node.node, node.min, node.max, to);
  }

  private repeat(node: Node, min: number, max: number, to: number): number {
    let next = to;
    if (max === Number.POSITIVE_INFINITY) {
      const fork: State = { kind: 'fork', to, other: to };
      next = this.add(fork);
      fork.other = this.compile(node, next);
    } else {
      for (let i = min; i < max; i++) next = this.add({ kind: 'fork', to, other: this.compile(node, next) });
    }
    for (let i = 0; i < min; i++) next = this.compile(node, next);
    return next;
  }
}

/** `reason`, for its author, why it is no pattern that is supported. */
/** `maxStates` bounds what a name costs: repetitions count as often as they may be taken. */
export function parsePattern(text: string, maxStates = MAX_STATES): Pattern | { readonly reason: string } {
  let states: State[];
  let first: number;
  try {
    const node = new Parser(text).parse();
    const compiler = new Compiler(maxStates);
    first = compiler.compile(node, 0);
    states = compiler.states;
  } catch (error) {
    if (error instanceof PatternError) return { reason: error.message };
    throw error;
  }
  return { matches: (name) => run(states, first, name) };
}

function run(states: readonly State[], first: number, name: string): boolean {
  /** In which step a state was reached; each is reached once in a step. */
  const reached = new Int32Array(states.length).fill(-1);
  let current: number[] = [];
  const reach = (start: number, step: number, into: number[]): void => {
    const open = [start];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (reached[index] === step) continue;
      reached[index] = step;
      const state = states[index];
      if (index === 0 || state.kind === 'take') into.push(index);
      else if (state.kind === 'fork') open.push(state.to, state.other);
      else if (step === (state.kind === 'start' ? 0 : name.length)) open.push(state.to);
    }
  };
  reach(first, 0, current);
  for (let step = 0; step < name.length && current.length > 0; step++) {
    const code = name.charCodeAt(step);
    const next: number[] = [];
    for (const index of current) {
      const state = states[index];
      if (state.kind === 'take' && state.accepts(code)) reach(state.to, step + 1, next);
    }
    current = next;
  }
  return current.includes(0);
}

/** Whether it matches somewhere in a name; undefined for a text that is no pattern. */
export function parseSearch(text: string): ((name: string) => boolean) | undefined {
  const parsed = parsePattern(`[\\s\\S]*(?:${text})[\\s\\S]*`);
  return 'matches' in parsed ? parsed.matches : undefined;
}
