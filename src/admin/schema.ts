/**
 * What an operation takes and gives, said once: a schema has a JSON Schema for people and tools, the static type, and,
 * where a value can come from a path or a query, how its text is read.
 */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Schema<T> {
  readonly json: JsonSchema;
  /** Undefined when the text is not one. Missing where such a value is never written as text. */
  readonly fromText?: (text: string) => T | undefined;
}

export interface TextSchema<T> extends Schema<T> {
  readonly fromText: (text: string) => T | undefined;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;
type Fields = Readonly<Record<string, Schema<unknown>>>;
type ObjectOf<F extends Fields> = { readonly [K in keyof F]: Infer<F[K]> };

export function string(description: string): TextSchema<string> {
  return { json: { type: 'string', description }, fromText: (text) => text };
}

export function integer(
  description: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {},
): TextSchema<number> {
  return {
    json: { type: 'integer', minimum: min, maximum: max, description },
    fromText(text) {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

export function boolean(description: string): TextSchema<boolean> {
  return {
    json: { type: 'boolean', description },
    fromText: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
  };
}

export function oneOf<const T extends string>(values: readonly T[], description: string): TextSchema<T> {
  return {
    json: { type: 'string', enum: values, description },
    fromText: (text) => values.find((value) => value === text),
  };
}

/** A field that is always there, and null where it has no value. */
export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return { json: { anyOf: [schema.json, { type: 'null' }] } };
}

export function list<T>(schema: Schema<T>, description: string): Schema<readonly T[]> {
  return { json: { type: 'array', items: schema.json, description } };
}

/** Fields that may be missing are in `optional`. */
export function object<F extends Fields, const O extends Fields = Record<never, never>>(
  fields: F,
  optional?: O,
): Schema<ObjectOf<F> & Partial<ObjectOf<O>>> {
  const properties = Object.fromEntries(
    Object.entries({ ...fields, ...optional }).map(([name, { json }]) => [name, json]),
  );
  return { json: { type: 'object', properties, required: Object.keys(fields), additionalProperties: false } };
}
