/** Schemas taken apart: which kind reads them, what they refer to, and those that were read last, kept for the next time. */
import { avro } from './avro/avro.ts';
import type { Reference, SchemaContent, StoredSchema } from './entities.ts';
import { jsonSchema } from './json-schema/json-schema.ts';
import type { RegistryLimits } from './limits.ts';
import { protobuf } from './protobuf/protobuf.ts';
import {
  type Difference,
  InvalidSchema,
  type ParsedSchema,
  type Referred,
  type SchemaKind,
  type SchemaType,
} from './schema-kind.ts';
import type { RegistryState } from './state.ts';
import { subjectName } from './subject-name.ts';

export interface Schemas {
  /** Throws InvalidSchema. `context`: of the subject whose references they are. */
  parse(content: Omit<SchemaContent, 'metadata' | 'ruleSet'>, context: string): ParsedSchema;
  parsed(schema: StoredSchema, context: string): ParsedSchema;
  differences(type: SchemaType, reader: ParsedSchema, writer: ParsedSchema): readonly Difference[];
  /** After changes to what others may refer to. */
  forget(): void;
}

/** Of the texts of schemas that are kept taken apart. */
const MAX_KEPT_CHARACTERS = 4 * 1024 * 1024;

export function createSchemas(state: RegistryState, limits: RegistryLimits): Schemas {
  const kinds: Readonly<Record<SchemaType, SchemaKind>> = {
    AVRO: avro as SchemaKind,
    JSON: jsonSchema as SchemaKind,
    PROTOBUF: protobuf as SchemaKind,
  };
  /** In the order of their last use. */
  const kept = new Map<string, ParsedSchema>();
  let characters = 0;

  /** Everything that is needed, each behind what it refers to itself. */
  function resolve(references: readonly Reference[], context: string): readonly Referred[] {
    const found = new Map<string, Referred>();
    let steps = 0;
    let characters = 0;
    const visit = (references: readonly Reference[], context: string, depth: number): void => {
      if (depth > limits.maxReferenceDepth) {
        throw new InvalidSchema(`references go deeper than ${limits.maxReferenceDepth}`);
      }
      for (const { name, subject, version } of references) {
        const to = subjectName(subject, context);
        const key = `${version} ${to.qualified} ${name}`;
        if (found.has(key)) continue;
        const referred = state.version(to.qualified, version)?.schema;
        if (referred === undefined) {
          throw new InvalidSchema(
            `there is no schema of subject "${subject}" and version ${version}, to which "${name}" refers`,
          );
        }
        characters += referred.text.length;
        if (++steps > limits.maxResolved || characters > limits.maxResolvedCharacters) {
          throw new InvalidSchema('too much is referred to');
        }
        visit(referred.references, to.context, depth + 1);
        found.set(key, { name, text: referred.text });
      }
    };
    visit(references, context, 1);
    return [...found.values()];
  }

  const parse: Schemas['parse'] = ({ type, text, references }, context) =>
    kinds[type].parse(text, resolve(references, context));

  return {
    parse,
    parsed(schema, context) {
      const key = `${context} ${schema.guid}`;
      let parsed = kept.get(key);
      if (parsed === undefined) {
        parsed = parse(schema, context);
        characters += parsed.text.length;
      }
      kept.delete(key);
      kept.set(key, parsed);
      for (const [oldest, { text }] of kept) {
        if (characters <= MAX_KEPT_CHARACTERS || kept.size === 1) break;
        kept.delete(oldest);
        characters -= text.length;
      }
      return parsed;
    },
    differences: (type, reader, writer) => kinds[type].differences(reader, writer),
    forget() {
      kept.clear();
      characters = 0;
    },
  };
}
