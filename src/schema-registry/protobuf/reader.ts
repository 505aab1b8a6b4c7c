/** Goes through the words of a file of Protobuf. */
import { MAX_SCHEMA_DEPTH } from '../limits.ts';
import { InvalidSchema } from '../schema-kind.ts';
import type { ProtoOption } from './model.ts';
import { lineOf, quoted, type Token, tokensOf, unquoted } from './tokens.ts';

const END: Token = { kind: 'end', text: '', at: 0 };
/** Words that open a part of a message when another word, a number or a string follows. */
const OPENINGS = ['message', 'enum', 'extend', 'oneof', 'option', 'extensions', 'reserved'];

export class Reader {
  private readonly text: string;
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(text: string) {
    this.text = text;
    this.tokens = tokensOf(text);
  }

  error(what: string): InvalidSchema {
    return new InvalidSchema(`line ${lineOf(this.text, this.peek().at)}: ${what}`);
  }

  private peek(ahead = 0): Token {
    return this.tokens[this.at + ahead] ?? this.tokens.at(-1) ?? END;
  }

  private next(): Token {
    const token = this.peek();
    this.at++;
    return token;
  }

  isAtEnd(): boolean {
    return this.peek().kind === 'end';
  }

  isAtNumber(): boolean {
    return this.peek().kind === 'number' || this.peek().text === '-';
  }

  takes(text: string): boolean {
    const token = this.peek();
    if (token.text !== text || token.kind === 'string' || token.kind === 'end') return false;
    this.at++;
    return true;
  }

  expect(text: string): void {
    if (!this.takes(text))
      throw this.error(`${JSON.stringify(text)} expected instead of ${JSON.stringify(this.peek().text)}`);
  }

  word(): string {
    const { kind, text } = this.peek();
    if (kind !== 'word') throw this.error(`a name expected instead of ${JSON.stringify(text)}`);
    this.at++;
    return text;
  }

  /** With dots; one in front is kept. */
  name(): string {
    let name = this.takes('.') ? '.' : '';
    name += this.word();
    while (this.takes('.')) name += `.${this.word()}`;
    return name;
  }

  /** Of several strings one behind the other, all. */
  string(): string {
    let text = '';
    do {
      const token = this.peek();
      if (token.kind !== 'string')
        throw this.error(`a string expected instead of ${JSON.stringify(token.text)}`);
      text += unquoted(this.next().text);
    } while (this.peek().kind === 'string');
    return text;
  }

  stringOrWord(): string {
    return this.peek().kind === 'string' ? this.string() : this.word();
  }

  integer(): number {
    const isNegative = this.takes('-');
    const { kind, text } = this.peek();
    const isOctal = /^0[0-7]+$/.test(text);
    const value = isOctal ? Number.parseInt(text, 8) : Number(text);
    if (kind !== 'number' || !Number.isSafeInteger(value)) {
      throw this.error(`a whole number expected instead of ${JSON.stringify(text)}`);
    }
    this.at++;
    return isNegative ? -value : value;
  }

  /** The word that opens a part, if it is not the type of a field or the name of a value. */
  opening(): string | undefined {
    const { text, kind } = this.peek();
    if (kind !== 'word' || !OPENINGS.includes(text)) return undefined;
    const next = this.peek(1).text;
    if (next === '=' || next === '.') return undefined;
    // `option name = 1;` is an option, whatever types are called.
    return text === 'option' || this.peek(2).text !== '=' ? text : undefined;
  }

  /** In front of a type; without one behind it, it is a type itself. */
  takesLabel(label: string): boolean {
    if (this.peek().text !== label || this.peek().kind !== 'word') return false;
    const next = this.peek(1);
    if (next.kind !== 'word' && next.text !== '.') return false;
    if (next.kind === 'word' && this.peek(2).text === '=') return false;
    this.at++;
    return true;
  }

  /** `group Name = 1 {`. */
  takesGroup(): boolean {
    if (this.peek().text !== 'group' || this.peek(1).kind !== 'word' || this.peek(2).text !== '=')
      return false;
    const behind = this.peek(4).text;
    if (behind !== '{' && behind !== '[') return false;
    // With options in between, the brace comes behind them.
    if (behind === '[') {
      let ahead = 5;
      while (this.peek(ahead).kind !== 'end' && this.peek(ahead).text !== ']') ahead++;
      if (this.peek(ahead + 1).text !== '{') return false;
    }
    this.at++;
    return true;
  }

  takesStream(): boolean {
    if (this.peek().text !== 'stream' || this.peek(1).text === ')') return false;
    if (this.peek(1).text === '.' && this.peek(2).kind === 'word' && this.peek(1).at === this.peek().at + 6)
      return false;
    this.at++;
    return true;
  }

  /** Up to the closing bracket; the opening one has been read. */
  options(): ProtoOption[] {
    const options: ProtoOption[] = [];
    do options.push(this.option());
    while (this.takes(','));
    this.expect(']');
    return options;
  }

  option(): ProtoOption {
    let name = this.optionPart();
    while (this.takes('.')) name += `.${this.optionPart()}`;
    this.expect('=');
    return { name, value: this.value(0) };
  }

  private optionPart(): string {
    if (!this.takes('(')) return this.word();
    const name = this.name();
    this.expect(')');
    return `(${name})`;
  }

  private value(depth: number): string {
    if (depth > MAX_SCHEMA_DEPTH) throw this.error('an option is nested too deep');
    const { kind, text } = this.peek();
    if (kind === 'string') return quoted(this.string());
    if (text === '{' || text === '<') return this.aggregate(depth);
    if (text === '[') {
      this.next();
      const items: string[] = [];
      while (!this.takes(']')) {
        items.push(this.value(depth + 1));
        this.takes(',');
      }
      return `[${items.join(', ')}]`;
    }
    const sign = this.takes('-') ? '-' : '';
    const token = this.peek();
    if (token.kind === 'number') return sign + this.next().text;
    return sign + this.name();
  }

  /** A message as text. */
  private aggregate(depth: number): string {
    const close = this.next().text === '{' ? '}' : '>';
    const parts: string[] = [];
    while (!this.takes(close)) {
      const name = this.takes('[') ? this.extensionName() : this.word();
      // Needless in front of a message.
      this.takes(':');
      parts.push(`${name}: ${this.value(depth + 1)}`);
      if (!this.takes(',')) this.takes(';');
    }
    return `{ ${parts.join(', ')} }`;
  }

  private extensionName(): string {
    let name = this.name();
    if (this.takes('/')) name += `/${this.name()}`;
    this.expect(']');
    return `[${name}]`;
  }
}
