/** Rules made ready to be asked: whom each is for, found without a look at those for others. */
import { createNetworkMap, type NetworkMap, parseNetwork } from '../networks.ts';
import type { Action, Principal, Rule } from '../security.ts';
import type { Levels } from './addresses.ts';
import { filterProblem, levelsOfRule, type Placeholder, placeholderOf } from './filters.ts';

/** Where a rule stands, for who wants to know why. */
export type RuleSource =
  | { readonly kind: 'credential' }
  | { readonly kind: 'configuration' }
  | { readonly kind: 'role'; readonly role: string };

export interface RuleReference {
  readonly source: RuleSource;
  /** From 0, among those of the source. */
  readonly index: number;
  readonly effect: Rule['effect'];
  readonly filters: readonly string[];
}

export const ACTIONS: readonly Action[] = ['publish', 'subscribe', 'manage'];
export const actionBit = (action: Action): number => 1 << ACTIONS.indexOf(action);

export interface ReadyRule {
  readonly rule: Rule;
  readonly reference: RuleReference;
  readonly actions: number;
  readonly filters: readonly Levels[];
  readonly placeholders: ReadonlySet<Placeholder>;
  readonly networks: NetworkMap<true> | undefined;
}

const MAX_FILTERS = 1024;

/** Why something cannot be a rule; undefined where it can. */
export function ruleProblem({ actions, filters, networks = [] }: Rule): string | undefined {
  if (actions.length === 0) return 'a rule needs actions';
  if (actions.some((action) => !ACTIONS.includes(action))) return `actions are ${ACTIONS.join(', ')}`;
  if (filters.length === 0) return 'a rule needs filters';
  if (filters.length > MAX_FILTERS) return `a rule has at most ${MAX_FILTERS} filters`;
  for (const filter of filters) {
    const problem = filterProblem(filter);
    if (problem !== undefined) return problem;
  }
  const wrong = networks.find((network) => parseNetwork(network) === undefined);
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is not a network such as 10.0.0.0/8`;
}

/** Of rules without a problem. */
export function readyRule(rule: Rule, source: RuleSource, index: number): ReadyRule {
  const filters = rule.filters.map(levelsOfRule);
  let networks: NetworkMap<true> | undefined;
  if (rule.networks !== undefined) {
    networks = createNetworkMap();
    for (const network of rule.networks) networks.set(network, true);
  }
  return {
    rule,
    reference: { source, index, effect: rule.effect, filters: rule.filters },
    actions: rule.actions.reduce((bits, action) => bits | actionBit(action), 0),
    filters,
    placeholders: new Set(filters.flat().flatMap((level) => placeholderOf(level) ?? [])),
    networks,
  };
}

const lacks = (list: readonly string[] | undefined, value: string | undefined): boolean =>
  list !== undefined && (value === undefined || !list.includes(value));

/** Which condition of the rule keeps it from being about the principal; undefined: none. */
export function unmetCondition(ready: ReadyRule, principal: Principal): string | undefined {
  const { rule, reference, networks } = ready;
  const { source } = reference;
  if (source.kind === 'role' && !principal.roles.includes(source.role)) return 'is of another role';
  if (lacks(rule.users, principal.userName)) return 'is for other users';
  if (lacks(rule.clientIds, principal.clientId)) return 'is for other client identifiers';
  if (rule.roles !== undefined && !rule.roles.some((role) => principal.roles.includes(role))) {
    return 'is for other roles';
  }
  if (lacks(rule.tenants, principal.tenant)) return 'is for other tenants';
  if (rule.isAnonymous !== undefined && rule.isAnonymous !== (principal.userName === undefined)) {
    return rule.isAnonymous ? 'is for anonymous clients' : 'is for clients with a user name';
  }
  if (lacks(rule.protocols, principal.protocol)) return 'is for other protocols';
  if (lacks(rule.listeners, principal.listener)) return 'is for other listeners';
  if (networks !== undefined && networks.find(principal.remoteAddress) === undefined) {
    return 'is for other networks';
  }
  return undefined;
}

export interface RuleBook {
  /** In the order in which they are named as what decided. */
  readonly rules: readonly ReadyRule[];
  /** Indexes into `rules` of those whose conditions the principal meets, ascending. */
  fitting(principal: Principal): number[];
}

function addTo(index: Map<string, number[]>, names: readonly string[], number: number): void {
  for (const name of new Set(names)) {
    const known = index.get(name);
    if (known === undefined) index.set(name, [number]);
    else known.push(number);
  }
}

/** Each rule is listed under the condition that most likely is about few. */
export function createRuleBook(rules: readonly ReadyRule[]): RuleBook {
  const general: number[] = [];
  const byUser = new Map<string, number[]>();
  const byClient = new Map<string, number[]>();
  const byRole = new Map<string, number[]>();
  rules.forEach(({ rule, reference: { source } }, number) => {
    if (rule.users !== undefined) addTo(byUser, rule.users, number);
    else if (rule.clientIds !== undefined) addTo(byClient, rule.clientIds, number);
    else if (source.kind === 'role') addTo(byRole, [source.role], number);
    else if (rule.roles !== undefined) addTo(byRole, rule.roles, number);
    else general.push(number);
  });
  return {
    rules,
    fitting(principal) {
      const { userName, clientId, roles } = principal;
      const candidates = new Set(general);
      for (const each of byUser.get(userName ?? '') ?? []) candidates.add(each);
      for (const each of byClient.get(clientId ?? '') ?? []) candidates.add(each);
      for (const role of roles) for (const each of byRole.get(role) ?? []) candidates.add(each);
      return [...candidates]
        .filter((number) => {
          const ready = rules[number];
          return ready !== undefined && unmetCondition(ready, principal) === undefined;
        })
        .sort((a, b) => a - b);
    },
  };
}
