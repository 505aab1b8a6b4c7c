/** How much a registry keeps, and how much work a request may make. */
export interface RegistryLimits {
  readonly maxSchemas: number;
  /** Versions of all subjects together. */
  readonly maxVersions: number;
  readonly maxSubjectLength: number;
  /** Of one schema's text, and of its metadata and rules. */
  readonly maxSchemaBytes: number;
  /** Of all schemas. */
  readonly maxBytes: number;
  readonly maxBodyBytes: number;
  readonly maxReferences: number;
  /** Schemas that one refers to, over all steps. */
  readonly maxResolved: number;
  /** Of all these. */
  readonly maxResolvedCharacters: number;
  readonly maxReferenceDepth: number;
  /** Subjects with settings of their own. */
  readonly maxSettings: number;
}

const MiB = 1024 * 1024;

export const DEFAULT_LIMITS: RegistryLimits = {
  maxSchemas: 100_000,
  maxVersions: 200_000,
  maxSubjectLength: 1000,
  maxSchemaBytes: MiB,
  maxBytes: 256 * MiB,
  maxBodyBytes: MiB,
  maxReferences: 100,
  maxResolved: 500,
  maxResolvedCharacters: 4 * MiB,
  maxReferenceDepth: 32,
  maxSettings: 100_000,
};

/** Nested types, groups, conditions of a schema. */
export const MAX_SCHEMA_DEPTH = 100;
