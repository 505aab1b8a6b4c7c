/** What a registry knows, in memory: changes bring it from one state to the next, at the start and later in the same way. */
import type { CompatibilityLevel, Mode, StoredSchema, SubjectConfig, SubjectVersion } from './entities.ts';
import type { Change } from './entries.ts';
import { contextOf, contextScope, DEFAULT_CONTEXT, GLOBAL, subjectName } from './subject-name.ts';

export interface RegistryState {
  apply(change: Change): void;

  schema(context: string, id: number): StoredSchema | undefined;
  schemaByGuid(context: string, guid: string): StoredSchema | undefined;
  /** The default one first. */
  contexts(): readonly string[];
  /** Those, too, whose schemas are all gone; their identifiers are not given again. */
  contextsEver(): readonly string[];
  /** In order: what has settings of its own. */
  scopes(): readonly string[];
  /** In order; deleted ones among them. */
  subjects(): readonly string[];
  /** In order; deleted ones among them. Empty for a subject that there is not. */
  versions(subject: string): readonly SubjectVersion[];
  version(subject: string, version: number): SubjectVersion | undefined;
  /** All versions that have the identifier, in the order of their subjects. */
  users(context: string, id: number): readonly SubjectVersion[];
  /** Versions that refer to this one, deleted ones among them. */
  referrers(subject: string, version: number): readonly SubjectVersion[];

  /** Set for this scope itself. */
  config(scope: string): SubjectConfig | undefined;
  mode(scope: string): Mode | undefined;
  /** What is in force: the subject's own, or else its context's, or else the global one. */
  configFor(subject: string): SubjectConfig & Required<Pick<SubjectConfig, 'compatibilityLevel'>>;
  modeFor(subject: string): Mode;

  nextId(context: string): number;
  highestId(context: string): number;
  readonly counts: {
    readonly schemas: number;
    readonly versions: number;
    readonly bytes: number;
    readonly settings: number;
  };
}

interface Context {
  readonly schemas: Map<number, StoredSchema>;
  readonly byGuid: Map<string, StoredSchema>;
  /** Versions by the identifier of their schema. */
  readonly users: Map<number, Set<SubjectVersion>>;
  highestId: number;
}

const byOrder = (a: SubjectVersion, b: SubjectVersion): number =>
  a.subject === b.subject ? a.version - b.version : a.subject < b.subject ? -1 : 1;

export const sizeOf = (schema: StoredSchema): number => 2 * schema.text.length + 500;

export function createState(level: CompatibilityLevel): RegistryState {
  const contexts = new Map<string, Context>();
  const subjects = new Map<string, Map<number, SubjectVersion>>();
  const referrers = new Map<string, Set<SubjectVersion>>();
  const configs = new Map<string, SubjectConfig>();
  const modes = new Map<string, Mode>();
  let sorted: readonly string[] | undefined;
  let schemas = 0;
  let versions = 0;
  let bytes = 0;

  function contextFor(name: string): Context {
    let context = contexts.get(name);
    if (context === undefined) {
      context = { schemas: new Map(), byGuid: new Map(), users: new Map(), highestId: 0 };
      contexts.set(name, context);
    }
    return context;
  }

  const referenceKeys = ({ subject, schema }: SubjectVersion): string[] =>
    schema.references.map(({ subject: to, version }) => {
      const { qualified } = subjectName(to, contextOf(subject));
      return `${version} ${qualified}`;
    });

  function remove(version: SubjectVersion): void {
    const { id } = version.schema;
    const context = contextFor(contextOf(version.subject));
    const users = context.users.get(id);
    users?.delete(version);
    if (users?.size === 0) {
      context.users.delete(id);
      const schema = context.schemas.get(id);
      context.schemas.delete(id);
      if (schema !== undefined) {
        if (context.byGuid.get(schema.guid) === schema) context.byGuid.delete(schema.guid);
        schemas--;
        bytes -= sizeOf(schema);
      }
    }
    for (const key of referenceKeys(version)) {
      const those = referrers.get(key);
      those?.delete(version);
      if (those?.size === 0) referrers.delete(key);
    }
    const ofSubject = subjects.get(version.subject);
    ofSubject?.delete(version.version);
    if (ofSubject?.size === 0) {
      subjects.delete(version.subject);
      sorted = undefined;
    }
    versions--;
  }

  function put(given: SubjectVersion): void {
    const before = subjects.get(given.subject)?.get(given.version);
    const context = contextFor(contextOf(given.subject));
    // One object for all versions that share a schema.
    const shared = context.schemas.get(given.schema.id);
    const version = shared === undefined ? given : { ...given, schema: shared };
    const { schema } = version;
    if (shared === undefined) {
      context.schemas.set(schema.id, schema);
      if (!context.byGuid.has(schema.guid)) context.byGuid.set(schema.guid, schema);
      schemas++;
      bytes += sizeOf(schema);
    }
    context.highestId = Math.max(context.highestId, schema.id);
    const users = context.users.get(schema.id) ?? new Set();
    context.users.set(schema.id, users.add(version));
    if (before !== undefined) remove(before);
    let ofSubject = subjects.get(version.subject);
    if (ofSubject === undefined) {
      ofSubject = new Map();
      subjects.set(version.subject, ofSubject);
      sorted = undefined;
    }
    ofSubject.set(version.version, version);
    versions++;
    for (const key of referenceKeys(version)) {
      referrers.set(key, (referrers.get(key) ?? new Set()).add(version));
    }
  }

  const scopesOf = (subject: string): readonly string[] => [
    subject,
    contextScope(contextOf(subject)),
    GLOBAL,
  ];

  function set<T>(settings: Map<string, T>, scope: string, value: T | undefined): void {
    if (value === undefined) settings.delete(scope);
    else settings.set(scope, value);
  }

  return {
    apply(change) {
      switch (change.kind) {
        case 'schema':
          return put(change.version);
        case 'no-schema': {
          const version = subjects.get(change.subject)?.get(change.version);
          if (version !== undefined) remove(version);
          return;
        }
        case 'delete-subject':
          for (const version of [...(subjects.get(change.subject)?.values() ?? [])]) {
            if (version.version <= change.version && !version.isDeleted) put({ ...version, isDeleted: true });
          }
          return;
        case 'config':
          return set(configs, change.scope, change.config);
        case 'mode':
          return set(modes, change.scope, change.mode);
        case 'highest-id': {
          const context = contextFor(change.context);
          context.highestId = Math.max(context.highestId, change.id);
        }
      }
    },

    schema: (context, id) => contexts.get(context)?.schemas.get(id),
    schemaByGuid: (context, guid) => contexts.get(context)?.byGuid.get(guid),
    contexts: () => {
      const used = [...contexts].filter(([, { schemas }]) => schemas.size > 0).map(([name]) => name);
      return [DEFAULT_CONTEXT, ...used.filter((name) => name !== DEFAULT_CONTEXT).sort()];
    },
    contextsEver: () => [...contexts.keys()].sort(),
    scopes: () => [...new Set([...configs.keys(), ...modes.keys()])].sort(),
    subjects() {
      sorted ??= [...subjects.keys()].sort();
      return sorted;
    },
    versions: (subject) => [...(subjects.get(subject)?.values() ?? [])].sort(byOrder),
    version: (subject, version) => subjects.get(subject)?.get(version),
    users: (context, id) => [...(contexts.get(context)?.users.get(id) ?? [])].sort(byOrder),
    referrers: (subject, version) => [...(referrers.get(`${version} ${subject}`) ?? [])].sort(byOrder),

    config: (scope) => configs.get(scope),
    mode: (scope) => modes.get(scope),
    configFor(subject) {
      const [own, context, global] = scopesOf(subject).map((scope) => configs.get(scope));
      return { compatibilityLevel: level, ...global, ...context, ...own };
    },
    modeFor(subject) {
      if (modes.get(GLOBAL) === 'READONLY_OVERRIDE') return 'READONLY_OVERRIDE';
      for (const scope of scopesOf(subject)) {
        const mode = modes.get(scope);
        if (mode !== undefined) return mode;
      }
      return 'READWRITE';
    },

    nextId: (context) => (contexts.get(context)?.highestId ?? 0) + 1,
    highestId: (context) => contexts.get(context)?.highestId ?? 0,
    get counts() {
      return { schemas, versions, bytes, settings: configs.size + modes.size };
    },
  };
}
