/** Schemas come, are looked up and go: the operations on subjects and their versions. */
import { type Candidate, incompatibilities } from './compatibility.ts';
import type { SchemaContent, StoredSchema, SubjectVersion } from './entities.ts';
import { type Change, forgetDeletion, guidOf } from './entries.ts';
import {
  invalidSchema,
  notPermitted,
  RegistryError,
  schemaNotFound,
  subjectNotFound,
  versionNotFound,
} from './errors.ts';
import type { RegistryLimits } from './limits.ts';
import { InvalidSchema } from './schema-kind.ts';
import type { Schemas } from './schemas.ts';
import type { Store } from './store.ts';
import { type SubjectName, subjectName } from './subject-name.ts';

/** What somebody wants to register or look up. */
export interface Submission extends SchemaContent {
  /** Only where schemas are imported. */
  readonly id: number | undefined;
  readonly version: number | undefined;
  readonly normalize: boolean;
}

export type VersionId = number | 'latest';

export interface Registrations {
  register(subject: SubjectName, submission: Submission): Promise<SubjectVersion>;
  lookup(subject: SubjectName, submission: Submission, withDeleted: boolean): SubjectVersion;
  /** Throws when there is none. */
  version(subject: SubjectName, version: VersionId, withDeleted: boolean): SubjectVersion;
  /** Why the schema must not follow `version`, or all that it would have to follow; empty when it may. */
  test(
    subject: SubjectName,
    version: VersionId | undefined,
    submission: Submission,
  ): Promise<readonly string[]>;
  deleteSubject(subject: SubjectName, isPermanent: boolean): Promise<readonly number[]>;
  deleteVersion(subject: SubjectName, version: VersionId, isPermanent: boolean): Promise<number>;
}

const MAX_ID = 2 ** 31 - 1;

export function createRegistrations(store: Store, schemas: Schemas, limits: RegistryLimits): Registrations {
  const { state } = store;
  const live = (subject: SubjectName): readonly SubjectVersion[] =>
    state.versions(subject.qualified).filter(({ isDeleted }) => !isDeleted);

  /** Read, in the form in which it would be kept. */
  function candidateOf(subject: SubjectName, submission: Submission): Candidate & { readonly guid: string } {
    if (submission.text === '') throw invalidSchema('Empty schema');
    const { type, metadata, ruleSet } = submission;
    const references = submission.references.map((reference) => {
      const to = subjectName(reference.subject, subject.context);
      const version = reference.version === -1 ? live(to).at(-1)?.version : reference.version;
      if (version === undefined || state.version(to.qualified, version) === undefined) {
        throw invalidSchema(
          `No schema reference found for subject "${reference.subject}" and version ${reference.version}`,
        );
      }
      return { ...reference, version };
    });
    const parsed = understood(() =>
      schemas.parse({ type, text: submission.text, references }, subject.context),
    );
    const normalize = submission.normalize || state.configFor(subject.qualified).normalize === true;
    const text = normalize ? parsed.normalized : parsed.text;
    const content = { type, text, references, metadata, ruleSet };
    if (text.length > limits.maxSchemaBytes) throw new RegistryError(42209, 'Schema is too large');
    return { content, parsed, guid: guidOf(content, normalize ? parsed.normalized : parsed.identity) };
  }

  const registered = (subject: SubjectName, guid: string, withDeleted: boolean): SubjectVersion | undefined =>
    state
      .versions(subject.qualified)
      .findLast(({ schema, isDeleted }) => schema.guid === guid && (withDeleted || !isDeleted));

  function checkMode(subject: SubjectName, { id }: Submission): void {
    const mode = state.modeFor(subject.qualified);
    if (mode === 'READONLY' || mode === 'READONLY_OVERRIDE') throw readOnly(subject);
    if (id !== undefined && mode !== 'IMPORT') {
      throw notPermitted(`Subject ${subject.qualified} is not in import mode`);
    }
    if (id === undefined && mode === 'IMPORT') {
      throw notPermitted(`Subject ${subject.qualified} is in import mode: a schema needs its id`);
    }
  }

  const readOnly = (subject: SubjectName): RegistryError =>
    notPermitted(`Subject ${subject.qualified} is in read-only mode`);

  function checkChangeable(subject: SubjectName): void {
    if (state.modeFor(subject.qualified).startsWith('READONLY')) throw readOnly(subject);
  }

  function checkRoom(text: string): void {
    const { counts } = state;
    if (counts.schemas >= limits.maxSchemas)
      throw notPermitted(`There are ${limits.maxSchemas} schemas already`);
    if (counts.bytes + 2 * text.length > limits.maxBytes) {
      throw notPermitted(`The schemas have ${limits.maxBytes} bytes already`);
    }
  }

  function schemaFor(
    subject: SubjectName,
    { content, guid }: ReturnType<typeof candidateOf>,
    id?: number,
  ): StoredSchema {
    const { context } = subject;
    const same = state.schemaByGuid(context, guid);
    if (id === undefined && same !== undefined) return same;
    const taken = id === undefined ? undefined : state.schema(context, id);
    if (taken !== undefined) {
      if (taken.guid === guid) return taken;
      throw notPermitted(`Overwrite new schema with id ${id} is not permitted.`);
    }
    const next = id ?? state.nextId(context);
    if (next > MAX_ID) throw notPermitted('All identifiers are used up');
    checkRoom(content.text);
    return { ...content, id: next, guid };
  }

  async function register(subject: SubjectName, submission: Submission): Promise<SubjectVersion> {
    const candidate = candidateOf(subject, submission);
    const before = registered(subject, candidate.guid, false);
    if (before !== undefined && (submission.id === undefined || submission.id === before.schema.id))
      return before;
    checkMode(subject, submission);
    const versions = state.versions(subject.qualified);
    const next = (versions.at(-1)?.version ?? 0) + 1;
    const version = submission.version ?? next;
    if (submission.id === undefined) {
      if (version !== next)
        throw invalidSchema(`Version is not one more than previous version: ${version} instead of ${next}`);
      const found = await understood(() =>
        incompatibilities(schemas, state.configFor(subject.qualified), candidate, live(subject)),
      );
      if (found.length > 0) {
        throw new RegistryError(
          40901,
          `Schema being registered is incompatible with an earlier schema for subject "${subject.qualified}", details: [${found.join(', ')}]`,
        );
      }
    } else {
      if (state.version(subject.qualified, version) !== undefined) schemas.forget();
    }
    if (state.counts.versions >= limits.maxVersions) {
      throw notPermitted(`There are ${limits.maxVersions} versions already`);
    }
    const schema = schemaFor(subject, candidate, submission.id);
    const added: SubjectVersion = { subject: subject.qualified, version, schema, isDeleted: false };
    await store.commit([{ kind: 'schema', version: added }]);
    return added;
  }

  function version(subject: SubjectName, asked: VersionId, withDeleted: boolean): SubjectVersion {
    const found = asked === 'latest' ? live(subject).at(-1) : state.version(subject.qualified, asked);
    if (found !== undefined && (withDeleted || !found.isDeleted)) return found;
    const known = withDeleted ? state.versions(subject.qualified) : live(subject);
    if (known.length === 0) throw subjectNotFound(subject.qualified);
    throw versionNotFound(asked === 'latest' ? -1 : asked);
  }

  function checkReferrers(versions: readonly SubjectVersion[], isPermanent: boolean): void {
    for (const { subject, version } of versions) {
      const referrers = state
        .referrers(subject, version)
        .filter(({ isDeleted }) => isPermanent || !isDeleted);
      // Versions that go with it are no reason to stay.
      if (referrers.some((referrer) => !versions.includes(referrer))) {
        throw new RegistryError(
          42206,
          `One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=${subject},version=${version}}.`,
        );
      }
    }
  }

  /** An identifier whose schema is gone for good is not given again, not even when the log has forgotten the schema. */
  const keepHighestId = ({ context }: SubjectName): Change => ({
    kind: 'highest-id',
    context,
    id: state.highestId(context),
  });

  const gone = ({ subject, version }: SubjectVersion): Change => ({ kind: 'no-schema', subject, version });

  async function deleteSubject(subject: SubjectName, isPermanent: boolean): Promise<readonly number[]> {
    checkChangeable(subject);
    const all = state.versions(subject.qualified);
    if (all.length === 0) throw subjectNotFound(subject.qualified);
    const versions = live(subject);
    const numbers = (of: readonly SubjectVersion[]): number[] => of.map(({ version }) => version);
    if (!isPermanent) {
      if (versions.length === 0) {
        throw new RegistryError(
          40404,
          `Subject '${subject.qualified}' was soft deleted.Set permanent=true to delete permanently`,
        );
      }
      checkReferrers(versions, false);
      const last = versions.at(-1)?.version ?? 0;
      await store.commit([{ kind: 'delete-subject', subject: subject.qualified, version: last }]);
      return numbers(versions);
    }
    if (versions.length > 0) {
      throw new RegistryError(
        40405,
        `Subject '${subject.qualified}' was not deleted first before being permanently deleted`,
      );
    }
    checkReferrers(all, true);
    const settings: Change[] = [];
    const scope = subject.qualified;
    if (state.config(scope) !== undefined) settings.push({ kind: 'config', scope, config: undefined });
    if (state.mode(scope) !== undefined) settings.push({ kind: 'mode', scope, mode: undefined });
    await store.commit([keepHighestId(subject), ...all.map(gone), ...settings], [forgetDeletion(scope)]);
    schemas.forget();
    return numbers(all);
  }

  async function deleteVersion(
    subject: SubjectName,
    asked: VersionId,
    isPermanent: boolean,
  ): Promise<number> {
    checkChangeable(subject);
    const found = version(subject, asked, true);
    const name = `Subject '${subject.qualified}' Version ${found.version}`;
    if (isPermanent) {
      if (!found.isDeleted) {
        throw new RegistryError(40407, `${name} was not deleted first before being permanently deleted`);
      }
      checkReferrers([found], true);
      await store.commit([keepHighestId(subject), gone(found)]);
      schemas.forget();
    } else {
      if (found.isDeleted) {
        throw new RegistryError(40406, `${name} was soft deleted.Set permanent=true to delete permanently`);
      }
      checkReferrers([found], false);
      await store.commit([{ kind: 'schema', version: { ...found, isDeleted: true } }]);
    }
    return found.version;
  }

  return {
    register: (subject, submission) => store.exclusively(() => register(subject, submission)),
    lookup(subject, submission, withDeleted) {
      const known = withDeleted ? state.versions(subject.qualified) : live(subject);
      if (known.length === 0) throw subjectNotFound(subject.qualified);
      const found = registered(subject, candidateOf(subject, submission).guid, withDeleted);
      if (found === undefined) throw schemaNotFound();
      return found;
    },
    version,
    async test(subject, asked, submission) {
      const versions = live(subject);
      const chosen =
        asked === undefined ? versions : versions.filter((each) => isAsked(each, asked, versions));
      if (chosen.length === 0 && typeof asked === 'number') version(subject, asked, false);
      const candidate = candidateOf(subject, submission);
      return understood(() =>
        incompatibilities(schemas, state.configFor(subject.qualified), candidate, chosen),
      );
    },
    deleteSubject: (subject, isPermanent) => store.exclusively(() => deleteSubject(subject, isPermanent)),
    deleteVersion: (subject, asked, isPermanent) =>
      store.exclusively(() => deleteVersion(subject, asked, isPermanent)),
  };
}

const isAsked = (each: SubjectVersion, asked: VersionId, versions: readonly SubjectVersion[]): boolean =>
  asked === 'latest' ? each === versions.at(-1) : each.version === asked;

/** What is no valid schema is the client's error. */
function understood<T>(read: () => T): T {
  const refuse = (error: unknown): never => {
    if (error instanceof InvalidSchema) throw invalidSchema(`Invalid schema: ${error.message}`);
    throw error;
  };
  try {
    const result = read();
    return result instanceof Promise ? (result.catch(refuse) as T) : result;
  } catch (error) {
    return refuse(error);
  }
}
