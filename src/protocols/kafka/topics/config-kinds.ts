/** What a configuration of a topic is, and the checks that several of them share. */
import type { Config } from '../../../config/config.ts';

/** As the protocol numbers them. */
export const ConfigType = {
  Boolean: 1,
  String: 2,
  Int: 3,
  Short: 4,
  Long: 5,
  Double: 6,
  List: 7,
  Class: 8,
  Password: 9,
} as const;
export type ConfigType = (typeof ConfigType)[keyof typeof ConfigType];

/** The configuration of the node, and on top of it the defaults that clients have set, by the names that topics have for them. */
export type TopicsConfig = Config & { readonly topicDefaults?: ReadonlyMap<string, string> };

export interface TopicConfig {
  readonly name: string;
  readonly type: ConfigType;
  /** The broker's configuration that gives the default, by the name that Kafka has for it. */
  readonly synonym: string | undefined;
  readonly documentation: string;
  default(config: TopicsConfig): string;
  /** Why the value cannot be. */
  check(value: string): string | undefined;
  /** Only when the topic is made. */
  readonly isFixed: boolean;
}

export const INT_MAX = 2 ** 31 - 1;
export const LONG_MAX = Number.MAX_SAFE_INTEGER;
/** What Java's largest long is written as; beyond our integers and meant as "no limit". */
export const JAVA_LONG_MAX = '9223372036854775807';

export function wholeNumber(min: number, max: number): (value: string) => string | undefined {
  return (value) => {
    if (value === JAVA_LONG_MAX && max === LONG_MAX) return undefined;
    const number = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? undefined : `must be a whole number from ${min} to ${max}`;
  };
}

export const ratio = (value: string): string | undefined =>
  /^\d{0,8}(?:\.\d{0,17})?$/.test(value) && /\d/.test(value) && Number(value) <= 1
    ? undefined
    : 'must be a number from 0 to 1';

export const oneOf =
  (...values: string[]) =>
  (value: string): string | undefined =>
    values.includes(value) ? undefined : `must be one of ${values.join(', ')}`;

export const listOf = (value: string): string[] =>
  value
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
