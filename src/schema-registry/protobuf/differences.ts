/** What must not change between two files of Protobuf if a reader with one is to understand a writer with the other. */
import { type Difference, InvalidSchema, MAX_COMPARISON_DEPTH, MAX_COMPARISONS } from '../schema-kind.ts';
import { fieldsByOneof, isScalar, type ProtoField, type ProtoFile, type ProtoMessage } from './model.ts';
import type { Definition, ProtoNames } from './names.ts';

export interface NamedFile {
  readonly file: ProtoFile;
  readonly names: ProtoNames;
}

/** Scalars of one kind are the same on the wire. */
const KINDS: Readonly<Record<string, string>> = {
  int32: 'number',
  int64: 'number',
  uint32: 'number',
  uint64: 'number',
  bool: 'number',
  sint32: 'signed',
  sint64: 'signed',
  string: 'text',
  bytes: 'text',
  fixed32: 'fixed32',
  sfixed32: 'fixed32',
  fixed64: 'fixed64',
  sfixed64: 'fixed64',
  float: 'float',
  double: 'double',
};

const SENTENCES = {
  PACKAGE_CHANGED: 'the package is another one in the {reader} schema than in the {writer} one',
  MESSAGE_REMOVED: "the {reader} schema has no message at path '{path}', which the {writer} one has",
  FIELD_KIND_CHANGED:
    "the kind of the field at path '{path}' is not the same in the {reader} and the {writer} schema",
  FIELD_SCALAR_KIND_CHANGED:
    "the type of the field at path '{path}' is written differently in the {reader} than in the {writer} schema",
  FIELD_NAMED_TYPE_CHANGED:
    "the type of the field at path '{path}' is another message in the {reader} than in the {writer} schema",
  FIELD_NUMERIC_LABEL_CHANGED:
    "the number at path '{path}' is repeated in one of the {reader} and the {writer} schema and single in the other",
  REQUIRED_FIELD_ADDED:
    "the {reader} schema requires the field at path '{path}', which the {writer} one does not have",
  REQUIRED_FIELD_REMOVED:
    "the {reader} schema does not have the field at path '{path}', which the {writer} one requires",
  ONEOF_FIELD_REMOVED:
    "the oneof at path '{path}' lacks a field in the {reader} schema that it has in the {writer} one",
  MULTIPLE_FIELDS_MOVED_TO_ONEOF:
    "several fields of the {writer} schema are in the oneof at path '{path}' of the {reader} one",
  FIELD_MOVED_TO_EXISTING_ONEOF:
    "a field of the {writer} schema is in the oneof at path '{path}' of the {reader} one, which has others already",
} as const;

const difference = (type: keyof typeof SENTENCES, path: string): Difference => ({
  type,
  path,
  description: SENTENCES[type].replace('{path}', () => path),
});

interface Side {
  readonly names: ProtoNames;
  readonly scope: string;
}

export function protoDifferences(reader: NamedFile, writer: NamedFile): readonly Difference[] {
  let left = MAX_COMPARISONS;
  let depth = 0;
  const compared = new Map<ProtoMessage, Set<ProtoMessage>>();

  const found: Difference[] = [];
  if (reader.file.package !== writer.file.package) found.push(difference('PACKAGE_CHANGED', '#/'));
  found.push(
    ...compareTypes(
      reader.file.messages,
      writer.file.messages,
      { names: reader.names, scope: reader.file.package },
      { names: writer.names, scope: writer.file.package },
      '#',
    ),
  );
  return found;

  function compareTypes(
    reader: readonly ProtoMessage[],
    writer: readonly ProtoMessage[],
    readerSide: Side,
    writerSide: Side,
    path: string,
  ): readonly Difference[] {
    const byName = new Map(reader.map((message) => [message.name, message]));
    return writer.flatMap((before) => {
      const place = `${path}/${before.name}`;
      const now = byName.get(before.name);
      if (now === undefined) return [difference('MESSAGE_REMOVED', place)];
      return compareMessages(now, before, inside(readerSide, now), inside(writerSide, before), place);
    });
  }

  function compareMessages(
    reader: ProtoMessage,
    writer: ProtoMessage,
    readerSide: Side,
    writerSide: Side,
    path: string,
  ): readonly Difference[] {
    const before = compared.get(reader) ?? new Set();
    if (before.has(writer)) return [];
    compared.set(reader, before.add(writer));
    if (--left < 0 || ++depth > MAX_COMPARISON_DEPTH) {
      throw new InvalidSchema('the schemas are too intricate to compare');
    }
    const found = [
      ...compareOneofs(reader, writer, path),
      ...compareFields(reader, writer, readerSide, writerSide, path),
      ...compareTypes(reader.messages, writer.messages, readerSide, writerSide, path),
    ];
    depth--;
    return found;
  }

  function compareFields(
    reader: ProtoMessage,
    writer: ProtoMessage,
    readerSide: Side,
    writerSide: Side,
    path: string,
  ): readonly Difference[] {
    const read = new Map(reader.fields.map((field) => [field.number, field]));
    const written = new Map(writer.fields.map((field) => [field.number, field]));
    const added = reader.fields
      .filter(({ number, label }) => label === 'required' && !written.has(number))
      .map(({ number }) => difference('REQUIRED_FIELD_ADDED', `${path}/${number}`));
    const others = writer.fields.flatMap((before) => {
      const place = `${path}/${before.number}`;
      const now = read.get(before.number);
      if (now === undefined)
        return before.label === 'required' ? [difference('REQUIRED_FIELD_REMOVED', place)] : [];
      return compareField(now, before, readerSide, writerSide, place);
    });
    return [...added, ...others];
  }

  function compareField(
    reader: ProtoField,
    writer: ProtoField,
    readerSide: Side,
    writerSide: Side,
    path: string,
  ): readonly Difference[] {
    if ((reader.map === undefined) !== (writer.map === undefined) || reader.isGroup !== writer.isGroup) {
      return [difference('FIELD_KIND_CHANGED', path)];
    }
    if (reader.map !== undefined && writer.map !== undefined) {
      return [
        ...compareNamed(reader.map.key, writer.map.key, readerSide, writerSide, path),
        ...compareNamed(reader.map.value, writer.map.value, readerSide, writerSide, path),
      ];
    }
    const types = compareNamed(reader.type, writer.type, readerSide, writerSide, path);
    if (types.length > 0) return types;
    // Text and messages that are repeated are written like single ones, numbers all in one.
    const isNumber = kindOf(reader.type, readerSide) === 'scalar' && KINDS[reader.type] !== 'text';
    const isChanged = (reader.label === 'repeated') !== (writer.label === 'repeated');
    return isNumber && isChanged ? [difference('FIELD_NUMERIC_LABEL_CHANGED', path)] : [];
  }

  function compareNamed(
    reader: string,
    writer: string,
    readerSide: Side,
    writerSide: Side,
    path: string,
  ): readonly Difference[] {
    const kind = kindOf(reader, readerSide);
    if (kind !== kindOf(writer, writerSide)) return [difference('FIELD_KIND_CHANGED', path)];
    if (kind === 'scalar') {
      const isSame = (KINDS[reader] ?? 'number') === (KINDS[writer] ?? 'number');
      return isSame ? [] : [difference('FIELD_SCALAR_KIND_CHANGED', path)];
    }
    const now = readerSide.names.resolve(reader, readerSide.scope);
    const before = writerSide.names.resolve(writer, writerSide.scope);
    if (now === undefined || before === undefined || localName(now) !== localName(before)) {
      return [difference('FIELD_NAMED_TYPE_CHANGED', path)];
    }
    if (now.kind !== 'message' || before.kind !== 'message') {
      return now.kind === before.kind ? [] : [difference('FIELD_NAMED_TYPE_CHANGED', path)];
    }
    return compareMessages(
      now.message,
      before.message,
      { names: readerSide.names, scope: now.fullName },
      { names: writerSide.names, scope: before.fullName },
      path,
    );
  }
}

const inside = ({ names, scope }: Side, { name }: ProtoMessage): Side => ({
  names,
  scope: scope === '' ? name : `${scope}.${name}`,
});

const localName = ({ fullName, package: of }: Definition): string =>
  of === '' ? fullName : fullName.slice(of.length + 1);

/** An enum is a number on the wire. */
function kindOf(type: string, { names, scope }: Side): 'scalar' | 'message' {
  return isScalar(type) || names.resolve(type, scope)?.kind.endsWith('enum') === true ? 'scalar' : 'message';
}

function compareOneofs(reader: ProtoMessage, writer: ProtoMessage, path: string): readonly Difference[] {
  const writerOneofs = new Map(writer.fields.map((field) => [field.number, field.oneof]));
  const readerNumbers = new Set(reader.fields.map(({ number }) => number));
  const readerOneofs = fieldsByOneof(reader.fields);
  const moved = [...readerOneofs].flatMap(([name, fields]) => {
    const single = fields.filter(
      ({ number }) => writerOneofs.has(number) && writerOneofs.get(number) === undefined,
    );
    const chosen = fields.filter(({ number }) => writerOneofs.get(number) !== undefined);
    const choices = new Set(chosen.map(({ number }) => writerOneofs.get(number))).size;
    if (single.length + choices <= 1) return [];
    // What a writer may set together a reader would have to choose from.
    const type = single.length === 1 ? 'FIELD_MOVED_TO_EXISTING_ONEOF' : 'MULTIPLE_FIELDS_MOVED_TO_ONEOF';
    return [difference(type, `${path}/${name}`)];
  });
  const removed = writer.fields
    .filter(({ oneof, number }) => oneof !== undefined && !readerNumbers.has(number))
    .filter(({ oneof }) => readerOneofs.has(oneof ?? ''))
    .map(({ oneof, number }) => difference('ONEOF_FIELD_REMOVED', `${path}/${oneof}/${number}`));
  return [...moved, ...removed];
}
