/** What the parts of a comparison share. */
import type { Difference } from '../schema-kind.ts';
import type { Node } from './nodes.ts';

/** Why the reader does not take everything of the writer; empty when it does. */
export type Compare = (writer: Node, reader: Node, path: string) => readonly Difference[];
/** undefined: the pattern is not understood. */
export type Matches = (pattern: string, name: string) => boolean | undefined;

export interface Comparison {
  readonly compare: Compare;
  readonly matches: Matches;
}

const SENTENCES = {
  added: "the keyword at path '{path}' is in the {reader} schema and not in the {writer} one",
  more: "the value at path '{path}' is larger in the {reader} schema than in the {writer} one",
  less: "the value at path '{path}' is smaller in the {reader} schema than in the {writer} one",
  changed: "the value at path '{path}' is not the same in the {reader} and the {writer} schema",
  type: "the type at path '{path}' is another one in the {reader} schema than in the {writer} one",
  narrowed: "what stands at path '{path}' takes less in the {reader} schema than in the {writer} one",
  extended: "what stands at path '{path}' asks for more in the {reader} schema than in the {writer} one",
  'added-to-open':
    "the {reader} schema has a property or item at path '{path}' that the {writer} one, whose content model is open, has not",
  'required-added':
    "the {reader} schema requires the property at path '{path}', which the {writer} one does not have",
  'removed-from-closed':
    "the {reader} schema, whose content model is closed, has no property or item at path '{path}', which the {writer} one has",
  'added-not-covered':
    "the property or item at path '{path}' of the {reader} schema takes less than the partially open content model of the {writer} one",
  'removed-not-covered':
    "the property or item at path '{path}' of the {writer} schema is not covered by the partially open content model of the {reader} one",
} as const;

export function difference(type: string, path: string, sentence: keyof typeof SENTENCES): Difference {
  return { type, path, description: SENTENCES[sentence].replace('{path}', () => path) };
}

export const step = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** A lower bound of the reader's must not be above the writer's; an upper one the other way round. */
export function compareBound(
  kind: 'lower' | 'upper',
  writer: number | undefined,
  reader: number | undefined,
  name: string,
  path: string,
): readonly Difference[] {
  if (reader === undefined || writer === reader) return [];
  const type = name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
  const place = `${path}/${name}`;
  if (writer === undefined) return [difference(`${type}_ADDED`, place, 'added')];
  if (kind === 'lower' && reader > writer) return [difference(`${type}_INCREASED`, place, 'more')];
  if (kind === 'upper' && reader < writer) return [difference(`${type}_DECREASED`, place, 'less')];
  return [];
}

/** Keywords that are only compared as text: a reader's must be the writer's as well. */
export function compareOthers(
  writer: ReadonlyMap<string, string>,
  reader: ReadonlyMap<string, string>,
  path: string,
): readonly Difference[] {
  return [...reader].flatMap(([name, text]) => {
    if (writer.get(name) === text) return [];
    const type = name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    const isNew = !writer.has(name);
    return [
      difference(`${type}_${isNew ? 'ADDED' : 'CHANGED'}`, `${path}/${name}`, isNew ? 'added' : 'changed'),
    ];
  });
}
