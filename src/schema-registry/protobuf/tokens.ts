/** Words of a file of Protobuf. */
import { InvalidSchema } from '../schema-kind.ts';

export interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'symbol' | 'end';
  /** As it is written. */
  readonly text: string;
  readonly at: number;
}

const SKIPPED = /(?:[\s\uFEFF]+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const TOKENS: readonly (readonly [Token['kind'], RegExp])[] = [
  ['word', /[A-Za-z_]\w*/y],
  ['number', /(?:0[xX][\da-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[fF]?)/y],
  ['string', /"(?:[^"\\\n\0]|\\[^\n\0])*"|'(?:[^'\\\n\0]|\\[^\n\0])*'/y],
  ['symbol', /[;{}=()[\],<>.:+\-/]/y],
];

export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const matched = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? '';
    at += found.length;
    return found;
  };
  for (;;) {
    matched(SKIPPED);
    if (at >= text.length) break;
    const start = at;
    for (const [kind, pattern] of TOKENS) {
      const found = matched(pattern);
      if (found === '') continue;
      tokens.push({ kind, text: found, at: start });
      break;
    }
    if (at === start)
      throw new InvalidSchema(`line ${lineOf(text, at)}: ${JSON.stringify(text[at])} is nothing of Protobuf`);
  }
  tokens.push({ kind: 'end', text: '', at });
  return tokens;
}

export const lineOf = (text: string, at: number): number => text.slice(0, at).split('\n').length;

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** What a string in quotes stands for. */
export function unquoted(text: string): string {
  return text
    .slice(1, -1)
    .replace(
      /\\(?:([0-7]{1,3})|[xX]([\da-fA-F]{1,2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g,
      (_all, octal?: string, hex?: string, short?: string, long?: string, letter?: string) => {
        if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 255);
        if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
        const point = short ?? long;
        if (point !== undefined) return String.fromCodePoint(Math.min(Number.parseInt(point, 16), 0x10ffff));
        return ESCAPES[letter ?? ''] ?? letter ?? '';
      },
    );
}

export const quoted = (text: string): string =>
  `"${text.replace(/[\0-\x1f"\\\x7f]/g, (character) =>
    character === '"' || character === '\\'
      ? `\\${character}`
      : `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )}"`;
