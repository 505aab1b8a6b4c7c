/** What is answered at which address. */
import { type Call, demand, permitted, type Registry, type Route } from './call.ts';
import type { StoredSchema, SubjectVersion } from './entities.ts';
import { contentMembers } from './entries.ts';
import { RegistryError, schemaNotFound, subjectNotFound } from './errors.ts';
import { Verbatim } from './http.ts';
import { flag, idOf, page, submissionOf, versionOf } from './input.ts';
import type { Submission } from './registrations.ts';
import { InvalidSchema } from './schema-kind.ts';
import { SETTINGS_ROUTES } from './settings-routes.ts';
import type { RegistryState } from './state.ts';
import { contextOf, DEFAULT_CONTEXT, GLOBAL, type SubjectName, subjectName } from './subject-name.ts';

/** In one answer to a question for all. */
const MAX_LISTED = 1000;
const MAX_LISTED_CHARACTERS = 16 * 1024 * 1024;

/** The schema in the body; who is told about it may read what it refers to as well. */
function submitted(registry: Registry, call: Call, subject: SubjectName): Submission {
  const submission = submissionOf(call.body, flag(call.query, 'normalize'), registry.limits);
  for (const reference of submission.references) {
    demand(call, 'read', subjectName(reference.subject, subject.context).qualified);
  }
  return submission;
}

/** As many as go into one answer, and at least one. */
function listed(versions: readonly SubjectVersion[]): readonly SubjectVersion[] {
  let characters = 0;
  const end = versions.findIndex(({ schema }, i) => {
    characters += schema.text.length;
    return i >= MAX_LISTED || (i > 0 && characters > MAX_LISTED_CHARACTERS);
  });
  return end < 0 ? versions : versions.slice(0, end);
}

function shownVersion({ subject, version, schema, isDeleted }: SubjectVersion, text = schema.text): object {
  return {
    subject,
    version,
    id: schema.id,
    guid: schema.guid,
    ...contentMembers(schema),
    schema: text,
    deleted: isDeleted ? true : undefined,
  };
}

const isShown = ({ isDeleted }: SubjectVersion, query: ReadonlyMap<string, string>): boolean =>
  flag(query, 'deletedOnly') ? isDeleted : flag(query, 'deleted') || !isDeleted;

/** The schema in the format that was asked for, such as `serialized`. */
function formatted(
  { schemas }: Registry,
  schema: StoredSchema,
  context: string,
  query: Call['query'],
): string {
  const format = query.get('format') ?? '';
  if (format === '') return schema.text;
  try {
    return schemas.parsed(schema, context).formatted?.(format) ?? schema.text;
  } catch (error) {
    if (error instanceof InvalidSchema) throw new RegistryError(42201, `Invalid schema: ${error.message}`);
    throw error;
  }
}

/** All subjects that the prefix fits; one without a context fits those of all contexts only as `:*:`, or when it is not there. */
function matching(state: RegistryState, query: Call['query']): readonly string[] {
  const given = query.get('subjectPrefix') ?? ':*:';
  if (given.startsWith(':*:')) {
    const rest = given.slice(3);
    return state.subjects().filter((subject) => subjectName(subject).plain.startsWith(rest));
  }
  const { context, qualified } = subjectName(given);
  return state
    .subjects()
    .filter((subject) => contextOf(subject) === context && subject.startsWith(qualified));
}

interface Found {
  readonly context: string;
  readonly schema: StoredSchema;
  readonly users: readonly SubjectVersion[];
}

/** In the context of the subject that the query names, or else the default one, or any. */
function found(registry: Registry, call: Call): Found {
  const id = idOf(call.given[0] ?? '');
  const subject = call.query.get('subject');
  const { state } = registry;
  const contexts = subject === undefined ? state.contexts() : [subjectName(subject).context];
  for (const context of contexts) {
    const schema = state.schema(context, id);
    if (schema !== undefined) return readable(call, { context, schema, users: state.users(context, id) });
  }
  throw schemaNotFound(id);
}

/** Who may read one of the subjects that have a schema may read the schema. */
function readable(call: Call, found: Found): Found {
  if (!found.users.some(({ subject }) => call.permit('read', subject))) demand(call, 'read', GLOBAL);
  return found;
}

async function test(registry: Registry, call: Call): Promise<object> {
  const subject = permitted(registry, call, 'read');
  const [, version] = call.given;
  const submission = submitted(registry, call, subject);
  const asked = version === undefined ? undefined : versionOf(version);
  const messages = await registry.registrations.test(subject, asked, submission);
  return {
    is_compatible: messages.length === 0,
    messages: flag(call.query, 'verbose') ? messages : undefined,
  };
}

function versionAsked(registry: Registry, call: Call, withDeleted: boolean): SubjectVersion {
  const subject = permitted(registry, call, 'read');
  return registry.registrations.version(subject, versionOf(call.given[1] ?? ''), withDeleted);
}

export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '', run: () => ({}) },

  {
    method: 'GET',
    path: 'subjects',
    run: ({ state }, { query, permit }) => {
      const subjects = matching(state, query).filter(
        (subject) => permit('read', subject) && state.versions(subject).some((each) => isShown(each, query)),
      );
      // With the deleted ones only: those of which nothing else is left.
      const shown = flag(query, 'deletedOnly')
        ? subjects.filter((subject) => state.versions(subject).every(({ isDeleted }) => isDeleted))
        : subjects;
      return page(shown, query);
    },
  },
  {
    method: 'POST',
    path: 'subjects/*',
    run: (registry, call) => {
      const subject = permitted(registry, call, 'read');
      const submission = submitted(registry, call, subject);
      const version = registry.registrations.lookup(subject, submission, flag(call.query, 'deleted'));
      return shownVersion(version, formatted(registry, version.schema, subject.context, call.query));
    },
  },
  {
    method: 'DELETE',
    path: 'subjects/*',
    run: (registry, call) => {
      const subject = permitted(registry, call, 'delete');
      return registry.registrations.deleteSubject(subject, flag(call.query, 'permanent'));
    },
  },
  {
    method: 'GET',
    path: 'subjects/*/versions',
    run: (registry, call) => {
      const subject = permitted(registry, call, 'read');
      const versions = registry.state.versions(subject.qualified);
      const withDeleted = flag(call.query, 'deleted') || flag(call.query, 'deletedOnly');
      if (!versions.some(({ isDeleted }) => withDeleted || !isDeleted))
        throw subjectNotFound(subject.qualified);
      const shown = versions.filter((each) => isShown(each, call.query));
      return page(
        shown.map(({ version }) => version),
        call.query,
      );
    },
  },
  {
    method: 'POST',
    path: 'subjects/*/versions',
    run: async (registry, call) => {
      const subject = permitted(registry, call, 'write');
      const submission = submitted(registry, call, subject);
      const { version, schema } = await registry.registrations.register(subject, submission);
      return { id: schema.id, version, guid: schema.guid };
    },
  },
  {
    method: 'GET',
    path: 'subjects/*/versions/*',
    run: (registry, call) => {
      const version = versionAsked(registry, call, flag(call.query, 'deleted'));
      const context = contextOf(version.subject);
      return shownVersion(version, formatted(registry, version.schema, context, call.query));
    },
  },
  {
    method: 'DELETE',
    path: 'subjects/*/versions/*',
    run: (registry, call) => {
      const subject = permitted(registry, call, 'delete');
      const version = versionOf(call.given[1] ?? '');
      return registry.registrations.deleteVersion(subject, version, flag(call.query, 'permanent'));
    },
  },
  {
    method: 'GET',
    path: 'subjects/*/versions/*/schema',
    run: (registry, call) => {
      const version = versionAsked(registry, call, flag(call.query, 'deleted'));
      return new Verbatim(formatted(registry, version.schema, contextOf(version.subject), call.query));
    },
  },
  {
    method: 'GET',
    path: 'subjects/*/versions/*/referencedby',
    run: (registry, call) => {
      const { subject, version } = versionAsked(registry, call, true);
      const referrers = registry.state.referrers(subject, version).filter(({ isDeleted }) => !isDeleted);
      return page([...new Set(referrers.map(({ schema }) => schema.id))], call.query);
    },
  },

  {
    method: 'GET',
    path: 'schemas',
    run: ({ state }, { query, permit }) => {
      const versions = matching(state, query)
        .filter((subject) => permit('read', subject))
        .flatMap((subject) => {
          const shown = state.versions(subject).filter((each) => isShown(each, query));
          return flag(query, 'latestOnly') ? shown.slice(-1) : shown;
        });
      return listed(page(versions, query)).map((version) => shownVersion(version));
    },
  },
  { method: 'GET', path: 'schemas/types', run: () => ['JSON', 'PROTOBUF', 'AVRO'] },
  {
    method: 'GET',
    path: 'schemas/ids/*',
    run: (registry, call) => {
      const { context, schema } = found(registry, call);
      return {
        ...contentMembers(schema),
        schema: formatted(registry, schema, context, call.query),
        guid: schema.guid,
        maxId: flag(call.query, 'fetchMaxId') ? registry.state.highestId(context) : undefined,
      };
    },
  },
  {
    method: 'GET',
    path: 'schemas/ids/*/schema',
    run: (registry, call) => {
      const { context, schema } = found(registry, call);
      return new Verbatim(formatted(registry, schema, context, call.query));
    },
  },
  {
    method: 'GET',
    path: 'schemas/ids/*/subjects',
    run: (registry, call) => {
      const users = found(registry, call).users.filter((each) => isShown(each, call.query));
      const subjects = new Set(users.map(({ subject }) => subject));
      return page(
        [...subjects].filter((subject) => call.permit('read', subject)),
        call.query,
      );
    },
  },
  {
    method: 'GET',
    path: 'schemas/ids/*/versions',
    run: (registry, call) => {
      const users = found(registry, call).users.filter((each) => isShown(each, call.query));
      const shown = users.filter(({ subject }) => call.permit('read', subject));
      return page(
        shown.map(({ subject, version }) => ({ subject, version })),
        call.query,
      );
    },
  },
  {
    method: 'GET',
    path: 'schemas/guids/*',
    run: (registry, call) => {
      const { state } = registry;
      const guid = (call.given[0] ?? '').toLowerCase();
      for (const context of state.contexts()) {
        const schema = state.schemaByGuid(context, guid);
        if (schema === undefined) continue;
        readable(call, { context, schema, users: state.users(context, schema.id) });
        return { ...contentMembers(schema), schema: formatted(registry, schema, context, call.query), guid };
      }
      throw schemaNotFound(guid.slice(0, 100));
    },
  },
  {
    method: 'GET',
    path: 'schemas/guids/*/ids',
    run: ({ state }, call) => {
      const guid = (call.given[0] ?? '').toLowerCase();
      const ids = state.contexts().flatMap((context) => {
        const schema = state.schemaByGuid(context, guid);
        if (schema === undefined) return [];
        readable(call, { context, schema, users: state.users(context, schema.id) });
        return [{ context, id: schema.id }];
      });
      if (ids.length === 0) throw schemaNotFound(guid.slice(0, 100));
      return ids;
    },
  },

  { method: 'POST', path: 'compatibility/subjects/*/versions', run: test },
  { method: 'POST', path: 'compatibility/subjects/*/versions/*', run: test },

  ...SETTINGS_ROUTES,

  {
    method: 'GET',
    path: 'contexts',
    run: ({ state }, { query, permit }) => {
      const readable = state
        .contexts()
        .filter(
          (context) =>
            context === DEFAULT_CONTEXT ||
            state.subjects().some((subject) => contextOf(subject) === context && permit('read', subject)),
        );
      return page(readable, query);
    },
  },
];
