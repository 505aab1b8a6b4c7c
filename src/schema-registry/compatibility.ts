/** Whether a schema may follow others: by the level that a subject asks for, and by the rules of the schema's kind. */
import { setImmediate } from 'node:timers/promises';
import type { CompatibilityLevel, SchemaContent, SubjectVersion } from './entities.ts';
import { isObject, printJson } from './json.ts';
import { type Difference, InvalidSchema, type ParsedSchema } from './schema-kind.ts';
import type { Schemas } from './schemas.ts';
import type { RegistryState } from './state.ts';
import { contextOf } from './subject-name.ts';

export interface Candidate {
  readonly content: SchemaContent;
  readonly parsed: ParsedSchema;
}

const MAX_DIFFERENCES = 50;
const MAX_SHOWN_CHARACTERS = 4096;

/**
 * Why the candidate must not follow `versions`, the oldest first; empty when it may. Each comparison is a turn of the event
 * loop of its own. Throws InvalidSchema.
 */
export async function incompatibilities(
  schemas: Schemas,
  config: ReturnType<RegistryState['configFor']>,
  candidate: Candidate,
  versions: readonly SubjectVersion[],
): Promise<readonly string[]> {
  const level = config.compatibilityLevel;
  if (level === 'NONE') return [];
  const group = config.compatibilityGroup;
  const comparable = versions.filter(
    ({ schema }) => group === undefined || sameGroup(group, candidate.content, schema),
  );
  const asked = level.endsWith('_TRANSITIVE') ? comparable.toReversed() : comparable.slice(-1);
  for (const version of asked) {
    const found = compare(schemas, level, candidate, version);
    if (found.length > 0) {
      return [
        ...found.slice(0, MAX_DIFFERENCES),
        `{oldSchemaVersion: ${version.version}}`,
        `{oldSchema: '${version.schema.text.slice(0, MAX_SHOWN_CHARACTERS)}'}`,
        `{compatibility: '${level}'}`,
      ];
    }
    if (asked.length > 1) await setImmediate();
  }
  return [];
}

function compare(
  schemas: Schemas,
  level: CompatibilityLevel,
  { content, parsed }: Candidate,
  { schema, subject }: SubjectVersion,
): readonly string[] {
  if (content.type !== schema.type) {
    return [`Incompatible because of different schema type: ${content.type} after ${schema.type}`];
  }
  const older = readOlder(schemas, schema, contextOf(subject));
  if (older === undefined) return ['The older schema cannot be read any more'];
  const found: string[] = [];
  if (!level.startsWith('FORWARD')) {
    found.push(...schemas.differences(content.type, parsed, older).map((each) => shown(each, 'new', 'old')));
  }
  if (!level.startsWith('BACKWARD')) {
    found.push(...schemas.differences(content.type, older, parsed).map((each) => shown(each, 'old', 'new')));
  }
  return found;
}

/** It was valid once; what came from another registry need not be so here. */
function readOlder(
  schemas: Schemas,
  schema: SubjectVersion['schema'],
  context: string,
): ParsedSchema | undefined {
  try {
    return schemas.parsed(schema, context);
  } catch (error) {
    if (error instanceof InvalidSchema) return undefined;
    throw error;
  }
}

function shown({ type, description, info }: Difference, reader: string, writer: string): string {
  const sentence = description.replaceAll('{reader}', reader).replaceAll('{writer}', writer);
  const additional = info === undefined ? '' : `, additionalInfo:'${info}'`;
  return `{errorType:'${type}', description:'${sentence}'${additional}}`;
}

function sameGroup(group: string, a: SchemaContent, b: SchemaContent): boolean {
  const [left, right] = [a, b].map(({ metadata }) => {
    const properties = isObject(metadata) ? metadata.get('properties') : undefined;
    const value = isObject(properties) ? properties.get(group) : undefined;
    return value === undefined ? undefined : printJson(value);
  });
  return left === right;
}
