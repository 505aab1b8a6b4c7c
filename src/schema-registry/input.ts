/** Parameters and members of requests, checked. */
import { COMPATIBILITY_LEVELS } from '../config/schema-registry-schema.ts';
import { MODES, type Mode, type SubjectConfig } from './entities.ts';
import { invalidSchema, RegistryError } from './errors.ts';
import { isArray, isObject, isText, type Json, type JsonObject, numberOf, printJson } from './json.ts';
import type { RegistryLimits } from './limits.ts';
import type { Submission, VersionId } from './registrations.ts';
import { SCHEMA_TYPES } from './schema-kind.ts';
import { type SubjectName, subjectName } from './subject-name.ts';

const MAX_NUMBER = 2 ** 31 - 1;

export function subjectOf(given: string, limits: RegistryLimits): SubjectName {
  const subject = subjectName(given);
  // GLOBAL and EMPTY stand for other things in settings of other registries.
  const isOdd = subject.plain === '' || ['__GLOBAL', '__EMPTY'].includes(subject.plain);
  if (isOdd || given.length > limits.maxSubjectLength || /[\0-\x1f\x7f]/.test(given)) {
    throw new RegistryError(42208, `The specified subject '${given.slice(0, 100)}' is not a valid.`);
  }
  return subject;
}

/** Of settings: a subject, or a context as a whole. */
export function scopeOf(given: string, limits: RegistryLimits): string {
  const { plain, qualified } = subjectName(given);
  return plain === '' && qualified !== '' ? qualified : subjectOf(given, limits).qualified;
}

export function versionOf(text: string): VersionId {
  if (text === 'latest' || text === '-1') return 'latest';
  const version = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (version >= 1 && version <= MAX_NUMBER) return version;
  throw new RegistryError(
    42202,
    `The specified version '${text.slice(0, 100)}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
  );
}

export function idOf(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new RegistryError(404, 'HTTP 404 Not Found');
  return Number(text);
}

export const flag = (query: ReadonlyMap<string, string>, name: string): boolean =>
  query.get(name)?.toLowerCase() === 'true';

/** A part of a list: from `offset` on, `limit` or all. */
export function page<T>(items: readonly T[], query: ReadonlyMap<string, string>): readonly T[] {
  const offset = wholeParameter(query, 'offset', 0);
  const limit = wholeParameter(query, 'limit', -1);
  return items.slice(Math.max(0, offset), limit < 0 ? undefined : Math.max(0, offset) + limit);
}

function wholeParameter(query: ReadonlyMap<string, string>, name: string, byDefault: number): number {
  const text = query.get(name);
  if (text === undefined) return byDefault;
  if (!/^-?\d{1,10}$/.test(text)) throw new RegistryError(400, `${name} has to be a number`);
  return Number(text);
}

export function submissionOf(
  body: JsonObject | undefined,
  normalize: boolean,
  limits: RegistryLimits,
): Submission {
  const text = body?.get('schema');
  if (body === undefined || text === undefined || text === null) throw invalidSchema('Empty schema');
  if (!isText(text)) throw invalidSchema('"schema" has to be a string');
  const given = optional(body.get('schemaType')) ?? 'AVRO';
  const type = SCHEMA_TYPES.find((type) => type === given);
  if (type === undefined) throw invalidSchema(`Invalid schema type ${printJson(given)}`);
  const metadata = optional(body.get('metadata'));
  const ruleSet = optional(body.get('ruleSet'));
  for (const extra of [metadata, ruleSet]) {
    if (extra !== undefined && !isObject(extra))
      throw invalidSchema('"metadata" and "ruleSet" have to be objects');
  }
  return {
    type,
    text,
    references: referencesOf(optional(body.get('references')), limits),
    metadata,
    ruleSet,
    id: positive(body, 'id'),
    version: positive(body, 'version'),
    normalize,
  };
}

const optional = (value: Json | undefined): Json | undefined => (value === null ? undefined : value);

/** Clients that have no number for it send -1 or 0. */
function positive(body: JsonObject, name: string): number | undefined {
  const value = optional(body.get(name));
  if (value === undefined) return undefined;
  const number = numberOf(value);
  if (number === undefined || !Number.isInteger(number) || number > MAX_NUMBER) {
    throw new RegistryError(422, `"${name}" has to be a whole number`);
  }
  return number > 0 ? number : undefined;
}

function referencesOf(value: Json | undefined, limits: RegistryLimits): Submission['references'] {
  if (value === undefined) return [];
  if (!isArray(value)) throw invalidSchema('"references" has to be an array');
  if (value.length > limits.maxReferences)
    throw invalidSchema(`There may be ${limits.maxReferences} references`);
  const names = new Set<string>();
  return value.map((reference) => {
    const name = isObject(reference) ? reference.get('name') : undefined;
    const subject = isObject(reference) ? reference.get('subject') : undefined;
    const version = isObject(reference) ? numberOf(reference.get('version')) : undefined;
    if (!isText(name) || !isText(subject) || version === undefined || !Number.isInteger(version)) {
      throw invalidSchema('A reference needs "name", "subject" and "version"');
    }
    if (names.has(name)) throw invalidSchema(`There are two references with the name ${name}`);
    names.add(name);
    return { name, subject, version };
  });
}

const CONFIG_MEMBERS = ['compatibility', 'compatibilityLevel', 'normalize', 'compatibilityGroup'];

export function configOf(body: JsonObject | undefined): SubjectConfig {
  const config = new Map([...(body ?? [])].filter(([, value]) => value !== null));
  const unknown = [...config.keys()].find((name) => !CONFIG_MEMBERS.includes(name));
  if (unknown !== undefined) throw new RegistryError(422, `Unrecognized field: ${unknown}`);
  const wanted = config.get('compatibility') ?? config.get('compatibilityLevel');
  const level = COMPATIBILITY_LEVELS.find((level) => isText(wanted) && level === wanted.toUpperCase());
  if ((level === undefined && wanted !== undefined) || config.size === 0) {
    throw new RegistryError(
      42203,
      `Invalid compatibility level. Valid values are ${COMPATIBILITY_LEVELS.join(', ')}`,
    );
  }
  const normalize = config.get('normalize');
  const group = config.get('compatibilityGroup');
  if (normalize !== undefined && typeof normalize !== 'boolean') {
    throw new RegistryError(422, '"normalize" has to be true or false');
  }
  if (group !== undefined && (!isText(group) || group.length > 1000)) {
    throw new RegistryError(422, '"compatibilityGroup" has to be a string');
  }
  return {
    ...(level !== undefined && { compatibilityLevel: level }),
    ...(normalize !== undefined && { normalize }),
    ...(isText(group) && { compatibilityGroup: group }),
  };
}

export function modeOf(body: JsonObject | undefined): Mode {
  const given = body?.get('mode');
  const mode = MODES.find((mode) => isText(given) && mode === given.toUpperCase());
  if (mode === undefined) {
    throw new RegistryError(42204, `Invalid mode. Valid values are ${MODES.join(', ')}`);
  }
  return mode;
}
