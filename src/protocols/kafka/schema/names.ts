/**
 * What fields name, and every name of a message replaced. A message says by its fields' `entity` where names stand, so none is
 * forgotten where names are kept apart. Values are not changed: what has other names is another value, all else is the same one.
 */
import { isPresent } from './decoders.ts';
import type { Definition, Fields } from './fields.ts';

/** What becomes of each name; undefined: what has it is left out of its list. */
export interface NameMap {
  topicName(name: string): string | undefined;
  topicId(id: string): string | undefined;
  groupId(id: string): string | undefined;
  transactionalId(id: string): string | undefined;
  configResource(name: string, resourceType: number): string | undefined;
  message(text: string): string;
}

type Struct = Readonly<Record<string, unknown>>;
type MapField = (value: unknown, names: NameMap, within: Struct) => unknown;
/** undefined where the value is left out. */
export type MapNames<T> = (value: T, names: NameMap) => T | undefined;

function scalarMapper({ options }: Definition): MapField | undefined {
  const { entity } = options;
  if (entity === undefined) return undefined;
  if (entity === 'configResource') {
    return (value, names, within) =>
      names.configResource(value as string, (within as { readonly resourceType: number }).resourceType);
  }
  return (value, names) => names[entity](value as string);
}

function arrayMapper(element: Definition, version: number): MapField | undefined {
  const map = fieldMapper(element, version);
  if (map === undefined) return undefined;
  return (value, names, within) => {
    const elements = value as readonly unknown[];
    let changed: unknown[] | undefined;
    for (let i = 0; i < elements.length; i++) {
      const old = elements[i];
      const now = old === null ? null : map(old, names, within);
      if (now !== old) changed ??= elements.slice(0, i);
      if (changed !== undefined && now !== undefined) changed.push(now);
    }
    return changed ?? elements;
  };
}

export function structMapper(fields: Fields, version: number): MapNames<Struct> | undefined {
  const steps: { readonly name: string; readonly map: MapField }[] = [];
  for (const [name, { definition }] of Object.entries(fields)) {
    const map = isPresent(definition, version) ? fieldMapper(definition, version) : undefined;
    if (map !== undefined) steps.push({ name, map });
  }
  if (steps.length === 0) return undefined;
  return (struct, names) => {
    let changed: Record<string, unknown> | undefined;
    for (const { name, map } of steps) {
      const old = struct[name];
      if (old === null || old === undefined) continue;
      const now = map(old, names, struct);
      if (now === undefined) return undefined;
      if (now === old) continue;
      changed ??= { ...struct };
      changed[name] = now;
    }
    return changed ?? struct;
  };
}

function fieldMapper(definition: Definition, version: number): MapField | undefined {
  if (definition.kind === 'array') return arrayMapper(definition.element, version);
  if (definition.kind !== 'struct') return scalarMapper(definition);
  const map = structMapper(definition.fields, version);
  return map === undefined ? undefined : (value, names) => map(value as Struct, names);
}
