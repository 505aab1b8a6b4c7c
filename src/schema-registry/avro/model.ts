/** Schemas of Avro, taken apart. Named types are one object wherever they are used: schemas may be cyclic. */
import type { Json } from '../json.ts';

export const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const;
export type PrimitiveName = (typeof PRIMITIVES)[number];

/** Attributes without a meaning in Avro: logical types, and what people add. */
export type Properties = readonly (readonly [name: string, value: Json])[];

export interface AvroPrimitive {
  readonly kind: PrimitiveName;
  readonly properties: Properties;
}
export interface AvroArray {
  readonly kind: 'array';
  readonly items: AvroSchema;
  readonly properties: Properties;
}
export interface AvroMap {
  readonly kind: 'map';
  readonly values: AvroSchema;
  readonly properties: Properties;
}
export interface AvroUnion {
  readonly kind: 'union';
  readonly branches: readonly AvroSchema[];
}

interface Named {
  /** With its namespace. */
  readonly fullName: string;
  readonly documentation: string | undefined;
  /** With their namespaces. */
  readonly aliases: readonly string[];
  readonly properties: Properties;
}

export interface AvroRecord extends Named {
  readonly kind: 'record';
  readonly isError: boolean;
  /** Empty until the whole record has been read. */
  readonly fields: readonly AvroField[];
}
export interface AvroField {
  readonly name: string;
  readonly schema: AvroSchema;
  readonly documentation: string | undefined;
  readonly default: Json | undefined;
  readonly order: 'ascending' | 'descending' | 'ignore';
  readonly aliases: readonly string[];
  readonly properties: Properties;
}
export interface AvroEnum extends Named {
  readonly kind: 'enum';
  readonly symbols: readonly string[];
  readonly default: string | undefined;
}
export interface AvroFixed extends Named {
  readonly kind: 'fixed';
  readonly size: number;
}

export type AvroNamed = AvroRecord | AvroEnum | AvroFixed;
export type AvroSchema = AvroPrimitive | AvroArray | AvroMap | AvroUnion | AvroNamed;

export const isNamed = (schema: AvroSchema): schema is AvroNamed =>
  schema.kind === 'record' || schema.kind === 'enum' || schema.kind === 'fixed';

export const namespaceOf = (fullName: string): string =>
  fullName.slice(0, Math.max(0, fullName.lastIndexOf('.')));
export const simpleName = (fullName: string): string => fullName.slice(fullName.lastIndexOf('.') + 1);

/** How error messages and paths call it: unnamed types by their kind, named ones by their name. */
export const nameOf = (schema: AvroSchema): string => (isNamed(schema) ? schema.fullName : schema.kind);
