/** Configurations of topics as clients are shown them: value, where it comes from, what else would count. */
import type { Config } from '../../../config/config.ts';
import type { Apis } from '../messages/apis.ts';
import type { In } from '../schema/message.ts';
import { type Overrides, type TopicConfig, topicConfigs } from './configs.ts';
import type { Topic } from './topics.ts';

type Described = In<(typeof Apis)['describeConfigs']['response']>['results'][number]['configs'][number];
type Created = NonNullable<
  In<(typeof Apis)['createTopics']['response']>['topics'][number]['configs']
>[number];

/** Where a value comes from, as the protocol numbers it. */
export const ConfigSource = {
  Topic: 1,
  DynamicBroker: 2,
  DynamicDefault: 3,
  StaticBroker: 4,
  Default: 5,
} as const;

const effectiveValue = (each: TopicConfig, overrides: Overrides, config: Config): string =>
  overrides.get(each.name) ?? each.default(config);

export function createdConfigs(config: Config, overrides: Overrides): Created[] {
  return [...topicConfigs.values()].map((each) => ({
    name: each.name,
    value: effectiveValue(each, overrides, config),
    readOnly: false,
    configSource: overrides.has(each.name) ? ConfigSource.Topic : ConfigSource.Default,
    isSensitive: false,
  }));
}

export interface Wanted {
  /** Null is all of them. */
  readonly keys: readonly string[] | null;
  readonly synonyms: boolean;
  readonly documentation: boolean;
}

function synonymsOf(each: TopicConfig, overrides: Overrides, config: Config): Described['synonyms'] {
  const { name, synonym } = each;
  const own = overrides.get(name);
  return [
    ...(own === undefined ? [] : [{ name, value: own, source: ConfigSource.Topic }]),
    ...(synonym === undefined
      ? []
      : [{ name: synonym, value: each.default(config), source: ConfigSource.Default }]),
  ];
}

export function describeTopicConfigs(config: Config, topic: Topic, wanted: Wanted): Described[] {
  const { overrides } = topic;
  const shown = [...topicConfigs.values()].filter(({ name }) => wanted.keys?.includes(name) ?? true);
  return shown.map((each) => {
    const isOwn = overrides.has(each.name);
    return {
      name: each.name,
      value: effectiveValue(each, overrides, config),
      readOnly: topic.isConfigured || each.isFixed,
      isDefault: !isOwn,
      configSource: isOwn ? ConfigSource.Topic : ConfigSource.Default,
      isSensitive: false,
      synonyms: wanted.synonyms ? synonymsOf(each, overrides, config) : [],
      configType: each.type,
      documentation: wanted.documentation ? each.documentation : null,
    };
  });
}
