/**
 * JSON Schema for the registry, drafts 4 to 2020-12: reading schemas, their one form, and whether a reader takes what a
 * writer may write. Not here: validation of data.
 *
 * Guaranteed: nothing is fetched, a reference leads to the schema itself or to those that were registered with it; patterns
 * in schemas are run by an engine that does not backtrack. Comparing errs on the side of refusing.
 */
import { parseSearch } from '../../kernel/filter/pattern.ts';
import { isObject, type Json, JsonError, parseJson, printJson } from '../json.ts';
import { InvalidSchema, type ParsedSchema, type SchemaKind } from '../schema-kind.ts';
import type { Matches } from './comparison.ts';
import { compileSchema } from './compile.ts';
import { jsonDifferences } from './differences.ts';
import { createDocuments } from './documents.ts';
import type { Node } from './nodes.ts';

export interface ParsedJsonSchema extends ParsedSchema {
  readonly node: Node;
}

function read(text: string): Json {
  try {
    const json = parseJson(text);
    if (isObject(json) || typeof json === 'boolean') return json;
  } catch (error) {
    if (error instanceof JsonError) throw new InvalidSchema(error.message);
    throw error;
  }
  throw new InvalidSchema('a schema has to be an object, true or false');
}

/** Of characters of patterns times characters of names. */
const MAX_MATCHING = 5_000_000;

/** For one comparison, in which the same patterns come again and again. */
function matcher(): Matches {
  const compiled = new Map<string, ReturnType<typeof parseSearch>>();
  let left = MAX_MATCHING;
  return (pattern, name) => {
    left -= (pattern.length + 1) * (name.length + 1);
    if (left < 0) throw new InvalidSchema('the schemas are too intricate to compare');
    if (!compiled.has(pattern)) compiled.set(pattern, parseSearch(pattern));
    return compiled.get(pattern)?.(name);
  };
}

export const jsonSchema: SchemaKind<ParsedJsonSchema> = {
  type: 'JSON',
  parse(text, references) {
    const json = read(text);
    const documents = createDocuments(
      json,
      references.map(({ name, text }) => ({ name, json: read(text) })),
    );
    const printed = printJson(json);
    return {
      node: compileSchema(json, documents),
      text: printed,
      identity: printed,
      normalized: printJson(json, true),
    };
  },
  differences: (reader, writer) => jsonDifferences(reader.node, writer.node, matcher()),
};
