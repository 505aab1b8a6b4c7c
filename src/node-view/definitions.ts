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
import type { AnySection } from '../definitions/section.ts';
import { apiKeySection, banSection, roleSection, userSection } from '../definitions/security.ts';
import { changeTogether, type Settings } from '../kernel/settings-table.ts';
import type { StateLog } from '../kernel/state/state-log.ts';
import type { KafkaFrontEnd } from '../protocols/kafka/front-end.ts';
import type { Topic, Topics } from '../protocols/kafka/topics/topics.ts';
import type { OpenSecurity } from '../security/open-security.ts';

const MAX_NAMED = 5;

interface Parts {
  readonly security: Pick<OpenSecurity, 'users' | 'settings'>;
  readonly kafka: KafkaFrontEnd | undefined;
  readonly log: StateLog;
  readonly maxBans: number;
  readonly wallMs: () => number;
}

function sectionsOf({ security: { users, settings }, kafka, maxBans, wallMs }: Parts): AnySection[] {
  const isConfigured = (name: string): boolean => users.get(name)?.isConfigured === true;
  const own = [
    userSection(settings, isConfigured, wallMs),
    roleSection(settings),
    apiKeySection(settings),
    banSection(settings, maxBans),
  ];
  if (kafka === undefined) return own;
  const { context } = kafka;
  return [
    ...own,
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
  const made = (name: string, outcome: Topic | string): Topic => {
    if (typeof outcome !== 'string') return outcome;
    throw new OperationError(409, 'topic-refused', `the topic ${name} cannot be made or changed: ${outcome}`);
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
  ): Promise<Plan> {
    const tables: readonly Settings[] =
      kafka === undefined ? [security.settings] : [security.settings, kafka.context.settings];
    let made: Plan | undefined;
    let takeBack = async (): Promise<void> => {};
    try {
      const outcome = await changeTogether(log, tables, async () => {
        const steps = await planned(request, parsed, sections);
        refuseConflicts(steps);
        const edits = [await editsOf(steps, 'security')];
        if (kafka !== undefined) {
          edits.push(await editsOf(steps, 'kafka'));
          takeBack = await makeTopics(kafka.context.topics, itemsToMake<TopicItem>(steps, 'kafkaTopics'));
        }
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

  return {
    export: (only) => exported(sectionsOf(parts), only),
    async import(request) {
      const sections = sectionsOf(parts);
      // All of it, also what is left out now: a document with a fault somewhere is not one to trust.
      const parsed = await parse(request.definitions, sections);
      const make = request.isDryRun ? planned : apply;
      const done = await make(request, parsed, sections);
      return { isApplied: !request.isDryRun, steps: shownSteps(done) };
    },
  };
}
