/** Words of a selector. Keywords are upper-cased; whatever else is a name keeps its case. */
export type Token =
  | {
      readonly kind: 'name' | 'keyword' | 'sign' | 'string' | 'end';
      readonly text: string;
      readonly at: number;
    }
  | { readonly kind: 'number'; readonly value: number; readonly text: string; readonly at: number };

export class SelectorError extends Error {
  readonly at: number;

  constructor(reason: string, at: number) {
    super(reason);
    this.at = at;
  }
}

const KEYWORDS = new Set('AND OR NOT BETWEEN IN LIKE ESCAPE IS NULL TRUE FALSE'.split(' '));
const WORD =
  /\s+|([A-Za-z_$][\w$.]*)|((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|'((?:[^']|'')*)'|(<>|<=|>=|[=<>()+\-*/,])/y;

export function tokens(text: string, maxTokens: number): Token[] {
  const found: Token[] = [];
  const word = new RegExp(WORD);
  while (word.lastIndex < text.length) {
    const at = word.lastIndex;
    const match = word.exec(text);
    if (match === null) throw new SelectorError('unexpected character', at);
    const [, name, number, string, sign] = match;
    if (name !== undefined) {
      const upper = name.toUpperCase();
      found.push(
        KEYWORDS.has(upper) ? { kind: 'keyword', text: upper, at } : { kind: 'name', text: name, at },
      );
    } else if (number !== undefined) found.push({ kind: 'number', value: Number(number), text: number, at });
    else if (string !== undefined) found.push({ kind: 'string', text: string.replaceAll("''", "'"), at });
    else if (sign !== undefined) found.push({ kind: 'sign', text: sign, at });
    if (found.length > maxTokens) throw new SelectorError('too long', at);
  }
  found.push({ kind: 'end', text: '', at: text.length });
  return found;
}
