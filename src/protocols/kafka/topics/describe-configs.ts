/** Configurations of topics as clients are shown them: value, where it comes from, what else would count. */
import { brokerConfigs } from '../admin/broker-configs.ts';
import { ConfigSource, type SourcedValue, valuesOf } from '../admin/broker-values.ts';
import type { Kafka } from '../context.ts';
import type { Apis } from '../messages/apis.ts';
import type { In } from '../schema/message.ts';
import { type Overrides, type TopicConfig, topicConfigs } from './configs.ts';
import type { Topic } from './topics.ts';

type Described = In<(typeof Apis)['describeConfigs']['response']>['results'][number]['configs'][number];
type Created = NonNullable<
  In<(typeof Apis)['createTopics']['response']>['topics'][number]['configs']
>[number];

type Place = Pick<Kafka, 'config' | 'nodeConfig' | 'settings' | 'broker'>;

/** The first one counts. Where the broker has no name for it there is one value, ours. */
function valuesFor(place: Place, each: TopicConfig, overrides: Overrides): readonly SourcedValue[] {
  const { name, synonym } = each;
  const own = overrides.get(name);
  const ofBroker = synonym === undefined ? undefined : brokerConfigs.get(synonym);
  const usual =
    ofBroker === undefined
      ? [{ name, value: each.default(place.config), source: ConfigSource.Default }]
      : valuesOf(place, ofBroker);
  return own === undefined ? usual : [{ name, value: own, source: ConfigSource.Topic }, ...usual];
}

export function createdConfigs(place: Place, overrides: Overrides): Created[] {
  return [...topicConfigs.values()].map((each) => {
    const [first] = valuesFor(place, each, overrides);
    return {
      name: each.name,
      value: first?.value ?? null,
      readOnly: false,
      configSource: first?.source ?? ConfigSource.Default,
      isSensitive: false,
    };
  });
}

export interface Wanted {
  /** Null is all of them. */
  readonly keys: readonly string[] | null;
  readonly synonyms: boolean;
  readonly documentation: boolean;
}

export function describeTopicConfigs(place: Place, topic: Topic, wanted: Wanted): Described[] {
  const shown = [...topicConfigs.values()].filter(({ name }) => wanted.keys?.includes(name) ?? true);
  return shown.map((each) => {
    const values = valuesFor(place, each, topic.overrides);
    const source = values[0]?.source ?? ConfigSource.Default;
    return {
      name: each.name,
      value: values[0]?.value ?? null,
      readOnly: topic.isConfigured || each.isFixed,
      isDefault: source === ConfigSource.Default,
      configSource: source,
      isSensitive: false,
      synonyms: wanted.synonyms ? values : [],
      configType: each.type,
      documentation: wanted.documentation ? each.documentation : null,
    };
  });
}
