/** Rules made ready to be asked: whom each is for, found without a look at those for others. */
import { filterProblem, type Placeholder, placeholderOf } from '../../config/rule-filter.ts';
import { createNetworkMap, type Network, type NetworkMap, parseNetwork } from '../networks.ts';
import type { Action, Principal, Rule } from '../security.ts';
import type { Levels } from './addresses.ts';
import { levelsOfRule } from './filters.ts';

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
export function unmetCondition(
  ready: ReadyRule,
  principal: Principal,
  address: string | Network = principal.remoteAddress,
): string | undefined {
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
  if (networks !== undefined && networks.find(address) === undefined) {
    return 'is for other networks';
  }
  return undefined;
}

/** Indexes into the rules of a book, ascending: those whose conditions a principal meets, apart by how many share them. */
export interface Fitting {
  /** By what principals have in common: roles, tenants, listeners and the like. */
  readonly shared: readonly number[];
  /** By who they are. */
  readonly named: readonly number[];
}

export interface RuleBook {
  /** In the order in which they are named as what decided. */
  readonly rules: readonly ReadyRule[];
  /** Of those without conditions. */
  readonly forAll: readonly number[];
  fitting(principal: Principal): Fitting;
}

function addTo(index: Map<string, number[]>, names: readonly string[], number: number): void {
  for (const name of new Set(names)) {
    const known = index.get(name);
    if (known === undefined) index.set(name, [number]);
    else known.push(number);
  }
}

function isForAll({ rule, reference: { source } }: ReadyRule): boolean {
  const { effect: _, actions: __, filters: ___, ...conditions } = rule;
  return source.kind !== 'role' && Object.keys(conditions).length === 0;
}

/** Each rule is listed under the condition that most likely is about few, so that most are not looked at. */
export function createRuleBook(rules: readonly ReadyRule[]): RuleBook {
  const forAll: number[] = [];
  const others: number[] = [];
  const byUser = new Map<string, number[]>();
  const byClient = new Map<string, number[]>();
  const byRole = new Map<string, number[]>();
  rules.forEach((ready, number) => {
    const { rule, reference } = ready;
    if (isForAll(ready)) forAll.push(number);
    else if (rule.users !== undefined) addTo(byUser, rule.users, number);
    else if (rule.clientIds !== undefined) addTo(byClient, rule.clientIds, number);
    else if (reference.source.kind === 'role') addTo(byRole, [reference.source.role], number);
    else if (rule.roles !== undefined) addTo(byRole, rule.roles, number);
    else others.push(number);
  });
  const met = (candidates: Iterable<number>, principal: Principal): number[] => {
    const address = parseNetwork(principal.remoteAddress) ?? '';
    return [...new Set(candidates)]
      .filter((number) => {
        const ready = rules[number];
        return ready !== undefined && unmetCondition(ready, principal, address) === undefined;
      })
      .sort((a, b) => a - b);
  };
  return {
    rules,
    forAll,
    fitting(principal) {
      const { userName, clientId, roles } = principal;
      const ofUser = userName === undefined ? undefined : byUser.get(userName);
      const ofClient = clientId === undefined ? undefined : byClient.get(clientId);
      return {
        shared: met([...others, ...roles.flatMap((role) => byRole.get(role) ?? [])], principal),
        named: met([...(ofUser ?? []), ...(ofClient ?? [])], principal),
      };
    },
  };
}
