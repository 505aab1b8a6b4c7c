/**
 * Filters: predicates over a message's properties, compiled once. Here: the subset of SQL-92 that JMS selectors
 * are (comparison, arithmetic, AND, OR, NOT, BETWEEN, IN, LIKE, IS NULL, in three-valued logic). Tags and header
 * matching are beside it. A selector is bounded in length, words and depth before anything of it is built; what it
 * costs to evaluate is bounded by its length and that of the properties. It never throws while matching.
 *
 * A comparison with something unknown is unknown; of different types it is false. A message matches when the
 * selector is true of it, not when it is unknown.
 */
import { compileLike } from './like.ts';
import { SelectorError, type Token, tokens } from './tokens.ts';

export type PropertyValue = string | number | boolean | undefined;
/** The value of a property; undefined when the message has none of that name. */
export type Properties = (name: string) => PropertyValue;
export type Predicate = (properties: Properties) => boolean;

export interface SelectorLimits {
  readonly maxLength: number;
  readonly maxTokens: number;
  readonly maxDepth: number;
}

export type CompiledSelector =
  | { readonly matches: Predicate }
  /** `at` is the place in the text. */
  | { readonly error: string; readonly at: number };

const STANDARD: SelectorLimits = { maxLength: 8192, maxTokens: 1024, maxDepth: 32 };

type Expression = (properties: Properties) => PropertyValue;

export function compileSelector(text: string, limits: SelectorLimits = STANDARD): CompiledSelector {
  if (text.length > limits.maxLength) return { error: 'too long', at: limits.maxLength };
  try {
    const parser = new Parser(tokens(text, limits.maxTokens), limits.maxDepth);
    const expression = parser.selector();
    return { matches: (properties) => expression(properties) === true };
  } catch (error) {
    if (error instanceof SelectorError) return { error: error.message, at: error.at };
    throw error;
  }
}

class Parser {
  private readonly tokens: readonly Token[];
  private readonly maxDepth: number;
  private next = 0;
  private depth = 0;

  constructor(words: readonly Token[], maxDepth: number) {
    this.tokens = words;
    this.maxDepth = maxDepth;
  }

  selector(): Expression {
    const expression = this.or();
    if (this.token.kind !== 'end') this.fail('expected the end');
    return expression;
  }

  private get token(): Token {
    return this.tokens[this.next];
  }

  private fail(reason: string): never {
    throw new SelectorError(reason, this.token.at);
  }

  private accept(kind: 'keyword' | 'sign', ...texts: string[]): string | undefined {
    const { token } = this;
    if (token.kind !== kind || !texts.includes(token.text)) return undefined;
    this.next++;
    return token.text;
  }

  private expect(kind: 'keyword' | 'sign', text: string): void {
    if (this.accept(kind, text) === undefined) this.fail(`expected ${text}`);
  }

  private nested<T>(parse: () => T): T {
    if (++this.depth > this.maxDepth) this.fail('nested too deeply');
    const result = parse();
    this.depth--;
    return result;
  }

  private or(): Expression {
    const parts = [this.and()];
    while (this.accept('keyword', 'OR') !== undefined) parts.push(this.and());
    return parts.length === 1 ? parts[0] : junction(parts, true);
  }

  private and(): Expression {
    const parts = [this.not()];
    while (this.accept('keyword', 'AND') !== undefined) parts.push(this.not());
    return parts.length === 1 ? parts[0] : junction(parts, false);
  }

  private not(): Expression {
    if (this.accept('keyword', 'NOT') === undefined) return this.comparison();
    return negation(this.nested(() => this.not()));
  }

  private comparison(): Expression {
    const left = this.sum();
    const operator = this.accept('sign', '=', '<>', '<', '<=', '>', '>=');
    if (operator !== undefined) return comparison(operator, left, this.sum());
    if (this.accept('keyword', 'IS') !== undefined) {
      const isNot = this.accept('keyword', 'NOT') !== undefined;
      this.expect('keyword', 'NULL');
      return (properties) => (left(properties) === undefined) !== isNot;
    }
    const isNot = this.accept('keyword', 'NOT') !== undefined;
    const test = this.test(left, isNot);
    return isNot ? negation(test) : test;
  }

  /** BETWEEN, IN or LIKE; or nothing of them. */
  private test(left: Expression, isNeeded: boolean): Expression {
    switch (this.accept('keyword', 'BETWEEN', 'IN', 'LIKE')) {
      case 'BETWEEN': {
        const low = this.sum();
        this.expect('keyword', 'AND');
        return junction([comparison('>=', left, low), comparison('<=', left, this.sum())], false);
      }
      case 'IN':
        return membership(left, this.list());
      case 'LIKE':
        return this.like(left);
    }
    if (isNeeded) this.fail('expected BETWEEN, IN or LIKE');
    return left;
  }

  private list(): Set<PropertyValue> {
    const values = new Set<PropertyValue>();
    this.expect('sign', '(');
    do {
      const sign = this.accept('sign', '-', '+');
      const { token } = this;
      if (token.kind === 'number') values.add(sign === '-' ? -token.value : token.value);
      else if (token.kind === 'string' && sign === undefined) values.add(token.text);
      else this.fail('expected a text or a number');
      this.next++;
    } while (this.accept('sign', ',') !== undefined);
    this.expect('sign', ')');
    return values;
  }

  private text(): string {
    const { token } = this;
    if (token.kind !== 'string') this.fail('expected a text');
    this.next++;
    return token.text;
  }

  private like(left: Expression): Expression {
    const pattern = this.text();
    const escaper = this.accept('keyword', 'ESCAPE') === undefined ? undefined : this.text();
    if (escaper !== undefined && escaper.length !== 1) this.fail('an escape is one character');
    const matches = compileLike(pattern, escaper);
    if (matches === undefined) this.fail('an escape stands before %, _ or itself');
    return (properties) => {
      const value = left(properties);
      if (value === undefined) return undefined;
      return typeof value === 'string' && matches(value);
    };
  }

  private sum(): Expression {
    let left = this.product();
    for (let sign = this.accept('sign', '+', '-'); sign !== undefined; sign = this.accept('sign', '+', '-')) {
      left = arithmetic(sign, left, this.product());
    }
    return left;
  }

  private product(): Expression {
    let left = this.factor();
    for (let sign = this.accept('sign', '*', '/'); sign !== undefined; sign = this.accept('sign', '*', '/')) {
      left = arithmetic(sign, left, this.factor());
    }
    return left;
  }

  private factor(): Expression {
    const sign = this.accept('sign', '-', '+');
    if (sign !== undefined)
      return arithmetic(
        sign,
        () => 0,
        this.nested(() => this.factor()),
      );
    if (this.accept('sign', '(') !== undefined) {
      const inner = this.nested(() => this.or());
      this.expect('sign', ')');
      return inner;
    }
    if (this.accept('keyword', 'TRUE') !== undefined) return () => true;
    if (this.accept('keyword', 'FALSE') !== undefined) return () => false;
    const { token } = this;
    this.next++;
    if (token.kind === 'name') return (properties) => properties(token.text);
    if (token.kind === 'number') return () => token.value;
    if (token.kind === 'string') return () => token.text;
    this.next--;
    return this.fail('expected a value');
  }
}

/** OR ends with the first true one, AND with the first false one; else one unknown makes all unknown. */
function junction(parts: readonly Expression[], decisive: boolean): Expression {
  return (properties) => {
    let result: PropertyValue = !decisive;
    for (const part of parts) {
      const value = part(properties);
      if (value === decisive) return decisive;
      if (typeof value !== 'boolean') result = undefined;
    }
    return result;
  };
}

function negation(expression: Expression): Expression {
  return (properties) => {
    const value = expression(properties);
    return typeof value === 'boolean' ? !value : undefined;
  };
}

function membership(left: Expression, values: ReadonlySet<PropertyValue>): Expression {
  return (properties) => {
    const value = left(properties);
    return value === undefined ? undefined : values.has(value);
  };
}

function comparison(operator: string, left: Expression, right: Expression): Expression {
  return (properties) => {
    const a = left(properties);
    const b = right(properties);
    if (a === undefined || b === undefined) return undefined;
    if (typeof a !== typeof b) return false;
    if (operator === '=') return a === b;
    if (operator === '<>') return a !== b;
    if (typeof a !== 'number' || typeof b !== 'number') return false;
    if (operator === '<') return a < b;
    if (operator === '<=') return a <= b;
    return operator === '>' ? a > b : a >= b;
  };
}

/** Unknown unless both are numbers and the result is one. */
function arithmetic(sign: string, left: Expression, right: Expression): Expression {
  return (properties) => {
    const a = left(properties);
    const b = right(properties);
    if (typeof a !== 'number' || typeof b !== 'number') return undefined;
    const result = sign === '+' ? a + b : sign === '-' ? a - b : sign === '*' ? a * b : a / b;
    return Number.isFinite(result) ? result : undefined;
  };
}
