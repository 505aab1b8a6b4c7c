/**
 * Entries of the log, in the form in which other registries keep theirs in the topic `_schemas`: a log that was copied from
 * one of them is understood, and what is read here by their tools as well. One kind is our own: the highest identifier that
 * was given, once the schema that had it is gone.
 */

import { createHash } from 'node:crypto';
import { COMPATIBILITY_LEVELS } from '../config/schema-registry-schema.ts';
import {
  type CompatibilityLevel,
  MODES,
  type Mode,
  type Reference,
  type SchemaContent,
  type SubjectConfig,
  type SubjectVersion,
} from './entities.ts';
import {
  isArray,
  isObject,
  isText,
  type Json,
  type JsonObject,
  numberOf,
  parseJson,
  printJson,
  toJson,
} from './json.ts';
import { SCHEMA_TYPES } from './schema-kind.ts';
import type { LogEntry } from './schema-log.ts';
import { GLOBAL } from './subject-name.ts';

export type Change =
  | { readonly kind: 'schema'; readonly version: SubjectVersion }
  | { readonly kind: 'no-schema'; readonly subject: string; readonly version: number }
  /** All versions up to this one are deleted softly. */
  | { readonly kind: 'delete-subject'; readonly subject: string; readonly version: number }
  | { readonly kind: 'config'; readonly scope: string; readonly config: SubjectConfig | undefined }
  | { readonly kind: 'mode'; readonly scope: string; readonly mode: Mode | undefined }
  | { readonly kind: 'highest-id'; readonly context: string; readonly id: number };

const text = (value: unknown): string => printJson(toJson(value));
const keyOf = (keytype: string, rest: object, magic: number): string => text({ keytype, ...rest, magic });

/** The newest entry stays in force until there is another. */
export const forgetDeletion = (subject: string): LogEntry => ({
  key: keyOf('DELETE_SUBJECT', { subject }, 0),
  value: null,
});

export function encodeChange(change: Change): LogEntry {
  switch (change.kind) {
    case 'schema': {
      const { subject, version, schema, isDeleted } = change.version;
      return {
        key: keyOf('SCHEMA', { subject, version }, 1),
        value: text({
          subject,
          version,
          id: schema.id,
          guid: schema.guid,
          ...contentMembers(schema),
          schema: schema.text,
          deleted: isDeleted,
        }),
      };
    }
    case 'no-schema': {
      const { subject, version } = change;
      return { key: keyOf('SCHEMA', { subject, version }, 1), value: null };
    }
    case 'delete-subject': {
      const { subject, version } = change;
      return { key: keyOf('DELETE_SUBJECT', { subject }, 0), value: text({ subject, version }) };
    }
    case 'config':
      return {
        key: keyOf('CONFIG', { subject: change.scope === GLOBAL ? null : change.scope }, 0),
        value: change.config === undefined ? null : text(change.config),
      };
    case 'mode':
      return {
        key: keyOf('MODE', { subject: change.scope === GLOBAL ? null : change.scope }, 0),
        value: change.mode === undefined ? null : text({ mode: change.mode }),
      };
    case 'highest-id':
      return { key: keyOf('HIGHEST_ID', { context: change.context }, 0), value: text({ id: change.id }) };
  }
}

/** What entries and answers have of a schema besides its text, its type left out where it is AVRO. */
export function contentMembers(schema: SchemaContent): Readonly<Record<string, unknown>> {
  return {
    schemaType: schema.type === 'AVRO' ? undefined : schema.type,
    references: schema.references.length === 0 ? undefined : schema.references,
    metadata: schema.metadata,
    ruleSet: schema.ruleSet,
  };
}

/** undefined for what changes nothing here. Throws where the entry is damaged. */
export function decodeChange({ key, value }: LogEntry): Change | undefined {
  const of = objectOf(key);
  const subject = of.get('subject');
  const scope = isText(subject) ? subject : GLOBAL;
  const members = value === null ? undefined : objectOf(value);
  switch (of.get('keytype')) {
    case 'SCHEMA': {
      const version = whole(of, 'version');
      if (!isText(subject)) throw new Error('a schema without a subject');
      if (members === undefined) return { kind: 'no-schema', subject, version };
      return { kind: 'schema', version: versionOf(subject, version, members) };
    }
    case 'DELETE_SUBJECT':
      if (!isText(subject)) throw new Error('a deletion without a subject');
      return members && { kind: 'delete-subject', subject, version: whole(members, 'version') };
    case 'CONFIG':
      return { kind: 'config', scope, config: members && configOf(members) };
    case 'MODE':
      return { kind: 'mode', scope, mode: members && MODES.find((mode) => mode === members.get('mode')) };
    case 'HIGHEST_ID': {
      const context = of.get('context');
      return members && isText(context)
        ? { kind: 'highest-id', context, id: whole(members, 'id') }
        : undefined;
    }
  }
  return undefined;
}

function objectOf(json: string): JsonObject {
  const value = parseJson(json);
  if (!isObject(value)) throw new Error('not an object');
  return value;
}

function whole(of: JsonObject, name: string): number {
  const value = numberOf(of.get(name));
  if (value === undefined || !Number.isSafeInteger(value)) throw new Error(`"${name}" is not a number`);
  return value;
}

function versionOf(subject: string, version: number, members: JsonObject): SubjectVersion {
  const schema = members.get('schema');
  if (!isText(schema)) throw new Error('a schema without text');
  const type = SCHEMA_TYPES.find((type) => type === (members.get('schemaType') ?? 'AVRO'));
  if (type === undefined) throw new Error('a schema of an unknown type');
  const content: SchemaContent = {
    type,
    text: schema,
    references: referencesOf(members.get('references')),
    metadata: members.get('metadata') ?? undefined,
    ruleSet: members.get('ruleSet') ?? undefined,
  };
  const guid = members.get('guid');
  return {
    subject,
    version,
    isDeleted: members.get('deleted') === true,
    schema: {
      ...content,
      id: whole(members, 'id'),
      guid: isText(guid) ? guid : guidOf(content, content.text),
    },
  };
}

function referencesOf(value: Json | undefined): readonly Reference[] {
  if (!isArray(value)) return [];
  return value.filter(isObject).map((reference) => {
    const name = reference.get('name');
    const subject = reference.get('subject');
    if (!isText(name) || !isText(subject)) throw new Error('a reference without a name or a subject');
    return { name, subject, version: whole(reference, 'version') };
  });
}

function configOf(members: JsonObject): SubjectConfig {
  const level = COMPATIBILITY_LEVELS.find(
    (level): level is CompatibilityLevel => level === members.get('compatibilityLevel'),
  );
  const normalize = members.get('normalize');
  const group = members.get('compatibilityGroup');
  return {
    ...(level !== undefined && { compatibilityLevel: level }),
    ...(typeof normalize === 'boolean' && { normalize }),
    ...(isText(group) && { compatibilityGroup: group }),
  };
}

/** From everything that makes a schema what it is, so that the same schema has the same one everywhere. */
export function guidOf({ type, references, metadata, ruleSet }: SchemaContent, identity: string): string {
  const sorted = references.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const rest = printJson(toJson({ type, references: sorted, metadata, ruleSet }), true);
  const hash = createHash('sha256').update(rest).update('\0').update(identity).digest().subarray(0, 16);
  // A UUID of version 8: one by rules of its own.
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x80, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = hash.toString('hex');
  return [8, 12, 16, 20, 32].map((end, i) => hex.slice([0, 8, 12, 16, 20][i], end)).join('-');
}
