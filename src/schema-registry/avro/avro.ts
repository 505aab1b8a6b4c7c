/**
 * Avro for the registry: reading schemas, writing them in one form, and the rules by which a reader takes what a writer
 * wrote. Not here: data; nothing is encoded or decoded.
 *
 * Guaranteed: a reader without differences can read every datum of the writer. Defaults are taken into account only where
 * they fit their field, and schemas are accepted whatever their defaults are, as other registries do.
 */
import { JsonError, parseJson } from '../json.ts';
import { InvalidSchema, type ParsedSchema, type Referred, type SchemaKind } from '../schema-kind.ts';
import { avroDifferences } from './differences.ts';
import type { AvroSchema } from './model.ts';
import { type Names, parseAvro } from './parse.ts';
import { printAvro } from './print.ts';

export interface ParsedAvro extends ParsedSchema {
  readonly schema: AvroSchema;
}

/** As people write it: an object or an array, a name in quotes, or a name. */
function read(text: string, names: Names): AvroSchema {
  const isBare = /^\s*[A-Za-z_][\w.]*\s*$/.test(text);
  try {
    return parseAvro(isBare ? text.trim() : parseJson(text), names);
  } catch (error) {
    if (error instanceof JsonError) throw new InvalidSchema(error.message);
    throw error;
  }
}

export const avro: SchemaKind<ParsedAvro> = {
  type: 'AVRO',
  parse(text, references) {
    const known: Names = new Map();
    for (const reference of references) readReferred(reference, known);
    const names: Names = new Map(known);
    const schema = read(text, names);
    const printed = printAvro(schema, { known, sorted: false });
    return {
      schema,
      text: printed,
      identity: printed,
      normalized: printAvro(schema, { known, sorted: true }),
    };
  },
  differences: (reader, writer) => avroDifferences(reader.schema, writer.schema),
};

function readReferred({ name, text }: Referred, known: Names): void {
  try {
    read(text, known);
  } catch (error) {
    if (error instanceof InvalidSchema) throw new InvalidSchema(`the reference ${name}: ${error.message}`);
    throw error;
  }
}
