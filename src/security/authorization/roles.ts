/**
 * Roles: rules and scopes under a name that users, tokens and keys carry. Three are built in; the others are durable settings.
 * Whoever has a role whose stored form cannot be read is refused everything: its denials are not known.
 */
import type { Settings } from '../../kernel/settings-table.ts';
import type { Rule } from '../security.ts';
import { SettingKind } from '../setting-kinds.ts';
import { readRules } from './rule-format.ts';
import { ruleProblem } from './rules.ts';
import { EVERY_SCOPE, scopesOf, scopesProblem } from './scopes.ts';

export interface Role {
  readonly name: string;
  readonly description: string;
  /** What its holders may do to the node. */
  readonly scopes: readonly string[];
  readonly rules: readonly Rule[];
  readonly isBuiltIn: boolean;
}

export type NewRole = Omit<Role, 'isBuiltIn'>;

export type RoleOutcome =
  | { readonly type: 'changed' }
  | { readonly type: 'exists' | 'missing' | 'built-in' | 'full' | 'failed' }
  | { readonly type: 'invalid'; readonly problem: string };

export interface RolePage {
  readonly roles: readonly Role[];
  /** Asks for what follows; undefined at the end. */
  readonly next: string | undefined;
}

export interface Roles {
  get(name: string): Role | undefined;
  /** By name; those built in first. */
  list(page: { readonly after?: string | undefined; readonly limit: number }): RolePage;
  create(role: NewRole): Promise<RoleOutcome>;
  update(role: NewRole): Promise<RoleOutcome>;
  delete(name: string): Promise<RoleOutcome>;
  /** All that there are, for who decides by them. */
  all(): Iterable<Role>;
  isUnreadable(name: string): boolean;
}

const VERSION = 1;
const MAX_RULES = 1000;
const encoder = new TextEncoder();

const EVERYTHING: Rule = { effect: 'allow', actions: ['publish', 'subscribe', 'manage'], filters: ['#'] };
const STATUS: Rule = { effect: 'allow', actions: ['subscribe'], filters: ['$SYS/#'] };

const BUILT_IN: readonly Role[] = [
  {
    name: 'admin',
    description: 'Everything.',
    scopes: [EVERY_SCOPE],
    rules: [EVERYTHING, STATUS],
    isBuiltIn: true,
  },
  {
    name: 'operator',
    description: 'Runs the node: all but who may do what, configuration and backups.',
    scopes: scopesOf('operator'),
    rules: [{ ...EVERYTHING, actions: ['manage'] }, STATUS],
    isBuiltIn: true,
  },
  {
    name: 'viewer',
    description: 'Sees what there is, and no messages.',
    scopes: scopesOf('viewer'),
    rules: [STATUS],
    isBuiltIn: true,
  },
];

export function roleProblem({ name, description, scopes, rules }: NewRole): string | undefined {
  if (!/^[\w.@-]{1,64}$/.test(name)) return 'a name has 1 to 64 letters, digits, and . _ @ -';
  if (description.length > 1024) return 'a description has at most 1024 characters';
  if (rules.length > MAX_RULES) return `a role has at most ${MAX_RULES} rules`;
  for (const [index, rule] of rules.entries()) {
    const problem = ruleProblem(rule);
    if (problem !== undefined) return `rule ${index}: ${problem}`;
  }
  return scopesProblem(scopes);
}

function encode({ description, scopes, rules }: NewRole): Uint8Array {
  return encoder.encode(JSON.stringify({ version: VERSION, description, scopes, rules }));
}

function decode(name: string, value: Uint8Array): Role | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(value).toString());
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { version, description, scopes, rules } = parsed as Readonly<Record<string, unknown>>;
  const read = readRules(rules);
  if (version !== VERSION || typeof description !== 'string' || read.problem !== undefined) return undefined;
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string')) return undefined;
  return { name, description, scopes, rules: read.rules, isBuiltIn: false };
}

/** What the settings have of a role, for who takes them from one node to another. */
export const roleRecords = {
  faultOf: (role: NewRole): string | undefined =>
    BUILT_IN.some(({ name }) => name === role.name) ? 'the role is built in' : roleProblem(role),
  encode,
  decode,
};

/** `changed` runs after every change, and for what there is at the start. */
export function createRoles(settings: Settings, changed: () => void): Roles {
  const builtIn = new Map(BUILT_IN.map((role) => [role.name, role]));
  const stored = new Map<string, Role>();
  const unreadable = new Set<string>();

  settings.watch(SettingKind.Role, (name, value) => {
    stored.delete(name);
    unreadable.delete(name);
    if (value !== undefined) {
      const role = decode(name, value);
      if (role === undefined) unreadable.add(name);
      else stored.set(name, role);
    }
    changed();
  });

  const write = async (
    name: string,
    mayBe: 'missing' | 'exists',
    value: Uint8Array | undefined,
  ): Promise<RoleOutcome> => {
    if (builtIn.has(name)) return { type: 'built-in' };
    let isWrong = false;
    const outcome = await settings.change(() => {
      const is = settings.get(SettingKind.Role, name) === undefined ? 'missing' : 'exists';
      isWrong = is !== mayBe;
      return isWrong ? [] : [{ kind: SettingKind.Role, name, value }];
    });
    if (isWrong) return { type: mayBe === 'missing' ? 'exists' : 'missing' };
    return { type: outcome };
  };

  return {
    get: (name) => builtIn.get(name) ?? stored.get(name),
    list({ after, limit }) {
      const names = [...builtIn.keys(), ...[...stored.keys()].toSorted()];
      const start = after === undefined ? 0 : names.findIndex((name) => isBehind(name, after));
      const found = start < 0 ? [] : names.slice(start, start + limit);
      const roles = found.flatMap((name) => builtIn.get(name) ?? stored.get(name) ?? []);
      const isEnd = start < 0 || start + limit >= names.length;
      return { roles, next: isEnd ? undefined : found.at(-1) };
    },
    async create(role) {
      const problem = roleProblem(role);
      return problem === undefined ? write(role.name, 'missing', encode(role)) : { type: 'invalid', problem };
    },
    async update(role) {
      const problem = roleProblem(role);
      return problem === undefined ? write(role.name, 'exists', encode(role)) : { type: 'invalid', problem };
    },
    delete: (name) => write(name, 'exists', undefined),
    *all() {
      yield* builtIn.values();
      yield* stored.values();
    },
    isUnreadable: (name) => unreadable.has(name),
  };

  /** In the order of the list, so that a page follows one whose last role is gone. */
  function isBehind(name: string, after: string): boolean {
    const names = [...builtIn.keys()];
    const rank = (each: string): number => {
      const at = names.indexOf(each);
      return at < 0 ? names.length : at;
    };
    return rank(name) === rank(after) ? name > after : rank(name) > rank(after);
  }
}
