/**
 * What a configuration schema is made of: sections of typed leaves, each with a default and a description. The
 * static type of a schema is that of the value it normalizes to (`Static`).
 *
 * A hand-made kit because the walk over it (positions, nearest keys, units, provenance) is ours in any case, and
 * the start of a broker must not wait for a schema library to load.
 */

export type Scalar = boolean | number | string;

/** When a change of a key counts that a running node reads: at once, for connections made from then on, after a restart. */
export type Effect = 'live' | 'new-connections' | 'restart';

interface Described {
  readonly description: string;
  /** Of a section: what its keys have that say nothing. Without any it is a restart. */
  readonly effect?: Effect;
}

export interface BooleanLeaf extends Described {
  readonly kind: 'boolean';
  readonly fallback: boolean;
}

export interface NumberLeaf<T extends number = number> extends Described {
  readonly kind: 'number';
  readonly fallback: T;
  /** What a plain number counts, and which unit spellings are accepted. */
  readonly unit: 'count' | 'ms' | 's' | 'bytes';
  readonly min: number;
  readonly max: number;
  /** Words accepted in place of a number. */
  readonly words: Readonly<Record<string, number>>;
}

export interface StringLeaf extends Described {
  readonly kind: 'string';
  readonly fallback: string;
  /** Never printed, never repeated in an error. */
  readonly secret: boolean;
  readonly maxLength: number;
  readonly expected: string;
  readonly accepts: (text: string) => boolean;
}

export interface ChoiceLeaf<T extends Scalar = Scalar> extends Described {
  readonly kind: 'choice';
  readonly fallback: T;
  readonly choices: readonly T[];
}

export interface ListLeaf<I extends Leaf | Section = Leaf | Section> extends Described {
  readonly kind: 'list';
  readonly fallback: readonly never[];
  readonly item: I;
  readonly maxItems: number;
}

export interface Section<F extends Fields = Fields> extends Described {
  readonly kind: 'section';
  readonly fields: F;
}

export type Leaf = BooleanLeaf | NumberLeaf | StringLeaf | ChoiceLeaf | ListLeaf;
export type SchemaNode = Leaf | Section;
export interface Fields {
  readonly [name: string]: SchemaNode;
}

export type Static<N> =
  N extends Section<infer F>
    ? { readonly [K in keyof F]: Static<F[K]> }
    : N extends ListLeaf<infer I>
      ? readonly Static<I>[]
      : N extends BooleanLeaf
        ? boolean
        : N extends NumberLeaf<infer T>
          ? T
          : N extends ChoiceLeaf<infer T>
            ? T
            : N extends StringLeaf
              ? string
              : never;

interface NumberLimits {
  readonly min?: number;
  readonly max?: number;
  readonly words?: Readonly<Record<string, number>>;
}

function number(
  unit: NumberLeaf['unit'],
  fallback: number,
  description: string,
  limits: NumberLimits,
): NumberLeaf {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, words = {} } = limits;
  return { kind: 'number', unit, fallback, description, min, max, words };
}

export const boolean = (fallback: boolean, description: string): BooleanLeaf => ({
  kind: 'boolean',
  fallback,
  description,
});

export const count = (fallback: number, description: string, limits: NumberLimits = {}): NumberLeaf =>
  number('count', fallback, description, limits);

/** For fields whose name ends in `Ms`. */
export const milliseconds = (fallback: number, description: string, limits: NumberLimits = {}): NumberLeaf =>
  number('ms', fallback, description, limits);

/** For fields whose name ends in `Seconds`. */
export const seconds = (fallback: number, description: string, limits: NumberLimits = {}): NumberLeaf =>
  number('s', fallback, description, limits);

/** For fields whose name ends in `Bytes`. */
export const bytes = (fallback: number, description: string, limits: NumberLimits = {}): NumberLeaf =>
  number('bytes', fallback, description, limits);

interface StringRules {
  readonly secret?: boolean;
  readonly maxLength?: number;
  readonly expected?: string;
  readonly accepts?: (text: string) => boolean;
}

export function string(fallback: string, description: string, rules: StringRules = {}): StringLeaf {
  const { secret = false, maxLength = 4096, expected = 'text', accepts = () => true } = rules;
  return { kind: 'string', fallback, description, secret, maxLength, expected, accepts };
}

export const choice = <const T extends Scalar>(
  choices: readonly T[],
  fallback: NoInfer<T>,
  description: string,
): ChoiceLeaf<T> => ({ kind: 'choice', choices, fallback, description });

export const list = <I extends Leaf | Section>(
  item: I,
  description: string,
  maxItems = 256,
): ListLeaf<I> => ({
  kind: 'list',
  fallback: [],
  item,
  description,
  maxItems,
});

export const section = <const F extends Fields>(description: string, fields: F): Section<F> => ({
  kind: 'section',
  description,
  fields,
});

export const live = <N extends SchemaNode>(node: N): N => ({ ...node, effect: 'live' });

export const forNewConnections = <N extends SchemaNode>(node: N): N => ({
  ...node,
  effect: 'new-connections',
});

/**
 * The name a user writes for a field: units are in the value (`10s`, `1MiB`), so `connectTimeoutMs` is written
 * `connectTimeout`, `maxSessionExpirySeconds` is `maxSessionExpiry`, and `maxPacketBytes` is `maxPacketSize`.
 */
export function writtenName(field: string): string {
  return field.replace(/(?:Ms|Seconds)$/, '').replace(/Bytes$/, 'Size');
}

/** The field of a section that a user's key names. */
export function fieldOf(node: Section, key: string): { name: string; node: SchemaNode } | undefined {
  for (const [name, child] of Object.entries(node.fields)) {
    if (writtenName(name) === key) return { name, node: child };
  }
  return undefined;
}

export const writtenKeys = (node: Section): string[] => Object.keys(node.fields).map(writtenName);
