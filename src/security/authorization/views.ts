/**
 * What one principal's decisions depend on, shared by all principals for whom it is the same: the policy of the rules that
 * are about them, what placeholders stand for, and what holds where no rule does. Decisions are remembered there.
 */
import { createHash } from 'node:crypto';
import type { Principal } from '../security.ts';
import { type Placeholder, usableValue, type Values } from './filters.ts';
import { createPolicy, type Policy } from './policy.ts';
import { actionBit, createRuleBook, type ReadyRule, type RuleBook, readyRule, ruleProblem } from './rules.ts';

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

function placeholdersOf(rules: readonly ReadyRule[]): Placeholder[] {
  return ORDER.filter((placeholder) => rules.some(({ placeholders }) => placeholders.has(placeholder)));
}

/** Of rules that came with the credential; undefined where one of them makes no sense. */
function readyOwn(principal: Principal): readonly ReadyRule[] | undefined {
  if (principal.rules.some((rule) => ruleProblem(rule) !== undefined)) return undefined;
  const ready = principal.rules.map((rule, index) => readyRule(rule, { kind: 'credential' }, index));
  return createRuleBook(ready)
    .fitting(principal)
    .flatMap((number) => ready[number] ?? []);
}

export function createViews({ rules, isOpen, isUnreadableRole, nextClass }: ViewsOptions): Views {
  const book: RuleBook = createRuleBook(rules);
  const known = new WeakMap<Principal, View>();
  const views = new Map<string, View>();
  const policies = new Map<string, Policy>();
  const classes = new Map<string, number>();
  const filled = new Set<Map<string, Answer>>();
  const counts: ViewCounts = { views: 0, remembered: 0, forgotten: 0 };

  const policyOf = (fitting: readonly number[], own: readonly ReadyRule[]): Policy => {
    const make = (): Policy =>
      createPolicy([...own, ...fitting.flatMap((number) => book.rules[number] ?? [])]);
    if (own.length > 0) return make();
    const key = fitting.join();
    let policy = policies.get(key);
    if (policy === undefined) {
      if (policies.size >= MAX_POLICIES) policies.clear();
      policy = make();
      policies.set(key, policy);
    }
    return policy;
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
    const fitting = isByRules ? book.fitting(principal) : [];
    const values = valuesOf(principal);
    const { tenant } = principal;
    const isOpenFor = isOpen(principal);

    const sharing = (isConcerned: (rule: ReadyRule) => boolean): Sharing => {
      const numbers = fitting.filter((number) => {
        const rule = book.rules[number];
        return rule !== undefined && isConcerned(rule);
      });
      const about = [...mine.filter(isConcerned), ...numbers.flatMap((number) => book.rules[number] ?? [])];
      const placeholders = placeholdersOf(about);
      const meant = placeholders.map((placeholder) => values[placeholder] ?? null);
      // The same rules fit whose credentials say the same only if they meet the same conditions.
      const brought =
        mine.length === 0 ? [] : [principal.rules, mine.map(({ reference }) => reference.index)];
      return {
        isAlone: placeholders.includes('clientid'),
        key: digest([standing, isOpenFor, tenant, placeholders, meant, numbers, brought]),
      };
    };

    const whole = sharing(() => true);
    const same = whole.isAlone ? undefined : views.get(whole.key);
    if (same !== undefined) return same;
    const view: View = {
      standing,
      policy: policyOf(fitting, mine),
      values,
      isOpen: isOpenFor,
      hasTenant: tenant !== '',
      publisherClass: classOf(sharing(({ actions }) => (actions & PUBLISH) !== 0)),
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
