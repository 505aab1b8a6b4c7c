/** Kinds of what the table of Kafka's settings has. A number that was given is never given again. */
export const SettingKind = {
  Acl: 1,
  Scram: 2,
  Quota: 3,
  BrokerConfig: 4,
  /** Subscriptions to the metrics of clients. */
  ClientMetrics: 5,
} as const;
