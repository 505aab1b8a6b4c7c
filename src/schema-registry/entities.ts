/** What a registry keeps. */
import type { COMPATIBILITY_LEVELS } from '../config/schema-registry-schema.ts';
import type { Json } from './json.ts';
import type { SchemaType } from './schema-kind.ts';

export interface Reference {
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

export interface SchemaContent {
  readonly type: SchemaType;
  readonly text: string;
  readonly references: readonly Reference[];
  /** Kept for clients, which know what to do with them; part of what makes a schema another one. */
  readonly metadata: Json | undefined;
  readonly ruleSet: Json | undefined;
}

export interface StoredSchema extends SchemaContent {
  /** Within its context. */
  readonly id: number;
  /** The same for the same schema everywhere. */
  readonly guid: string;
}

export interface SubjectVersion {
  readonly subject: string;
  readonly version: number;
  readonly schema: StoredSchema;
  /** Softly: it is shown to those who ask for it, and its identifier stays valid. */
  readonly isDeleted: boolean;
}

export type CompatibilityLevel = (typeof COMPATIBILITY_LEVELS)[number];

export const MODES = ['READWRITE', 'READONLY', 'READONLY_OVERRIDE', 'IMPORT'] as const;
export type Mode = (typeof MODES)[number];

export interface SubjectConfig {
  readonly compatibilityLevel?: CompatibilityLevel;
  /** Whether schemas are normalized without being asked. */
  readonly normalize?: boolean;
  /** Only versions with the same value of this property in their metadata are compared. */
  readonly compatibilityGroup?: string;
}
