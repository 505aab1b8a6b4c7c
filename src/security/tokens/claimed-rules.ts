/**
 * Rules that come with a credential: a claim of a token, or a field of an answer. Written as `{effect, actions, filters}`, as
 * EMQX writes them (`{permission, action, topic}`), or as `{pub: [...], sub: [...], all: [...]}`. What cannot be understood
 * refuses the credential: half of its rules could be the half that allows.
 */
import type { Action, Rule } from '../security.ts';

export const MAX_CLAIMED_RULES = 256;
const MAX_FILTERS = 64;
const MAX_FILTER_LENGTH = 4096;

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const ACTIONS: Readonly<Partial<Record<string, readonly Action[]>>> = {
  publish: ['publish'],
  pub: ['publish'],
  subscribe: ['subscribe'],
  sub: ['subscribe'],
  manage: ['manage'],
  all: ['publish', 'subscribe'],
  pubsub: ['publish', 'subscribe'],
};

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

function actionsOf(value: unknown): readonly Action[] | undefined {
  const actions = new Set<Action>();
  for (const each of asList(value)) {
    const known = typeof each === 'string' && Object.hasOwn(ACTIONS, each) ? ACTIONS[each] : undefined;
    if (known === undefined) return undefined;
    for (const action of known) actions.add(action);
  }
  return actions.size === 0 ? undefined : [...actions];
}

function filtersOf(value: unknown): readonly string[] | undefined {
  const filters = asList(value);
  if (filters.length === 0 || filters.length > MAX_FILTERS) return undefined;
  const isFilter = (each: unknown): each is string =>
    typeof each === 'string' && each !== '' && each.length <= MAX_FILTER_LENGTH && !each.includes('\0');
  return filters.every(isFilter) ? filters : undefined;
}

function ruleOf(value: unknown): Rule | undefined {
  if (!isObject(value)) return undefined;
  const { effect, permission, actions, action, filters, topic, topics, ...rest } = value;
  // Conditions that we do not know (a QoS, say) would be left out of the decision.
  if (Object.keys(rest).length > 0) return undefined;
  const said = effect ?? permission;
  if (said !== 'allow' && said !== 'deny') return undefined;
  const wanted = actionsOf(actions ?? action);
  const where = filtersOf(filters ?? topics ?? topic);
  return wanted === undefined || where === undefined
    ? undefined
    : { effect: said, actions: wanted, filters: where };
}

/** undefined where something of it cannot be understood. */
export function claimedRules(value: unknown): readonly Rule[] | undefined {
  if (value === undefined || value === null) return [];
  if (isObject(value)) {
    const rules = Object.entries(value).map(([action, topics]) =>
      Array.isArray(topics) && topics.length === 0
        ? 'none'
        : ruleOf({ effect: 'allow', actions: action, filters: topics }),
    );
    const understood = rules.filter((rule) => rule !== undefined);
    if (understood.length !== rules.length || rules.length > MAX_CLAIMED_RULES) return undefined;
    return understood.filter((rule) => rule !== 'none');
  }
  if (!Array.isArray(value) || value.length > MAX_CLAIMED_RULES) return undefined;
  const rules = value.map(ruleOf).filter((rule) => rule !== undefined);
  return rules.length === value.length ? rules : undefined;
}

const MAX_ROLES = 64;
const MAX_ROLE_LENGTH = 255;

/** A list of texts, or one text with spaces between; undefined where it is neither. */
export function claimedRoles(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return [];
  const roles: readonly unknown[] | undefined =
    typeof value === 'string'
      ? value.split(' ').filter((role) => role !== '')
      : Array.isArray(value)
        ? value
        : undefined;
  const isRole = (role: unknown): role is string =>
    typeof role === 'string' && role !== '' && role.length <= MAX_ROLE_LENGTH;
  return roles !== undefined && roles.length <= MAX_ROLES && roles.every(isRole) ? roles : undefined;
}
