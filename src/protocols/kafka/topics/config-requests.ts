/** Configurations of topics, asked for and changed; what is changed is in force, and durable, when it is answered. */
import type { Caller, Kafka } from '../context.ts';
import { ErrorCode } from '../messages/errors.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import { ConfigType, checkOverrides, listOf, topicConfigs } from './configs.ts';
import { describeTopicConfigs, type Wanted } from './describe-configs.ts';
import { refusalError } from './metadata.ts';
import { topicNameFault } from './names.ts';
import type { Topic } from './topics.ts';

export interface ConfigOutcome {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
}

export const DONE: ConfigOutcome = { errorCode: ErrorCode.NONE, errorMessage: null };
const failed = (errorCode: ErrorCode, errorMessage: string): ConfigOutcome => ({ errorCode, errorMessage });

/** As IncrementalAlterConfigs numbers them. */
export const ConfigOperation = { Set: 0, Delete: 1, Append: 2, Subtract: 3 } as const;

export interface ConfigEdit {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

function find(
  kafka: Kafka,
  caller: Caller,
  name: string,
  operation: Operation,
): ConfigOutcome | { readonly topic: Topic } {
  const wrong = topicNameFault(name);
  if (wrong !== undefined) return failed(ErrorCode.INVALID_TOPIC_EXCEPTION, wrong);
  if (!kafka.authorizer.allows(caller, operation, ResourceType.Topic, name)) {
    return failed(
      ErrorCode.TOPIC_AUTHORIZATION_FAILED,
      'it may not do this to the configuration of this topic',
    );
  }
  const topic = kafka.topics.get(name);
  return topic === undefined
    ? failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such topic')
    : { topic };
}

export function describeTopic(kafka: Kafka, caller: Caller, name: string, wanted: Wanted) {
  const found = find(kafka, caller, name, Operation.DescribeConfigs);
  if (!('topic' in found)) return { ...found, configs: [] };
  return { ...DONE, configs: describeTopicConfigs(kafka, found.topic, wanted) };
}

/** The overrides that would be; a sentence where they cannot be. */
function edited({ config }: Kafka, topic: Topic, edits: readonly ConfigEdit[]): Map<string, string> | string {
  const overrides = new Map(topic.overrides);
  for (const { name, configOperation, value } of edits) {
    // What there is not is not set.
    if (configOperation === ConfigOperation.Delete) {
      overrides.delete(name);
      continue;
    }
    const known = topicConfigs.get(name);
    if (known === undefined) return `there is no configuration ${name} of topics`;
    if (value === null) return `${name} has no value`;
    if (configOperation === ConfigOperation.Set) overrides.set(name, value);
    else if (configOperation !== ConfigOperation.Append && configOperation !== ConfigOperation.Subtract) {
      return `there is no operation ${configOperation}`;
    } else if (known.type !== ConfigType.List) return `${name} is no list`;
    else {
      const now = listOf(overrides.get(name) ?? known.default(config));
      const change = listOf(value);
      const isAppend = configOperation === ConfigOperation.Append;
      const list = isAppend
        ? [...new Set([...now, ...change])]
        : now.filter((each) => !change.includes(each));
      overrides.set(name, list.join(','));
    }
  }
  for (const { name, isFixed } of topicConfigs.values()) {
    if (isFixed && overrides.get(name) !== topic.overrides.get(name)) {
      return `${name} can be set when the topic is made, and not later`;
    }
  }
  return overrides;
}

export async function alterTopic(
  kafka: Kafka,
  caller: Caller,
  name: string,
  /** `replace` makes all that is not named as it is by default. */
  change: {
    readonly edits: readonly ConfigEdit[];
    readonly replace: boolean;
    readonly validateOnly: boolean;
  },
): Promise<ConfigOutcome> {
  const found = find(kafka, caller, name, Operation.AlterConfigs);
  if (!('topic' in found)) return found;
  const { topic } = found;
  if (topic.isConfigured) {
    return failed(ErrorCode.POLICY_VIOLATION, 'the topic is a stream of the configuration of the broker');
  }
  const names = change.edits.map((edit) => edit.name);
  if (new Set(names).size < names.length) {
    return failed(ErrorCode.INVALID_REQUEST, 'a configuration is in the request more than once');
  }
  const kept = [...topic.overrides].filter(([each]) => topicConfigs.get(each)?.isFixed);
  const base = change.replace ? { ...topic, overrides: new Map(kept) } : topic;
  const overrides = edited(kafka, base, change.edits);
  if (typeof overrides === 'string') return failed(ErrorCode.INVALID_CONFIG, overrides);
  // What was set when more could be stays until it is changed.
  const different = [...overrides].filter(([each, value]) => topic.overrides.get(each) !== value);
  const reason = checkOverrides(new Map(different));
  if (reason !== undefined) return failed(ErrorCode.INVALID_CONFIG, reason);
  if (change.validateOnly) return DONE;
  const outcome = await kafka.topics.configure(topic, overrides);
  if (typeof outcome !== 'string') return DONE;
  return failed(refusalError(outcome), `the configuration could not be changed: ${outcome}`);
}
