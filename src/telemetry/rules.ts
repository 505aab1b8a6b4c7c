/** Which messages are traced: the first rule that fits a message decides. */
import type { TelemetryConfig } from '../config/config.ts';
import { filterMatches } from '../kernel/topic-filter.ts';

type RuleConfig = TelemetryConfig['traces']['rules'][number];

export interface Rule {
  /** 0 = only what says itself that it is traced. */
  readonly oneIn: number;
  /** Of messages that fit; counted here so that the first one is traced. */
  seen: number;
}

export interface Rules {
  find(topic: string, clientId: string): Rule | undefined;
  namesClient(clientId: string): boolean;
}

const fitsClient = (pattern: string, clientId: string): boolean =>
  pattern === '' ||
  (pattern.endsWith('*') ? clientId.startsWith(pattern.slice(0, -1)) : clientId === pattern);

export function createRules(configured: readonly RuleConfig[]): Rules {
  const rules = configured.map(({ topic, clientId, oneIn }) => ({
    filter: Buffer.from(topic),
    clientId,
    rule: { oneIn, seen: 0 } satisfies Rule as Rule,
  }));
  return {
    find(topic, clientId) {
      const bytes = Buffer.from(topic);
      return rules.find((each) => fitsClient(each.clientId, clientId) && filterMatches(each.filter, bytes))
        ?.rule;
    },
    namesClient: (clientId) =>
      rules.some((each) => each.clientId !== '' && fitsClient(each.clientId, clientId)),
  };
}
