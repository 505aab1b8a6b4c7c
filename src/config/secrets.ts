/** The secrets that a configuration has, for whoever has to take them out of something. */

import { schema } from './schema.ts';
import type { Leaf, Section } from './schema-kit.ts';

function secretsIn(node: Leaf | Section, value: unknown): string[] {
  if (value === undefined || value === null) return [];
  if (node.kind === 'section') {
    return Object.entries(node.fields).flatMap(([name, child]) =>
      secretsIn(child, (value as Readonly<Record<string, unknown>>)[name]),
    );
  }
  if (node.kind === 'list') {
    return Array.isArray(value) ? value.flatMap((item) => secretsIn(node.item, item)) : [];
  }
  return node.kind === 'string' && node.secret && value !== '' ? [String(value)] : [];
}

export const secretsOf = (config: object): string[] => secretsIn(schema, config);
