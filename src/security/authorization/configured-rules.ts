/** Rules as the configuration has them: a list that is empty there is a condition that is not made. */
import type { AuthorizationSettings } from '../../config/config.ts';
import type { Rule } from '../security.ts';
import type { AuthorizationConfig } from './authorization.ts';

type ConfiguredRule = AuthorizationSettings['rules'][number];

const given = <K extends string, T>(key: K, values: readonly T[]): { readonly [P in K]?: readonly T[] } =>
  values.length === 0 ? {} : ({ [key]: values } as { readonly [P in K]: readonly T[] });

const ruleOf = (rule: ConfiguredRule): Rule => ({
  effect: rule.effect,
  actions: rule.actions,
  filters: rule.filters,
  ...given('users', rule.users),
  ...given('clientIds', rule.clientIds),
  ...given('roles', rule.roles),
  ...given('tenants', rule.tenants),
  ...given('protocols', rule.protocols),
  ...given('listeners', rule.listeners),
  ...given('networks', rule.networks),
  ...(rule.clients === 'any' ? {} : { isAnonymous: rule.clients === 'anonymous' }),
});

export const configuredRules = (settings: AuthorizationSettings): AuthorizationConfig => ({
  ...settings,
  rules: settings.rules.map(ruleOf),
});
