/** Values of any message and version, made from its definition. */
import fc from 'fast-check';
import {
  type Definition,
  defaultOf,
  type Fields,
  type ScalarKind,
} from '../../../../src/protocols/kafka/schema/fields.ts';
import type { Message } from '../../../../src/protocols/kafka/schema/message.ts';
import { includes, versionRange } from '../../../../src/protocols/kafka/schema/versions.ts';

const uuids = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('base64url'));

const scalars: Readonly<Record<ScalarKind, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32_768, max: 32_767 }),
  uint16: fc.integer({ min: 0, max: 65_535 }),
  int32: fc.integer(),
  int64: fc.maxSafeInteger(),
  float64: fc.double({ noNaN: true }),
  uuid: uuids,
  string: fc.oneof(
    { weight: 4, arbitrary: fc.string({ maxLength: 12 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
  ),
  bytes: fc.uint8Array({ maxLength: 20 }),
  records: fc.uint8Array({ maxLength: 40 }),
};

const has = (range: string | undefined, version: number): boolean =>
  range !== undefined && includes(versionRange(range), version);

function field(definition: Definition, version: number): fc.Arbitrary<unknown> {
  const { options } = definition;
  if (options.in !== undefined && !has(options.in, version)) return fc.constant(defaultOf(definition));
  let value: fc.Arbitrary<unknown>;
  if (definition.kind === 'struct') value = struct(definition.fields, version);
  else if (definition.kind === 'array')
    value = fc.array(field(definition.element, version), { maxLength: 3 });
  else value = scalars[definition.kind];
  if (options.tag !== undefined) {
    value = fc.oneof(
      { weight: 2, arbitrary: value },
      { weight: 1, arbitrary: fc.constant(defaultOf(definition)) },
    );
  }
  return has(options.nullable, version) ? fc.option(value, { freq: 4 }) : value;
}

function struct(fields: Fields, version: number): fc.Arbitrary<unknown> {
  return fc.record(
    Object.fromEntries(
      Object.entries(fields).map(([name, { definition }]) => [name, field(definition, version)]),
    ),
    { noNullPrototype: true },
  );
}

/** Whole values: fields that the version lacks have their defaults, as decoded ones have. */
export const valuesOf = ({ fields }: Message, version: number): fc.Arbitrary<unknown> =>
  struct(fields, version);
