/** Schemas of the registry as definitions: with identifiers and versions, and the settings of subjects. */
import {
  boolean,
  type Infer,
  integer,
  list,
  object,
  oneOf,
  type Schema,
  SchemaFault,
  string,
} from '../admin/schema.ts';
import { COMPATIBILITY_LEVELS } from '../config/schema-registry-schema.ts';
import { MODES, type SubjectVersion } from '../schema-registry/entities.ts';
import { type Json, parseJson, printJson } from '../schema-registry/json.ts';
import { SCHEMA_TYPES } from '../schema-registry/schema-kind.ts';
import { type RegistryTransfer, type ScopeSettings, scopeFault } from '../schema-registry/transfer.ts';
import type { Section } from './section.ts';

const MAX_NUMBER = 2 ** 31 - 1;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const CONTEXT = /^\.[^:]*$/;

const text = (description: string, maxLength: number) => string(description, { maxLength });
const number = (description: string) => integer(description, { min: 1, max: MAX_NUMBER });

function matching(pattern: RegExp, expected: string): Schema<string> {
  const { json, fromJson } = text(expected, 1000);
  return {
    json,
    fromJson(value, at) {
      const given = fromJson(value, at);
      if (pattern.test(given)) return given;
      throw new SchemaFault(`${at} must be ${expected}`);
    },
  };
}

/** Kept for clients, which know what is in it. */
const opaque: Schema<Readonly<Record<string, unknown>>> = {
  json: { type: 'object' },
  fromJson(value, at) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
    throw new SchemaFault(`${at} must be an object`);
  },
};

const schema = object(
  {
    subject: text('Subject, with its context if that is not the default.', 2000),
    version: number('Version.'),
    id: number('Identifier within the context.'),
    guid: matching(UUID, 'an identifier of the form 8-4-4-4-12'),
    type: oneOf(SCHEMA_TYPES, 'Type.'),
    schema: text('The schema.', 4 * 1024 * 1024),
    references: list(
      object({ name: text('Name.', 10_000), subject: text('Subject.', 2000), version: number('Version.') }),
      'What it refers to.',
      { maxItems: 1000 },
    ),
    deleted: boolean('Whether it was deleted, though not for good.'),
  },
  { metadata: opaque, ruleSet: opaque },
);
export type SchemaItem = Infer<typeof schema>;

const plain = (json: Json): Readonly<Record<string, unknown>> =>
  JSON.parse(printJson(json)) as Readonly<Record<string, unknown>>;

const shown = ({ subject, version, isDeleted, schema: of }: SubjectVersion): SchemaItem => ({
  subject,
  version,
  id: of.id,
  guid: of.guid,
  type: of.type,
  schema: of.text,
  references: of.references,
  ...(of.metadata === undefined ? {} : { metadata: plain(of.metadata) }),
  ...(of.ruleSet === undefined ? {} : { ruleSet: plain(of.ruleSet) }),
  deleted: isDeleted,
});

export const versionFrom = (item: SchemaItem): SubjectVersion => ({
  subject: item.subject,
  version: item.version,
  isDeleted: item.deleted,
  schema: {
    id: item.id,
    guid: item.guid,
    type: item.type,
    text: item.schema,
    references: item.references,
    metadata: item.metadata === undefined ? undefined : parseJson(JSON.stringify(item.metadata)),
    ruleSet: item.ruleSet === undefined ? undefined : parseJson(JSON.stringify(item.ruleSet)),
  },
});

/** Looked at with all that comes together with it: what a schema refers to may come in the same document. */
export function schemaSection(transfer: RegistryTransfer): Section<SchemaItem> {
  let judged: ReturnType<RegistryTransfer['judge']> | undefined;
  return {
    name: 'schemas',
    maxCount: transfer.limits.maxVersions,
    schema,
    keyOf: ({ subject, version }) => `${subject} v${version}`,
    meaningOf: (item) => item,
    faultOf(item, world) {
      judged ??= transfer.judge(world.coming<SchemaItem>('schemas').map(versionFrom), world.isOldKept);
      return judged(versionFrom(item));
    },
    *current() {
      for (const version of transfer.versions()) yield shown(version);
    },
  };
}

const settings = object(
  { scope: text("Subject, a context as a whole, or '' for all.", 2000) },
  {
    compatibility: oneOf(COMPATIBILITY_LEVELS, 'What a new version has to be.'),
    normalize: boolean('Whether schemas are normalized without being asked.'),
    compatibilityGroup: text('Property of metadata by which versions are compared.', 1000),
    mode: oneOf(MODES, 'What may be done.'),
  },
);
export type SchemaSettingsItem = Infer<typeof settings>;

const shownSettings = ({ scope, config, mode }: ScopeSettings): SchemaSettingsItem => ({
  scope,
  ...(config?.compatibilityLevel === undefined ? {} : { compatibility: config.compatibilityLevel }),
  ...(config?.normalize === undefined ? {} : { normalize: config.normalize }),
  ...(config?.compatibilityGroup === undefined ? {} : { compatibilityGroup: config.compatibilityGroup }),
  ...(mode === undefined ? {} : { mode }),
});

export function settingsFrom({ scope, compatibility, mode, ...rest }: SchemaSettingsItem): ScopeSettings {
  const config = { ...rest, ...(compatibility === undefined ? {} : { compatibilityLevel: compatibility }) };
  return { scope, config: Object.keys(config).length === 0 ? undefined : config, mode };
}

export const schemaSettingsSection = (transfer: RegistryTransfer): Section<SchemaSettingsItem> => ({
  name: 'schemaSettings',
  maxCount: transfer.limits.maxSettings,
  schema: settings,
  keyOf: ({ scope }) => scope,
  meaningOf: (item) => item,
  faultOf: (item) => scopeFault(settingsFrom(item), transfer.limits),
  *current() {
    for (const each of transfer.settings()) yield shownSettings(each);
  },
});

const context = object({
  context: matching(CONTEXT, 'the name of a context, which begins with a point'),
  highestId: integer('Identifiers up to this one were given.', { max: MAX_NUMBER }),
});
export type SchemaContextItem = Infer<typeof context>;

/** So that identifiers of schemas that are gone are not given again. The higher one counts: two are never in conflict. */
export const schemaContextSection = (transfer: RegistryTransfer): Section<SchemaContextItem> => ({
  name: 'schemaContexts',
  schema: context,
  keyOf: (item) => item.context,
  meaningOf: (item) => item,
  faultOf: () => undefined,
  merge: {
    covers: (old, item) => old.highestId >= item.highestId,
  },
  *current() {
    for (const [name, highestId] of transfer.highestIds()) yield { context: name, highestId };
  },
});
