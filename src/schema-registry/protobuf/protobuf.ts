/**
 * Protobuf for the registry: reading files (text, or descriptors as some clients send them), their one form, and what must
 * not change between them. Not here: messages; nothing is encoded or decoded but descriptors.
 *
 * Guaranteed: every type that a file names is there, in it, in the references, or among the files that come with Protobuf;
 * nothing is fetched. Text is kept as it was written, with its comments.
 */
import { InvalidSchema, type ParsedSchema, type Referred, type SchemaKind } from '../schema-kind.ts';
import { decodeDescriptor } from './descriptor-decode.ts';
import { encodeDescriptor } from './descriptor-encode.ts';
import { type NamedFile, protoDifferences } from './differences.ts';
import type { ProtoFile } from './model.ts';
import { namesOf } from './names.ts';
import { parseProto } from './parser.ts';
import { printProto } from './print.ts';

export interface ParsedProtobuf extends ParsedSchema, NamedFile {}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** No file is one word, so that what is one is a descriptor. */
function read(text: string): { readonly file: ProtoFile; readonly isText: boolean } {
  const trimmed = text.trim();
  if (!BASE64.test(trimmed) || trimmed.length % 4 !== 0) return { file: parseProto(text), isText: true };
  return { file: decodeDescriptor(Buffer.from(trimmed, 'base64')), isText: false };
}

export const protobuf: SchemaKind<ParsedProtobuf> = {
  type: 'PROTOBUF',
  parse(text, references) {
    const { file, isText } = read(text);
    const names = namesOf(
      file,
      new Map(references.map((reference) => [reference.name, readReferred(reference)])),
    );
    const normalized = printProto(file, { names });
    return {
      file,
      names,
      text: isText ? text : printProto(file, { names: undefined }),
      // Those who send descriptors and those who send text are to find each other's schemas.
      identity: normalized,
      normalized,
      formatted(format) {
        return format === 'serialized'
          ? Buffer.from(encodeDescriptor(file, names)).toString('base64')
          : undefined;
      },
    };
  },
  differences: protoDifferences,
};

function readReferred({ name, text }: Referred): ProtoFile {
  try {
    return read(text).file;
  } catch (error) {
    if (error instanceof InvalidSchema) throw new InvalidSchema(`the reference ${name}: ${error.message}`);
    throw error;
  }
}
