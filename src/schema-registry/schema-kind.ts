/** What a kind of schema has to do for the registry: the seam between the registry and Avro, JSON Schema, Protobuf. */
export const SCHEMA_TYPES = ['AVRO', 'JSON', 'PROTOBUF'] as const;
export type SchemaType = (typeof SCHEMA_TYPES)[number];

/** A schema that another refers to by a name. */
export interface Referred {
  readonly name: string;
  readonly text: string;
}

/** In what way a reader does not take what a writer may write. */
export interface Difference {
  /** As other registries call it. */
  readonly type: string;
  readonly path: string;
  /** A sentence with `{reader}` and `{writer}` where the schemas are named. */
  readonly description: string;
  readonly info?: string;
}

export interface ParsedSchema {
  /** As it is kept and given out. */
  readonly text: string;
  /** The same for schemas that differ only in what has no meaning. */
  readonly normalized: string;
  /** Schemas with the same identity are one schema. */
  readonly identity: string;
  /** In another format, where the kind has it. */
  formatted?(format: string): string | undefined;
}

export interface SchemaKind<Parsed extends ParsedSchema = ParsedSchema> {
  readonly type: SchemaType;
  /** Each of `references` comes behind those that it refers to. Throws InvalidSchema. */
  parse(text: string, references: readonly Referred[]): Parsed;
  /** Throws InvalidSchema where the two are too intricate to compare. */
  differences(reader: Parsed, writer: Parsed): readonly Difference[];
}

export class InvalidSchema extends Error {}

/** Comparing costs one for each pair of parts; schemas that need more are refused, since others wait meanwhile. */
export const MAX_COMPARISONS = 200_000;
/** Types within types, over all schemas that one refers to. */
export const MAX_COMPARISON_DEPTH = 500;
