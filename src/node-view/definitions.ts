/** Definitions of the running node: out of it as one document, and into it as one change. */
import { OperationError } from '../admin/operation.ts';
import type { DefinitionsView, ImportRequest } from '../admin/operations/definitions.ts';
import {
  editsOf,
  exported,
  itemsToMake,
  type Parsed,
  type Plan,
  parse,
  plan,
  shownSteps,
} from '../definitions/definitions.ts';
import { aclSection, quotaSection, type TopicItem, topicSection } from '../definitions/kafka.ts';
import {
  type SchemaContextItem,
  type SchemaItem,
  type SchemaSettingsItem,
  schemaContextSection,
  schemaSection,
  schemaSettingsSection,
  settingsFrom,
  versionFrom,
} from '../definitions/schemas.ts';
import type { AnySection, SectionName } from '../definitions/section.ts';
import { apiKeySection, banSection, roleSection, userSection } from '../definitions/security.ts';
import { changeTogether, type Settings } from '../kernel/settings-table.ts';
import type { StateLog } from '../kernel/state/state-log.ts';
import type { KafkaFrontEnd } from '../protocols/kafka/front-end.ts';
import { refusalText } from '../protocols/kafka/topics/metadata.ts';
import type { Topic, TopicRefusal, Topics } from '../protocols/kafka/topics/topics.ts';
import { RegistryError } from '../schema-registry/errors.ts';
import type { RegistryTransfer } from '../schema-registry/transfer.ts';
import type { OpenSecurity } from '../security/open-security.ts';

const MAX_NAMED = 5;

/** Of the registry that a node opens when it is asked for. */
export interface SchemasOfNode {
  /** undefined where nothing was ever kept. */
  known(): Promise<RegistryTransfer | undefined>;
  opened(): Promise<RegistryTransfer>;
}

interface Parts {
  readonly security: Pick<OpenSecurity, 'users' | 'settings'>;
  readonly kafka: KafkaFrontEnd | undefined;
  /** undefined where the configuration wants none. */
  readonly schemas: SchemasOfNode | undefined;
  readonly log: StateLog;
  readonly maxBans: number;
  readonly wallMs: () => number;
}

function sectionsOf(
  { security: { users, settings }, kafka, maxBans, wallMs }: Parts,
  schemas: RegistryTransfer | undefined,
): AnySection[] {
  const isConfigured = (name: string): boolean => users.get(name)?.isConfigured === true;
  const own = [
    userSection(settings, isConfigured, wallMs),
    roleSection(settings),
    apiKeySection(settings),
    banSection(settings, maxBans),
  ];
  const ofRegistry =
    schemas === undefined
      ? []
      : [schemaContextSection(schemas), schemaSection(schemas), schemaSettingsSection(schemas)];
  if (kafka === undefined) return [...own, ...ofRegistry];
  const { context } = kafka;
  return [
    ...own,
    ...ofRegistry,
    aclSection(context.settings, context.security.acls !== undefined),
    quotaSection(context.settings),
    topicSection(context.topics),
  ];
}

function refuseConflicts({ conflicts }: Plan): void {
  if (conflicts.length === 0) return;
  const named = conflicts
    .slice(0, MAX_NAMED)
    .map(({ section, name, reason }) => `${section} ${JSON.stringify(name)}: ${reason}`);
  const more = conflicts.length > MAX_NAMED ? `; and ${conflicts.length - MAX_NAMED} more` : '';
  throw new OperationError(
    409,
    'definitions-conflict',
    `nothing was changed: ${named.join('; ')}${more}. A dry run shows all of it`,
  );
}

/** Makes topics; what it gives takes back what can be. A partition that was added stays. */
async function makeTopics(
  topics: Topics,
  items: readonly { readonly item: TopicItem; readonly old: TopicItem | undefined }[],
): Promise<() => Promise<void>> {
  const undo: (() => Promise<unknown>)[] = [];
  const takeBack = async (): Promise<void> => {
    for (const each of undo.toReversed()) await each();
  };
  const made = (name: string, outcome: Topic | TopicRefusal): Topic => {
    if (typeof outcome !== 'string') return outcome;
    throw new OperationError(
      409,
      'topic-refused',
      `the topic ${name} cannot be made or changed: ${refusalText(outcome)}`,
    );
  };
  try {
    for (const { item, old } of items) {
      const { name, partitions } = item;
      const overrides = new Map(Object.entries(item.configs));
      const known = topics.get(name);
      if (old === undefined || known === undefined) {
        const topic = made(name, await topics.create({ name, partitionCount: partitions, overrides }));
        undo.push(() => topics.delete(topic));
        continue;
      }
      const before = known.overrides;
      made(name, await topics.configure(known, overrides));
      undo.push(() => topics.configure(known, before));
    }
    // What cannot be taken back comes last.
    for (const { item } of items) {
      const known = topics.get(item.name);
      if (known !== undefined && known.partitions.length < item.partitions) {
        made(item.name, await topics.grow(known, item.partitions));
      }
    }
    return takeBack;
  } catch (error) {
    await takeBack();
    throw error;
  }
}

/** Gives what takes it back. */
async function putSchemas(transfer: RegistryTransfer, steps: Plan): Promise<() => Promise<void>> {
  const items = <T>(section: SectionName): T[] => itemsToMake<T>(steps, section).map(({ item }) => item);
  const versions = items<SchemaItem>('schemas').map(versionFrom);
  const settings = items<SchemaSettingsItem>('schemaSettings').map(settingsFrom);
  const contexts = items<SchemaContextItem>('schemaContexts');
  if (versions.length + settings.length + contexts.length === 0) return async () => {};
  const highestIds = new Map(contexts.map(({ context, highestId }) => [context, highestId]));
  try {
    return await transfer.put(versions, settings, highestIds);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    throw new OperationError(
      409,
      'schemas-refused',
      `nothing was changed: the schemas were ${error.message}`,
    );
  }
}

export function definitionsView(parts: Parts): DefinitionsView {
  const { security, kafka, log } = parts;

  const planned = (
    { only, onConflict }: ImportRequest,
    parsed: Parsed,
    sections: readonly AnySection[],
  ): Promise<Plan> =>
    plan(parsed, sections, only, onConflict, (name) => security.users.get(name) !== undefined);

  async function apply(
    request: ImportRequest,
    parsed: Parsed,
    sections: readonly AnySection[],
    transfer: RegistryTransfer | undefined,
  ): Promise<Plan> {
    const tables: readonly Settings[] =
      kafka === undefined ? [security.settings] : [security.settings, kafka.context.settings];
    let made: Plan | undefined;
    const undo: (() => Promise<void>)[] = [];
    const takeBack = async (): Promise<void> => {
      for (const each of undo.toReversed()) await each();
    };
    try {
      const outcome = await changeTogether(log, tables, async () => {
        const steps = await planned(request, parsed, sections);
        refuseConflicts(steps);
        const edits = [await editsOf(steps, 'security')];
        if (kafka !== undefined) {
          edits.push(await editsOf(steps, 'kafka'));
          undo.push(await makeTopics(kafka.context.topics, itemsToMake<TopicItem>(steps, 'kafkaTopics')));
        }
        if (transfer !== undefined) undo.push(await putSchemas(transfer, steps));
        made = steps;
        return edits;
      });
      if (outcome === 'changed' && made !== undefined) return made;
      throw new OperationError(
        409,
        `definitions-${outcome}`,
        outcome === 'full'
          ? 'nothing was changed: there is no room for so many settings, or so many in one change'
          : 'nothing was changed: the journal does not take it',
      );
    } catch (error) {
      await takeBack();
      throw error;
    }
  }

  const isOfSchemas = (name: string): boolean => name.startsWith('schema');

  return {
    async export(only) {
      const transfer = only.some(isOfSchemas) ? await parts.schemas?.known() : undefined;
      return exported(sectionsOf(parts, transfer), only);
    },
    async import(request) {
      const isAsked = Object.keys(Object(request.definitions)).some(isOfSchemas);
      const transfer = isAsked ? await parts.schemas?.opened() : undefined;
      const sections = sectionsOf(parts, transfer);
      // All of it, also what is left out now: a document with a fault somewhere is not one to trust.
      const parsed = await parse(request.definitions, sections);
      const make = async (): Promise<Plan> =>
        request.isDryRun ? planned(request, parsed, sections) : apply(request, parsed, sections, transfer);
      const done = await (transfer === undefined ? make() : transfer.exclusively(make));
      return { isApplied: !request.isDryRun, steps: shownSteps(done) };
    },
  };
}
