/**
 * JSON as schemas need it: numbers stay as they are written, members keep their order and are never properties of an
 * object of the language, nesting is bounded. A name that stands twice in an object is an error: who reads which of the two
 * would be anyone's guess.
 */
export type Json = null | boolean | string | JsonNumber | readonly Json[] | JsonObject;
export interface JsonNumber {
  readonly digits: string;
}
export type JsonObject = ReadonlyMap<string, Json>;

export class JsonError extends Error {}

export const isObject = (value: Json | undefined): value is JsonObject => value instanceof Map;
export const isArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
export const isNumber = (value: Json | undefined): value is JsonNumber =>
  typeof value === 'object' && value !== null && !isArray(value) && !isObject(value);
export const isText = (value: Json | undefined): value is string => typeof value === 'string';

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\r\n]*/y;
/** Up to a quote or a backslash. */
const PLAIN = /[^"\\]*/y;
const WORDS: readonly (readonly [string, Json])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class Reader {
  private readonly text: string;
  private readonly maxDepth: number;
  private at = 0;
  private depth = 0;

  constructor(text: string, maxDepth: number) {
    this.text = text;
    this.maxDepth = maxDepth;
  }

  document(): Json {
    const value = this.value();
    this.space();
    if (this.at !== this.text.length) throw this.error('more than one value');
    return value;
  }

  private error(what: string): JsonError {
    return new JsonError(`not JSON: ${what} at character ${this.at}`);
  }

  private matched(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.at += found.length;
    return found;
  }

  private space(): void {
    this.matched(SPACE);
  }

  private takes(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private value(): Json {
    this.space();
    switch (this.text[this.at]) {
      case '{':
        return this.nested(() => this.object());
      case '[':
        return this.nested(() => this.array());
      case '"':
        return this.string();
    }
    for (const [word, value] of WORDS) {
      if (!this.text.startsWith(word, this.at)) continue;
      this.at += word.length;
      return value;
    }
    const digits = this.matched(NUMBER);
    if (digits === '') throw this.error('no value');
    return { digits };
  }

  private nested<T>(read: () => T): T {
    if (++this.depth > this.maxDepth) throw this.error(`nested deeper than ${this.maxDepth}`);
    this.at++;
    const value = read();
    this.depth--;
    return value;
  }

  private object(): JsonObject {
    const members = new Map<string, Json>();
    if (this.takes('}')) return members;
    do {
      this.space();
      if (this.text[this.at] !== '"') throw this.error('no name');
      const name = this.string();
      if (members.has(name)) throw this.error(`the name ${JSON.stringify(name)} twice`);
      if (!this.takes(':')) throw this.error('no colon');
      members.set(name, this.value());
    } while (this.takes(','));
    if (!this.takes('}')) throw this.error('an object without end');
    return members;
  }

  private array(): readonly Json[] {
    const items: Json[] = [];
    if (this.takes(']')) return items;
    do items.push(this.value());
    while (this.takes(','));
    if (!this.takes(']')) throw this.error('an array without end');
    return items;
  }

  private string(): string {
    const start = this.at++;
    for (;;) {
      this.matched(PLAIN);
      const end = this.text[this.at++];
      if (end === '"') break;
      if (end === undefined) throw this.error('a string without end');
      this.at++;
    }
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      throw this.error('a string that is none');
    }
  }
}

export const MAX_JSON_DEPTH = 200;

/** Throws JsonError. */
export function parseJson(text: string, maxDepth = MAX_JSON_DEPTH): Json {
  return new Reader(text, maxDepth).document();
}

/** Without any space. `sorted`: members in the order of their names, numbers in one form. */
export function printJson(value: Json, sorted = false): string {
  if (isArray(value)) return `[${value.map((item) => printJson(item, sorted)).join(',')}]`;
  if (isObject(value)) {
    const members = [...value];
    if (sorted) members.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${printJson(member, sorted)}`).join(',')}}`;
  }
  if (isNumber(value)) return sorted ? plainNumber(value) : value.digits;
  return JSON.stringify(value);
}

/** The same for 1, 1.0 and 10e-1. */
function plainNumber({ digits }: JsonNumber): string {
  if (/^-?\d+$/.test(digits)) return digits === '-0' ? '0' : digits;
  const value = Number(digits);
  if (!Number.isFinite(value)) return digits;
  return Number.isInteger(value) ? BigInt(value).toString() : String(value);
}

export const sameJson = (a: Json, b: Json): boolean => printJson(a, true) === printJson(b, true);

/** What the names of the language make of it; for small things such as metadata of requests. */
export function numberOf(value: Json | undefined): number | undefined {
  return isNumber(value) ? Number(value.digits) : undefined;
}

/** From values of the language; members that are undefined are left out. */
export function toJson(value: unknown): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') return { digits: String(value) };
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Map) return value as JsonObject;
  const members = new Map<string, Json>();
  for (const [name, member] of Object.entries(value as object)) {
    if (member !== undefined) members.set(name, isJsonNumber(member) ? member : toJson(member));
  }
  return members;
}

const isJsonNumber = (value: unknown): value is JsonNumber =>
  typeof value === 'object' && value !== null && 'digits' in value && typeof value.digits === 'string';
