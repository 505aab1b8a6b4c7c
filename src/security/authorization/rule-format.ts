/**
 * Rules as they are kept and sent: plain data. What is not exactly a rule is none, since a condition that is not understood
 * would make an allowance wider.
 */
import type { Action, Protocol, Rule } from '../security.ts';
import { ACTIONS, ruleProblem } from './rules.ts';

const PROTOCOLS: readonly Protocol[] = ['mqtt', 'kafka', 'http'];
const LISTS = ['users', 'clientIds', 'roles', 'tenants', 'protocols', 'listeners', 'networks'] as const;
const KNOWN = new Set<string>(['effect', 'actions', 'filters', 'isAnonymous', ...LISTS]);

export type ReadRule =
  | { readonly rule: Rule; readonly problem?: undefined }
  | { readonly problem: string; readonly rule?: undefined };

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');

const isAction = (text: string): text is Action => ACTIONS.some((action) => action === text);
const isProtocol = (text: string): text is Protocol => PROTOCOLS.some((protocol) => protocol === text);

export function readRule(value: unknown): ReadRule {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problem: 'a rule is an object' };
  const fields = new Map<string, unknown>(Object.entries(value));
  const unknown = [...fields.keys()].find((key) => !KNOWN.has(key));
  if (unknown !== undefined) return { problem: `a rule has no ${JSON.stringify(unknown)}` };
  const [effect, actions, filters, isAnonymous] = ['effect', 'actions', 'filters', 'isAnonymous'].map((key) =>
    fields.get(key),
  );
  if (effect !== 'allow' && effect !== 'deny') return { problem: 'effect is allow or deny' };
  if (!isTexts(actions) || !actions.every(isAction)) return { problem: `actions are ${ACTIONS.join(', ')}` };
  if (!isTexts(filters)) return { problem: 'filters are a list of texts' };
  if (isAnonymous !== undefined && typeof isAnonymous !== 'boolean') {
    return { problem: 'isAnonymous is true or false' };
  }
  const conditions: Partial<Record<(typeof LISTS)[number], readonly string[]>> = {};
  for (const key of LISTS) {
    const list = fields.get(key);
    if (list === undefined) continue;
    if (!isTexts(list)) return { problem: `${key} are a list of texts` };
    conditions[key] = list;
  }
  const { protocols, ...others } = conditions;
  if (protocols !== undefined && !protocols.every(isProtocol)) {
    return { problem: `protocols are ${PROTOCOLS.join(', ')}` };
  }
  const rule: Rule = {
    effect,
    actions,
    filters,
    ...others,
    ...(protocols === undefined ? {} : { protocols: protocols.filter(isProtocol) }),
    ...(isAnonymous === undefined ? {} : { isAnonymous }),
  };
  const problem = ruleProblem(rule);
  return problem === undefined ? { rule } : { problem };
}

/** The rules of a list, or the first problem with the place where it is. */
export function readRules(
  value: unknown,
): { readonly rules: readonly Rule[]; readonly problem?: undefined } | { readonly problem: string } {
  if (!Array.isArray(value)) return { problem: 'rules are a list' };
  const rules: Rule[] = [];
  for (const [index, each] of value.entries()) {
    const { rule, problem } = readRule(each);
    if (rule === undefined) return { problem: `rule ${index}: ${problem}` };
    rules.push(rule);
  }
  return { rules };
}
