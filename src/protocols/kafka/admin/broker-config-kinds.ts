/** What a configuration of the broker is, and how one is made from where its value is in force. */
import type { Config, KafkaConfig } from '../../../config/config.ts';
import { ConfigType } from '../topics/config-kinds.ts';

/** Fields of the configuration that clients may change while the broker runs. */
export interface LiveFields {
  numPartitions: number;
  autoCreateTopics: boolean;
  maxIdleMs: number;
  maxFetchBytes: number;
}

/** What clients have changed, as it counts. */
export interface Changed {
  readonly fields: LiveFields;
  /** Defaults of topics, by the names that topics have for them. */
  readonly topicDefaults: Map<string, string>;
}

export interface BrokerConfig {
  readonly name: string;
  readonly type: ConfigType;
  readonly documentation: string;
  readonly isSensitive: boolean;
  /** Null where there is none to be shown. */
  value(config: Config, nodeId: number): string | null;
  /** Where clients may change it: why a value cannot be, and what it does. */
  readonly change?: {
    check(value: string): string | undefined;
    apply(changed: Changed, value: string): void;
  };
}

export const INT_MAX = 2 ** 31 - 1;

type Shown = string | number | boolean | null;
type Value = Shown | ((config: Config, nodeId: number) => Shown);

export const fixed = (name: string, type: ConfigType, value: Value, documentation: string): BrokerConfig => ({
  name,
  type,
  documentation,
  isSensitive: false,
  value(config, nodeId) {
    const shown = typeof value === 'function' ? value(config, nodeId) : value;
    return shown === null ? null : String(shown);
  },
});

/** There may be one; nobody is shown it. */
export const secret = (name: string, documentation: string): BrokerConfig => ({
  ...fixed(name, ConfigType.Password, null, documentation),
  isSensitive: true,
});

export const ofKafka =
  (read: (kafka: KafkaConfig) => Shown): Value =>
  ({ kafka }) =>
    read(kafka);

type NumberField = { [K in keyof LiveFields]: LiveFields[K] extends number ? K : never }[keyof LiveFields];

export const changeableNumber = (
  name: string,
  type: ConfigType,
  field: NumberField,
  [min, max]: readonly [number, number],
  documentation: string,
): BrokerConfig => ({
  ...fixed(
    name,
    type,
    ofKafka((kafka) => kafka[field]),
    documentation,
  ),
  change: {
    check(value) {
      const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= max ? undefined : `must be a whole number from ${min} to ${max}`;
    },
    apply({ fields }, value) {
      fields[field] = Number(value);
    },
  },
});
