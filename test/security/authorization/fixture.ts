import {
  type Authorization,
  type AuthorizationConfig,
  createAuthorization,
} from '../../../src/security/authorization/authorization.ts';
import type { Action, Rule } from '../../../src/security/security.ts';
import { openSettings } from '../open-settings.ts';

export const placeholder = (name: string): string => `$\{${name}}`;

export function authorizationOf(
  rules: readonly Rule[],
  config: Partial<AuthorizationConfig> = {},
): Authorization {
  return createAuthorization({
    config: { noMatch: 'auto', wideSubscriptions: 'refuse', rules, ...config },
    settings: openSettings(),
    isOpenListener: (listener) => listener === 'loopback',
  });
}

export const rule = (
  effect: Rule['effect'],
  actions: Action | readonly Action[],
  filters: string | readonly string[],
  conditions: Partial<Rule> = {},
): Rule => ({ effect, actions: [actions].flat(), filters: [filters].flat(), ...conditions });

export const allow = (
  actions: Action | readonly Action[],
  filters: string | readonly string[],
  conditions: Partial<Rule> = {},
): Rule => rule('allow', actions, filters, conditions);

export const deny = (
  actions: Action | readonly Action[],
  filters: string | readonly string[],
  conditions: Partial<Rule> = {},
): Rule => rule('deny', actions, filters, conditions);
