/**
 * What an operation takes and gives, said once: a schema has a JSON Schema for people and tools, the static type, how a
 * value is read out of JSON that somebody sent, and, where it can come from a path or a query, out of text. What is read is
 * rebuilt from the fields that are known: nothing else of it gets any further.
 */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A value that does not fit. The message names the place in it. */
export class SchemaFault extends Error {
  override readonly name = 'SchemaFault';
}

export interface Schema<T> {
  readonly json: JsonSchema;
  /** Throws a SchemaFault. `at` names the value. */
  readonly fromJson: (value: unknown, at: string) => T;
  /** Undefined when the text is not one. Missing where such a value is never written as text. */
  readonly fromText?: (text: string) => T | undefined;
}

export interface TextSchema<T> extends Schema<T> {
  readonly fromText: (text: string) => T | undefined;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;
type Fields = Readonly<Record<string, Schema<unknown>>>;
type ObjectOf<F extends Fields> = { readonly [K in keyof F]: Infer<F[K]> };

/** Names that clients chose go up to 64 KiB, and some are put together from two. */
const MAX_TEXT = 200_000;

const fault = (at: string, expected: string): SchemaFault => new SchemaFault(`${at} must be ${expected}`);

export function string(
  description: string,
  { maxLength = MAX_TEXT, isSecret = false }: { maxLength?: number; isSecret?: boolean } = {},
): TextSchema<string> {
  return {
    json: { type: 'string', maxLength, description, ...(isSecret ? { writeOnly: true } : {}) },
    fromText: (text) => (text.length <= maxLength ? text : undefined),
    fromJson(value, at) {
      if (typeof value === 'string' && value.length <= maxLength) return value;
      throw fault(at, `a string of at most ${maxLength} characters`);
    },
  };
}

export function integer(
  description: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {},
): TextSchema<number> {
  const fits = (value: number): boolean => Number.isInteger(value) && value >= min && value <= max;
  return {
    json: { type: 'integer', minimum: min, maximum: max, description },
    fromText(text) {
      const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
      return fits(value) && !Object.is(value, -0) ? value : undefined;
    },
    fromJson(value, at) {
      if (typeof value === 'number' && fits(value)) return value;
      throw fault(at, `a whole number from ${min} to ${max}`);
    },
  };
}

export function boolean(description: string): TextSchema<boolean> {
  return {
    json: { type: 'boolean', description },
    fromText: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
    fromJson(value, at) {
      if (typeof value === 'boolean') return value;
      throw fault(at, 'true or false');
    },
  };
}

export function oneOf<const T extends string>(values: readonly T[], description: string): TextSchema<T> {
  return {
    json: { type: 'string', enum: values, description },
    fromText: (text) => values.find((value) => value === text),
    fromJson(value, at) {
      const known = values.find((each) => each === value);
      if (known !== undefined) return known;
      throw fault(at, `one of ${values.join(', ')}`);
    },
  };
}

/** A field that is always there, and null where it has no value. */
export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return {
    json: { anyOf: [schema.json, { type: 'null' }] },
    fromJson: (value, at) => (value === null ? null : schema.fromJson(value, at)),
  };
}

export function list<T>(
  schema: Schema<T>,
  description: string,
  { maxItems = 10_000 }: { maxItems?: number } = {},
): Schema<readonly T[]> {
  return {
    json: { type: 'array', items: schema.json, maxItems, description },
    fromJson(value, at) {
      if (!Array.isArray(value) || value.length > maxItems) {
        throw fault(at, `a list of at most ${maxItems} items`);
      }
      return value.map((item, i) => schema.fromJson(item, `${at}[${i}]`));
    },
  };
}

/** Names are the caller's own; values all of one kind. */
export function record<T>(
  schema: Schema<T>,
  description: string,
  { maxEntries = 1000 }: { maxEntries?: number } = {},
): Schema<Readonly<Record<string, T>>> {
  return {
    json: { type: 'object', additionalProperties: schema.json, maxProperties: maxEntries, description },
    fromJson(value, at) {
      const entries = Object.entries(plainObject(value, at));
      if (entries.length > maxEntries) throw fault(at, `an object of at most ${maxEntries} fields`);
      const result: Record<string, T> = Object.create(null) as Record<string, T>;
      for (const [name, each] of entries) result[name] = schema.fromJson(each, `${at}.${name}`);
      return result;
    },
  };
}

/** Fields that may be missing are in `optional`. */
export function object<F extends Fields, const O extends Fields = Record<never, never>>(
  fields: F,
  optional?: O,
): Schema<ObjectOf<F> & Partial<ObjectOf<O>>> {
  const all: ReadonlyMap<string, Schema<unknown>> = new Map(Object.entries({ ...fields, ...optional }));
  const properties = Object.fromEntries([...all].map(([name, { json }]) => [name, json]));
  const required = Object.keys(fields);
  return {
    json: { type: 'object', properties, required, additionalProperties: false },
    fromJson(value, at) {
      const given = plainObject(value, at);
      const read: Record<string, unknown> = {};
      for (const name of Object.keys(given)) {
        const schema = all.get(name);
        if (schema === undefined) {
          throw new SchemaFault(
            `${at} has no field ${JSON.stringify(name)}; there are ${[...all.keys()].join(', ')}`,
          );
        }
        read[name] = schema.fromJson(given[name], `${at}.${name}`);
      }
      const missing = required.find((name) => !Object.hasOwn(given, name));
      if (missing !== undefined) throw new SchemaFault(`${at}.${missing} is missing`);
      return read as ObjectOf<F> & Partial<ObjectOf<O>>;
    },
  };
}

function plainObject(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw fault(at, 'an object');
}
