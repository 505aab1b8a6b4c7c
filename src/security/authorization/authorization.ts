/**
 * Authorization: what a principal may do, by rules over addresses, the same for every protocol and every way by which a message
 * comes or goes. Here are rules (of credentials, of the configuration, of roles), what they come to, and why. Not here: who
 * somebody is, and what a refusal looks like. Addresses are as the client writes them, before a tenant's are put apart.
 *
 * Guaranteed: what a rule denies is refused whatever others allow; what cannot be read allows nothing; a change counts for
 * the next decision, and whoever keeps decisions (subscriptions, flows) is told by `onChange`.
 */
import { Listeners } from '../../kernel/listeners.ts';
import type { Settings } from '../../kernel/settings-table.ts';
import type { Action, Principal, Rule } from '../security.ts';
import {
  isNameless,
  isOfTenants,
  isReserved,
  keyOf,
  type Levels,
  levelsOfFilter,
  levelsOfTopic,
  needsRule,
  textOf,
} from './addresses.ts';
import { type Considered, createConsidered } from './explain.ts';
import { createRoles, type Roles } from './roles.ts';
import { type ReadyRule, type RuleReference, readyRule, ruleProblem } from './rules.ts';
import { includesScope, type NodeScope } from './scopes.ts';
import { type Answer, createViews, Question, type View, type Views } from './views.ts';

export interface AuthorizationConfig {
  /** 'auto': deny, except for anonymous clients of listeners that are open to everybody on this machine. */
  readonly noMatch: 'auto' | 'deny' | 'allow';
  /** What becomes of a subscription that is wider than what is allowed. */
  readonly wideSubscriptions: 'refuse' | 'narrow';
  readonly rules: readonly Rule[];
}

export interface AuthorizationOptions {
  readonly config: AuthorizationConfig;
  readonly settings: Settings;
  /** Whether the listener lets everybody in because only this machine reaches it. */
  readonly isOpenListener: (listener: string) => boolean;
}

export type DecisionReason =
  | 'superuser'
  | 'rule'
  /** A filter that no rule allows as a whole. */
  | 'too-wide'
  | 'no-match'
  | 'reserved'
  | 'malformed'
  | 'unreadable-rules';

export interface Decision {
  readonly isAllowed: boolean;
  /** A filter of which not everything may be received. */
  readonly isPartial: boolean;
  readonly reason: DecisionReason;
  /** The one that decided. */
  readonly rule: RuleReference | undefined;
}

export interface Explanation {
  readonly decision: Decision;
  readonly considered: readonly Considered[];
}

export interface AuthorizationCounters {
  /** Decisions that were not remembered. */
  readonly decided: number;
  readonly remembered: number;
  readonly forgotten: number;
  readonly views: number;
  readonly changes: number;
}

type Name = Uint8Array | string;

export interface Authorization {
  /** `isFilter`: the address is a topic filter, and all that it matches is asked for. */
  decide(principal: Principal, action: Action, address: Name, isFilter?: boolean): Decision;
  mayPublish(principal: Principal, topic: Name): boolean;
  /** 'partly': granted, and each message is asked for with `mayReceive`. */
  maySubscribe(principal: Principal, filter: Name): boolean | 'partly';
  mayReceive(principal: Principal, topic: Name): boolean;
  /** Whether messages of a subscription to the filter have to be asked for one by one. */
  hasDenialsWithin(principal: Principal, filter: Name): boolean;
  /** Operations on the node itself. */
  mayUse(principal: Principal, scope: NodeScope): boolean;
  /** Principals of the same class may publish to the same. Numbers change with the rules and are not given again. */
  publisherClass(principal: Principal): number;
  /** Principals for whom it is the same object may do the same in everything, until rules change. */
  viewOf(principal: Principal): object;
  explain(principal: Principal, action: Action, address: Name, isFilter?: boolean): Explanation;
  readonly roles: Roles;
  /** In force now. */
  readonly config: AuthorizationConfig;
  /** Rules of a configuration that was read again. */
  reload(config: AuthorizationConfig): void;
  /** At most once a turn: what was decided before may be wrong now. Returns how to stop it. */
  onChange(listener: () => void): () => void;
  counters(): AuthorizationCounters;
}

const LAST_CLASS = 0xffff_ffff;

function readyConfigured(rules: readonly Rule[]): ReadyRule[] {
  return rules.map((rule, index) => {
    const problem = ruleProblem(rule);
    if (problem !== undefined) throw new Error(`authorization.rules: entry ${index}: ${problem}`);
    return readyRule(rule, { kind: 'configuration' }, index);
  });
}

/** Throws where a rule of the configuration makes no sense: its meaning is not guessed. */
export function createAuthorization(options: AuthorizationOptions): Authorization {
  const { settings, isOpenListener } = options;
  let { config } = options;
  let configured = readyConfigured(config.rules);
  let current: Views | undefined;
  let lastClass = 0;
  let decided = 0;
  let forgotten = 0;
  let changes = 0;
  let isTelling = false;
  const listeners = new Listeners<() => void>();

  const changed = (): void => {
    forgotten += (current?.counts.remembered ?? 0) + (current?.counts.forgotten ?? 0);
    current = undefined;
    changes++;
    if (isTelling) return;
    isTelling = true;
    queueMicrotask(() => {
      isTelling = false;
      listeners.each((listener) => listener());
    });
  };

  const roles = createRoles(settings, changed);

  const rulesInForce = (): ReadyRule[] => [
    ...configured,
    ...[...roles.all()].flatMap(({ name, rules }) =>
      rules.map((rule, index) => readyRule(rule, { kind: 'role', role: name }, index)),
    ),
  ];

  const isOpen = ({ userName, tenant, listener }: Principal): boolean => {
    if (config.noMatch !== 'auto') return config.noMatch === 'allow';
    return userName === undefined && tenant === '' && isOpenListener(listener);
  };

  const views = (): Views => {
    current ??= createViews({
      rules: rulesInForce(),
      isOpen,
      isUnreadableRole: roles.isUnreadable,
      nextClass() {
        lastClass = lastClass === LAST_CLASS ? 1 : lastClass + 1;
        return lastClass;
      },
    });
    return current;
  };

  const refuse = (reason: DecisionReason, rule?: ReadyRule): Decision => ({
    isAllowed: false,
    isPartial: false,
    reason,
    rule: rule?.reference,
  });
  const allow = (reason: DecisionReason, rule?: ReadyRule, isPartial = false): Decision => ({
    isAllowed: true,
    isPartial,
    reason,
    rule: rule?.reference,
  });

  /** What holds before any rule is asked. */
  const beforeRules = (view: View, action: Action, levels: Levels): Decision | undefined => {
    if (action !== 'manage' && isReserved(levels, action === 'publish')) return refuse('reserved');
    if (isOfTenants(levels) && (view.standing !== 'superuser' || view.hasTenant)) return refuse('reserved');
    if (action === 'publish' && isNameless(levels)) return refuse('reserved');
    if (view.standing === 'superuser') return allow('superuser');
    return view.standing === 'blocked' ? refuse('unreadable-rules') : undefined;
  };

  const decideTopic = (view: View, action: Action, levels: Levels): Decision => {
    const before = beforeRules(view, action, levels);
    if (before !== undefined) return before;
    const found = view.policy.match(levels, action, view.values);
    if (found.deny !== undefined) return refuse('rule', found.deny);
    if (found.allow !== undefined) return allow('rule', found.allow);
    return view.isOpen && !needsRule(levels, action === 'publish') ? allow('no-match') : refuse('no-match');
  };

  const decideFilter = (view: View, action: Action, levels: Levels): Decision => {
    const before = beforeRules(view, action, levels);
    if (before !== undefined) return before;
    const { policy, values } = view;
    const found = policy.cover(levels, action, values);
    if (found.deny !== undefined) return refuse('rule', found.deny);
    const isOpenFor = view.isOpen && !needsRule(levels, action === 'publish');
    if (found.allow !== undefined || isOpenFor) {
      const isPartial = policy.overlaps(levels, action, 'deny', values);
      return allow(found.allow === undefined ? 'no-match' : 'rule', found.allow, isPartial);
    }
    if (!policy.overlaps(levels, action, 'allow', values)) return refuse('no-match');
    const isNarrowed = action === 'subscribe' && config.wideSubscriptions === 'narrow';
    return isNarrowed ? allow('too-wide', undefined, true) : refuse('too-wide');
  };

  const decide = (view: View, action: Action, address: Name, isFilter: boolean): Decision => {
    decided++;
    const text = textOf(address);
    const levels = text === undefined ? undefined : isFilter ? levelsOfFilter(text) : levelsOfTopic(text);
    if (levels === undefined) return refuse('malformed');
    return isFilter ? decideFilter(view, action, levels) : decideTopic(view, action, levels);
  };

  const answer = (principal: Principal, question: Question, name: Name): Answer => {
    const view = views().of(principal);
    const key = keyOf(name);
    const known = view.decisions[question]?.get(key);
    if (known !== undefined) return known;
    const action = question === Question.Publish ? 'publish' : 'subscribe';
    const { isAllowed, isPartial } = decide(view, action, name, question === Question.Subscribe);
    const fresh = isAllowed && isPartial ? 'partly' : isAllowed;
    views().remember(view, question, key, fresh);
    return fresh;
  };

  return {
    roles,
    get config() {
      return config;
    },
    decide: (principal, action, address, isFilter = false) =>
      decide(views().of(principal), action, address, isFilter),
    mayPublish: (principal, topic) => answer(principal, Question.Publish, topic) === true,
    maySubscribe: (principal, filter) => answer(principal, Question.Subscribe, filter),
    mayReceive: (principal, topic) => answer(principal, Question.Receive, topic) === true,
    hasDenialsWithin: (principal, filter) => answer(principal, Question.Subscribe, filter) !== true,
    mayUse(principal, scope) {
      // Scopes are about the node, which is not one tenant's.
      if (principal.tenant !== '') return false;
      if (principal.isSuperuser) return true;
      if (principal.roles.some(roles.isUnreadable)) return false;
      return principal.roles.some((name) => includesScope(roles.get(name)?.scopes ?? [], scope));
    },
    publisherClass: (principal) => views().of(principal).publisherClass,
    viewOf: (principal) => views().of(principal),
    explain(principal, action, address, isFilter = false) {
      const view = views().of(principal);
      const text = textOf(address);
      const levels = text === undefined ? undefined : isFilter ? levelsOfFilter(text) : levelsOfTopic(text);
      const own = principal.rules
        .map((rule, index) => readyRule(rule, { kind: 'credential' }, index))
        .filter(({ rule }) => ruleProblem(rule) === undefined);
      return {
        decision: decide(view, action, address, isFilter),
        considered: createConsidered([...own, ...rulesInForce()], {
          principal,
          action,
          levels,
          isFilter,
          values: view.values,
        }),
      };
    },
    reload(next) {
      configured = readyConfigured(next.rules);
      config = next;
      changed();
    },
    onChange: (listener) => listeners.add(listener),
    counters: () => ({
      decided,
      remembered: current?.counts.remembered ?? 0,
      forgotten: forgotten + (current?.counts.forgotten ?? 0),
      views: current?.counts.views ?? 0,
      changes,
    }),
  };
}
