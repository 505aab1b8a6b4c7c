/** JSON Schema taken apart: what values it takes, as a graph that may be cyclic. */
import type { Json } from '../json.ts';
import { InvalidSchema } from '../schema-kind.ts';

interface Common {
  /** Something else than absent is meant where the value is absent. */
  readonly hasDefault: boolean;
}

export type Node =
  | AnyNode
  | NeverNode
  | ReferenceNode
  | StringNode
  | NumberNode
  | PlainNode
  | ObjectNode
  | ArrayNode
  | EnumNode
  | NotNode
  | OpaqueNode
  | CombinedNode;

export interface AnyNode extends Common {
  readonly kind: 'any';
}
export interface NeverNode extends Common {
  readonly kind: 'never';
}
export interface ReferenceNode extends Common {
  readonly kind: 'reference';
  readonly target: () => Node;
}
export interface PlainNode extends Common {
  readonly kind: 'boolean' | 'null';
}
export interface StringNode extends Common {
  readonly kind: 'string';
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
  readonly pattern: string | undefined;
}
export interface NumberNode extends Common {
  readonly kind: 'number';
  readonly isInteger: boolean;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  readonly exclusiveMinimum: number | undefined;
  readonly exclusiveMaximum: number | undefined;
  readonly multipleOf: number | undefined;
}
export interface ObjectNode extends Common {
  readonly kind: 'object';
  readonly properties: ReadonlyMap<string, Node>;
  readonly required: ReadonlySet<string>;
  /** By the pattern that their names match. */
  readonly patterns: ReadonlyMap<string, Node>;
  /** What every other property has to be. */
  readonly additional: Node;
  readonly minProperties: number | undefined;
  readonly maxProperties: number | undefined;
  readonly dependentRequired: ReadonlyMap<string, ReadonlySet<string>>;
  readonly dependentSchemas: ReadonlyMap<string, Node>;
  readonly others: OtherKeywords;
}
export interface ArrayNode extends Common {
  readonly kind: 'array';
  readonly prefix: readonly Node[];
  /** What every item behind the prefix has to be. */
  readonly rest: Node;
  readonly minItems: number | undefined;
  readonly maxItems: number | undefined;
  readonly isUnique: boolean;
  readonly others: OtherKeywords;
}
export interface EnumNode extends Common {
  readonly kind: 'enum';
  /** By their text in one form. */
  readonly values: ReadonlyMap<string, Json>;
}
export interface NotNode extends Common {
  readonly kind: 'not';
  readonly node: Node;
}
/** Conditions that are only compared as text. */
export interface OpaqueNode extends Common {
  readonly kind: 'opaque';
  readonly text: string;
}
export interface CombinedNode extends Common {
  readonly kind: 'combined';
  readonly criterion: 'allOf' | 'anyOf' | 'oneOf';
  readonly members: readonly Node[];
}

/** Keywords that are only compared as text. */
export type OtherKeywords = ReadonlyMap<string, string>;

export const ANY: AnyNode = { kind: 'any', hasDefault: false };
export const NEVER: NeverNode = { kind: 'never', hasDefault: false };

const MAX_STEPS = 1000;

/** What a reference leads to in the end. Throws InvalidSchema where it leads in circles. */
export function followed(node: Node): Exclude<Node, ReferenceNode> {
  let at = node;
  for (let steps = 0; at.kind === 'reference'; steps++) {
    if (steps > MAX_STEPS) throw new InvalidSchema('a reference leads to nothing but references');
    at = at.target();
  }
  return at;
}
