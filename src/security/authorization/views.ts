/**
 * What one principal's decisions depend on, shared by all principals for whom it is the same: the policy of the rules that
 * are about them, what placeholders stand for, and what holds where no rule does. Decisions are remembered there.
 */
import { createHash } from 'node:crypto';
import type { Placeholder } from '../../config/rule-filter.ts';
import type { Principal } from '../security.ts';
import { usableValue, type Values } from './filters.ts';
import { createPolicy, type Policy, together } from './policy.ts';
import {
  actionBit,
  createRuleBook,
  type Fitting,
  type ReadyRule,
  readyRule,
  ruleProblem,
  unmetCondition,
} from './rules.ts';

/** 'blocked': a rule about the principal cannot be read, so that its denials are not known. */
export type Standing = 'superuser' | 'blocked' | 'by rules';

export interface View {
  readonly standing: Standing;
  readonly policy: Policy;
  readonly values: Values;
  /** What nothing is said about is allowed. */
  readonly isOpen: boolean;
  readonly hasTenant: boolean;
  readonly publisherClass: number;
  /** What was decided, by question; made when the first is remembered: there may be a view for each client. */
  readonly decisions: [Decided, Decided, Decided];
}

/** By what was asked about. */
type Decided = Map<string, Answer> | undefined;
export type Answer = boolean | 'partly';

export const Question = { Publish: 0, Receive: 1, Subscribe: 2 } as const;
export type Question = (typeof Question)[keyof typeof Question];

export interface ViewsOptions {
  /** Configuration's and roles'. */
  readonly rules: readonly ReadyRule[];
  readonly isOpen: (principal: Principal) => boolean;
  readonly isUnreadableRole: (name: string) => boolean;
  /** Gives each number once. */
  readonly nextClass: () => number;
}

export interface Views {
  of(principal: Principal): View;
  remember(view: View, question: Question, key: string, answer: Answer): void;
  readonly counts: ViewCounts;
}

/** With whom something is shared: nobody, or all for whom the key is the same. */
interface Sharing {
  readonly isAlone: boolean;
  readonly key: string;
}

export interface ViewCounts {
  views: number;
  remembered: number;
  forgotten: number;
}

const MAX_VIEWS = 16_384;
const MAX_POLICIES = 4096;
const MAX_REMEMBERED = 131_072;
/** Of one view and kind: a client that thinks of ever new topics forgets its own decisions first. */
const MAX_REMEMBERED_EACH = 8192;
const PUBLISH = actionBit('publish');
const ANY = -1;
const NOTHING: Fitting = { shared: [], named: [] };

const ORDER: readonly Placeholder[] = ['clientid', 'username', 'certname', 'tenant'];

function valuesOf({ clientId, userName, certificateName, tenant }: Principal): Values {
  return {
    clientid: usableValue(clientId),
    username: usableValue(userName),
    certname: usableValue(certificateName),
    tenant: usableValue(tenant),
  };
}

/** Short, whatever goes in. */
const digest = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64');

/** Of rules that are about one of the actions. */
function placeholdersOf(rules: readonly ReadyRule[], actions: number): Placeholder[] {
  return rules.flatMap((rule) => ((rule.actions & actions) === 0 ? [] : [...rule.placeholders]));
}

/** Of rules that came with the credential; undefined where one of them makes no sense. */
function readyOwn(principal: Principal): readonly ReadyRule[] | undefined {
  if (principal.rules.some((rule) => ruleProblem(rule) !== undefined)) return undefined;
  return principal.rules
    .map((rule, index) => readyRule(rule, { kind: 'credential' }, index))
    .filter((rule) => unmetCondition(rule, principal) === undefined);
}

export function createViews({ rules, isOpen, isUnreadableRole, nextClass }: ViewsOptions): Views {
  const book = createRuleBook(rules);
  const known = new WeakMap<Principal, View>();
  const views = new Map<string, View>();
  const policies = new Map<string, Policy>();
  const classes = new Map<string, number>();
  const filled = new Set<Map<string, Answer>>();
  const counts: ViewCounts = { views: 0, remembered: 0, forgotten: 0 };

  const orders = new Map(rules.map((rule, order) => [rule, order]));
  /** What came with the credential is named first. */
  const orderOf = (rule: ReadyRule): number => orders.get(rule) ?? -1;
  const rulesOf = (numbers: readonly number[]): ReadyRule[] =>
    numbers.flatMap((number) => rules[number] ?? []);
  const rulesForAll = rulesOf(book.forAll);
  const policyForAll = createPolicy(rulesForAll);
  const placeholdersForAll = {
    any: placeholdersOf(rulesForAll, ANY),
    publish: placeholdersOf(rulesForAll, PUBLISH),
  };

  const policyOfNumbers = (numbers: readonly number[]): Policy => {
    const key = numbers.join();
    let policy = policies.get(key);
    if (policy === undefined) {
      if (policies.size >= MAX_POLICIES) policies.clear();
      policy = createPolicy(rulesOf(numbers));
      policies.set(key, policy);
    }
    return policy;
  };

  const policyOf = ({ shared, named }: Fitting, own: readonly ReadyRule[]): Policy => {
    const layers: Policy[] = [];
    if (own.length > 0) layers.push(createPolicy(own));
    if (named.length > 0) layers.push(policyOfNumbers(named));
    if (shared.length > 0) layers.push(policyOfNumbers(shared));
    return layers.length === 0 ? policyForAll : together([...layers, policyForAll], orderOf);
  };

  const classOf = ({ isAlone, key }: Sharing): number => {
    if (isAlone) return nextClass();
    let number = classes.get(key);
    if (number === undefined) {
      // Forgetting costs the flows of those publishers, once.
      if (classes.size >= MAX_VIEWS) classes.clear();
      number = nextClass();
      classes.set(key, number);
    }
    return number;
  };

  const make = (principal: Principal): View => {
    const own = readyOwn(principal);
    const isBlocked = own === undefined || principal.roles.some(isUnreadableRole);
    const standing: Standing = principal.isSuperuser ? 'superuser' : isBlocked ? 'blocked' : 'by rules';
    const isByRules = standing === 'by rules';
    const mine = isByRules ? (own ?? []) : [];
    const fitting = isByRules ? book.fitting(principal) : NOTHING;
    const values = valuesOf(principal);
    const { tenant } = principal;
    const isOpenFor = isOpen(principal);
    // The same rules came with two credentials; they are in force for both only if both meet their conditions.
    const brought = mine.length === 0 ? [] : [principal.rules, mine.map(({ reference }) => reference.index)];

    const sharing = (actions: number): Sharing => {
      const numbers = [...fitting.shared, ...fitting.named].filter(
        (number) => ((rules[number]?.actions ?? 0) & actions) !== 0,
      );
      const placeholders = new Set([
        ...(actions === PUBLISH ? placeholdersForAll.publish : placeholdersForAll.any),
        ...placeholdersOf([...mine, ...rulesOf(numbers)], actions),
      ]);
      const meant = ORDER.map((placeholder) =>
        placeholders.has(placeholder) ? (values[placeholder] ?? false) : true,
      );
      return {
        isAlone: isByRules && placeholders.has('clientid'),
        key: digest([standing, isOpenFor, tenant, meant, numbers, brought]),
      };
    };

    const whole = sharing(ANY);
    const same = whole.isAlone ? undefined : views.get(whole.key);
    if (same !== undefined) return same;
    const view: View = {
      standing,
      policy: isByRules ? policyOf(fitting, mine) : policyForAll,
      values,
      isOpen: isOpenFor,
      hasTenant: tenant !== '',
      publisherClass: classOf(sharing(PUBLISH)),
      decisions: [undefined, undefined, undefined],
    };
    counts.views++;
    if (!whole.isAlone) {
      if (views.size >= MAX_VIEWS) views.clear();
      views.set(whole.key, view);
    }
    return view;
  };

  return {
    counts,
    of(principal) {
      let view = known.get(principal);
      if (view === undefined) {
        view = make(principal);
        known.set(principal, view);
      }
      return view;
    },
    remember(view, question, key, answer) {
      if (counts.remembered >= MAX_REMEMBERED) {
        counts.forgotten += counts.remembered;
        counts.remembered = 0;
        for (const each of filled) each.clear();
        filled.clear();
      }
      let decided = view.decisions[question];
      if (decided === undefined) {
        decided = new Map();
        view.decisions[question] = decided;
      }
      if (decided.size >= MAX_REMEMBERED_EACH) {
        counts.remembered -= decided.size;
        counts.forgotten += decided.size;
        decided.clear();
      }
      decided.set(key, answer);
      filled.add(decided);
      counts.remembered++;
    },
  };
}
