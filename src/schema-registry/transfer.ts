/** All that a registry holds, out of it and into it: schemas with the identifiers they have, and settings. */
import type { Mode, SubjectConfig, SubjectVersion } from './entities.ts';
import type { Change } from './entries.ts';
import { RegistryError } from './errors.ts';
import { scopeOf, subjectOf } from './input.ts';
import { printJson, toJson } from './json.ts';
import type { RegistryLimits } from './limits.ts';
import { InvalidSchema } from './schema-kind.ts';
import { createSchemas, type Schemas } from './schemas.ts';
import { createState, sizeOf } from './state.ts';
import type { Store } from './store.ts';
import { contextOf, GLOBAL } from './subject-name.ts';

export interface ScopeSettings {
  /** A subject, a context as a whole, or '' for all. */
  readonly scope: string;
  readonly config: SubjectConfig | undefined;
  readonly mode: Mode | undefined;
}

export interface RegistryTransfer {
  readonly limits: RegistryLimits;
  /** Deleted ones among them. */
  versions(): Iterable<SubjectVersion>;
  settings(): Iterable<ScopeSettings>;
  /** By context: identifiers up to these were given. */
  highestIds(): ReadonlyMap<string, number>;
  /** Why these versions, put over those that are there (or under them), cannot be; undefined where one can. */
  judge(
    coming: readonly SubjectVersion[],
    isOldKept: boolean,
  ): (version: SubjectVersion) => string | undefined;
  /** Nothing else changes the registry until `change` is done. */
  exclusively<T>(change: () => Promise<T>): Promise<T>;
  /** Within `exclusively`: versions and settings in place of those of the same name. Gives what takes it back. */
  put(
    versions: readonly SubjectVersion[],
    settings: readonly ScopeSettings[],
    highestIds: ReadonlyMap<string, number>,
  ): Promise<() => Promise<void>>;
}

const keyOf = ({ subject, version }: SubjectVersion): string => `${version} ${subject}`;

export function createTransfer(store: Store, current: Schemas, limits: RegistryLimits): RegistryTransfer {
  const { state } = store;
  const highestIds = (): Map<string, number> =>
    new Map(state.contextsEver().map((context) => [context, state.highestId(context)]));

  function* versions(): Iterable<SubjectVersion> {
    for (const subject of state.subjects()) yield* state.versions(subject);
  }

  const settingsOf = (scope: string): ScopeSettings => ({
    scope,
    config: state.config(scope),
    mode: state.mode(scope),
  });

  const settingChanges = ({ scope, config, mode }: ScopeSettings): Change[] => [
    ...(config === undefined && state.config(scope) === undefined
      ? []
      : [{ kind: 'config', scope, config } as const]),
    ...(mode === undefined && state.mode(scope) === undefined
      ? []
      : [{ kind: 'mode', scope, mode } as const]),
  ];

  return {
    limits,
    versions,
    *settings() {
      for (const scope of state.scopes()) yield settingsOf(scope);
    },
    highestIds,
    judge(coming, isOldKept) {
      const all = new Map<string, SubjectVersion>();
      const [under, over] = isOldKept ? [coming, versions()] : [versions(), coming];
      for (const each of under) all.set(keyOf(each), each);
      for (const each of over) all.set(keyOf(each), each);
      const scratch = createState('NONE');
      const contents = new Map<string, Set<string>>();
      for (const version of all.values()) {
        scratch.apply({ kind: 'schema', version });
        const id = `${version.schema.id} ${contextOf(version.subject)}`;
        contents.set(id, (contents.get(id) ?? new Set()).add(contentOf(version)));
      }
      const schemas = createSchemas(scratch, limits);
      const { counts } = scratch;
      return (version) => {
        if (counts.schemas > limits.maxSchemas)
          return `there would be more than ${limits.maxSchemas} schemas`;
        if (counts.bytes > limits.maxBytes)
          return `all schemas would have more than ${limits.maxBytes} bytes`;
        const { id } = version.schema;
        if ((contents.get(`${id} ${contextOf(version.subject)}`)?.size ?? 0) > 1) {
          return `its identifier ${id} is that of another schema`;
        }
        return faultOf(version, schemas, limits);
      };
    },
    exclusively: (change) => store.exclusively(change),
    async put(newVersions, newSettings, ids) {
      const before = newVersions.flatMap(({ subject, version }) => state.version(subject, version) ?? []);
      const settingsBefore = newSettings.map(({ scope }) => settingsOf(scope));
      const gone = ({ subject, version }: SubjectVersion): Change => ({
        kind: 'no-schema',
        subject,
        version,
      });
      const schema = (version: SubjectVersion): Change => ({ kind: 'schema', version });
      // What is replaced goes first: the identifier of one may be that of another now.
      const keptIds = new Map([...highestIds(), ...ids]);
      for (const [context, id] of highestIds()) keptIds.set(context, Math.max(id, keptIds.get(context) ?? 0));
      const changes = [
        ...Array.from(keptIds, ([context, id]): Change => ({ kind: 'highest-id', context, id })),
        ...before.map(gone),
        ...newVersions.map(schema),
        ...newSettings.flatMap(settingChanges),
      ];
      await store.commit(changes);
      current.forget();
      return async () => {
        await store.commit([
          ...newVersions.map(gone),
          ...before.map(schema),
          ...settingsBefore.flatMap(settingChanges),
        ]);
        current.forget();
      };
    },
  };
}

const contentOf = ({ schema: { guid, type, text, references, metadata, ruleSet } }: SubjectVersion): string =>
  printJson(toJson({ guid, type, text, references, metadata, ruleSet }), true);

function faultOf(
  { subject, schema }: SubjectVersion,
  schemas: Schemas,
  limits: RegistryLimits,
): string | undefined {
  try {
    const name = subjectOf(subject, limits);
    if (name.qualified !== subject) return `the subject is called ${JSON.stringify(name.qualified)}`;
    if (schema.text.length > limits.maxSchemaBytes || sizeOf(schema) > limits.maxBytes) {
      return `it is larger than ${limits.maxSchemaBytes} bytes`;
    }
    schemas.parse(schema, name.context);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidSchema || error instanceof RegistryError) return error.message;
    throw error;
  }
}

/** Of settings that come from elsewhere. */
export function scopeFault(
  { scope, config, mode }: ScopeSettings,
  limits: RegistryLimits,
): string | undefined {
  if (config === undefined && mode === undefined) return 'it sets nothing';
  if (mode === 'READONLY_OVERRIDE' && scope !== GLOBAL)
    return 'READONLY_OVERRIDE is for the registry as a whole';
  if (scope === GLOBAL) return undefined;
  try {
    const known = scopeOf(scope, limits);
    return known === scope ? undefined : `the subject is called ${JSON.stringify(known)}`;
  } catch (error) {
    if (error instanceof RegistryError) return error.message;
    throw error;
  }
}
