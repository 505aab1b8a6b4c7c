/**
 * The notation in which messages are defined, and what TypeScript makes of it. `versions` that a field has, in which it may be
 * null, and its tag are options; what is in every version of its message says nothing. Decoded objects have every field: one that
 * the version lacks has its default. Who encodes may leave out fields with options `in` or `default`.
 */

/** `message`: a sentence that may have names in it. `configResource`: what its `resourceType` says. */
export type Entity = 'topicName' | 'topicId' | 'groupId' | 'transactionalId' | 'configResource' | 'message';

export type ScalarKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records';

export interface FieldOptions<T> {
  /** Versions that have the field. */
  readonly in?: string;
  /** Versions in which it may be null. */
  readonly nullable?: string;
  /** The number of a tagged field: left out where it is the default. */
  readonly tag?: number;
  /** What the field names; names are kept apart by it. */
  readonly entity?: Entity;
  /** Where nothing else is said: 0, false, '', no bytes, no elements, a struct of defaults. */
  readonly default?: T | null;
}

export type Definition =
  | { readonly kind: ScalarKind; readonly options: FieldOptions<unknown> }
  | { readonly kind: 'array'; readonly element: Definition; readonly options: FieldOptions<unknown> }
  | { readonly kind: 'struct'; readonly fields: Fields; readonly options: FieldOptions<unknown> };

/** A definition with the types of its values: as decoded, as encoders take it, and whether these may miss it. */
export interface Field<Out = unknown, In = unknown, Optional extends boolean = boolean> {
  readonly definition: Definition;
  readonly types?: { readonly out: Out; readonly in: In; readonly optional: Optional };
}
export type Fields = Readonly<Record<string, Field>>;

type Types<F extends Field> = NonNullable<F['types']>;
type OptionalNames<S extends Fields> = {
  [K in keyof S]: Types<S[K]>['optional'] extends true ? K : never;
}[keyof S];

export type StructOut<S extends Fields> = { readonly [K in keyof S]: Types<S[K]>['out'] };
export type StructIn<S extends Fields> = {
  readonly [K in Exclude<keyof S, OptionalNames<S>>]: Types<S[K]>['in'];
} & { readonly [K in OptionalNames<S>]?: Types<S[K]>['in'] | undefined };

type Null<O> = O extends { readonly nullable: string } ? null : never;
type IsOptional<O> = O extends { readonly in: string } | { readonly default: unknown } ? true : false;
type Made<Out, In, O> = Field<Out | Null<O>, In | Null<O>, IsOptional<O>>;

const scalar =
  <Out, In = Out>(kind: ScalarKind) =>
  <const O extends FieldOptions<Out> = Record<never, never>>(options?: O): Made<Out, In, O> => ({
    definition: { kind, options: options ?? {} },
  });

export const bool = scalar<boolean>('bool');
export const int8 = scalar<number>('int8');
export const int16 = scalar<number>('int16');
export const uint16 = scalar<number>('uint16');
export const int32 = scalar<number>('int32');
/** A safe integer; others are refused. */
export const int64 = scalar<number>('int64');
export const float64 = scalar<number>('float64');
/** The 22 characters that the ecosystem prints: base64url of the 16 bytes. */
export const uuid = scalar<string>('uuid');
export const string = scalar<string>('string');
/** A view of what was decoded. */
export const bytes = scalar<Uint8Array>('bytes');
/** Record batches: a view when decoded; encoded from one piece or several, which are not copied unless they are small. */
export const records = scalar<Uint8Array, Uint8Array | readonly Uint8Array[]>('records');

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** An array of anything that is not a struct. */
export function array<Out, In, const O extends FieldOptions<readonly []> = Record<never, never>>(
  element: Field<Out, In>,
  options?: O,
): Made<readonly Out[], readonly In[], O> {
  return { definition: { kind: 'array', element: element.definition, options: options ?? {} } };
}

/** An array of structs. */
export function structs<
  const S extends Fields,
  const O extends FieldOptions<readonly []> = Record<never, never>,
>(fields: S, options?: O): Made<readonly StructOut<S>[], readonly StructIn<S>[], O> {
  const element: Definition = { kind: 'struct', fields, options: {} };
  return { definition: { kind: 'array', element, options: options ?? {} } };
}

export function struct<const S extends Fields, const O extends FieldOptions<never> = Record<never, never>>(
  fields: S,
  options?: O,
): Made<StructOut<S>, StructIn<S>, O> {
  return { definition: { kind: 'struct', fields, options: options ?? {} } };
}

const SCALAR_DEFAULTS: Readonly<Record<ScalarKind, unknown>> = {
  bool: false,
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  int64: 0,
  float64: 0,
  uuid: ZERO_UUID,
  string: '',
  bytes: new Uint8Array(0),
  records: null,
};

/** What a field is where its version or its message does not say; shared, so nobody may change it. */
export function defaultOf(definition: Definition): unknown {
  const { options } = definition;
  if (options.default !== undefined) return options.default;
  if (definition.kind === 'array') return Object.freeze([]);
  if (definition.kind !== 'struct') return SCALAR_DEFAULTS[definition.kind];
  return Object.freeze(
    Object.fromEntries(
      Object.entries(definition.fields).map(([name, field]) => [name, defaultOf(field.definition)]),
    ),
  );
}
