/** Kinds of what the table of Kafka's settings has. A number that was given is never given again: 2 was of credentials. */
export const SettingKind = {
  Acl: 1,
  Quota: 3,
  BrokerConfig: 4,
  /** Subscriptions to the metrics of clients. */
  ClientMetrics: 5,
  GroupConfig: 6,
} as const;
