/**
 * Access control lists: rules by principal, host, operation and resource, and what they come to. A rule that denies wins
 * over all that allow; what no rule allows is refused. Decisions are remembered until a rule changes.
 */
import { Listeners } from '../../../kernel/listeners.ts';
import { type Subject, tenantNameOf } from './subject.ts';
import { allowing, EVERY_OPERATION, Operation, PatternType, Permission, ResourceType } from './vocabulary.ts';

export interface Acl {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly patternType: number;
  readonly principal: string;
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
  /** Whose rule it is: it is about names of that tenant, for its users. */
  readonly tenant: string;
}

/** null is anything; so is the number for Any. */
export interface AclFilter {
  readonly resourceType: number;
  readonly resourceName: string | null;
  readonly patternType: number;
  readonly principal: string | null;
  readonly host: string | null;
  readonly operation: number;
  readonly permissionType: number;
  readonly tenant: string;
}

export const ANY_NAME = '*';
export const ANY_PRINCIPAL = 'User:*';
export const ANY_HOST = '*';

const ANY = 1;
/** Decisions and subjects that are remembered; above, all are forgotten. */
const MAX_REMEMBERED = 65_536;
const MAX_SUBJECTS = 4096;
/** Decisions about longer names are not remembered: they would be more memory than work. */
const MAX_NAME_CHARS = 1024;

const is = (filter: number, value: number): boolean => filter === ANY || filter === value;

function namePasses({ patternType, resourceName }: AclFilter, acl: Acl): boolean {
  if (patternType === PatternType.Match) {
    if (resourceName === null) return true;
    if (acl.patternType === PatternType.Prefixed) return resourceName.startsWith(acl.resourceName);
    return acl.resourceName === resourceName || acl.resourceName === ANY_NAME;
  }
  return is(patternType, acl.patternType) && (resourceName === null || resourceName === acl.resourceName);
}

export const passes = (filter: AclFilter, acl: Acl): boolean =>
  filter.tenant === acl.tenant &&
  is(filter.resourceType, acl.resourceType) &&
  is(filter.operation, acl.operation) &&
  is(filter.permissionType, acl.permissionType) &&
  (filter.principal === null || filter.principal === acl.principal) &&
  (filter.host === null || filter.host === acl.host) &&
  namePasses(filter, acl);

const bit = (operation: number): number => 1 << operation;
const IMPLY_DESCRIBE =
  bit(Operation.Read) | bit(Operation.Write) | bit(Operation.Delete) | bit(Operation.Alter);

/** Who may change something may see it; a denial is of what it says. */
function operationsOf({ operation, permissionType }: Acl): number {
  if (operation === Operation.All) return EVERY_OPERATION;
  let operations = bit(operation);
  if (permissionType !== Permission.Allow) return operations;
  if ((operations & IMPLY_DESCRIBE) !== 0) operations |= bit(Operation.Describe);
  if (operation === Operation.AlterConfigs) operations |= bit(Operation.DescribeConfigs);
  return operations;
}

const concerns = (acl: Acl, { principal, remoteAddress }: Subject): boolean =>
  (acl.principal === principal || acl.principal === ANY_PRINCIPAL) &&
  (acl.host === remoteAddress || acl.host === ANY_HOST);

/** Rules of one type of resource, found by the name that they are about. */
class RulesOfType {
  readonly literal = new Map<string, Set<Acl>>();
  readonly prefixed = new Map<string, Set<Acl>>();
  /** How many prefixes there are of each length. */
  readonly lengths = new Map<number, number>();

  add(acl: Acl): void {
    const isPrefix = acl.patternType === PatternType.Prefixed;
    const by = isPrefix ? this.prefixed : this.literal;
    const known = by.get(acl.resourceName);
    if (known !== undefined) {
      known.add(acl);
      return;
    }
    by.set(acl.resourceName, new Set([acl]));
    if (!isPrefix) return;
    const { length } = acl.resourceName;
    this.lengths.set(length, (this.lengths.get(length) ?? 0) + 1);
  }

  remove(acl: Acl): void {
    const isPrefix = acl.patternType === PatternType.Prefixed;
    const by = isPrefix ? this.prefixed : this.literal;
    const known = by.get(acl.resourceName);
    known?.delete(acl);
    if (known === undefined || known.size > 0) return;
    by.delete(acl.resourceName);
    if (!isPrefix) return;
    const { length } = acl.resourceName;
    const left = (this.lengths.get(length) ?? 1) - 1;
    if (left === 0) this.lengths.delete(length);
    else this.lengths.set(length, left);
  }

  *about(name: string): Iterable<Acl> {
    yield* this.literal.get(name) ?? [];
    if (name !== ANY_NAME) yield* this.literal.get(ANY_NAME) ?? [];
    for (const length of this.lengths.keys()) {
      if (length <= name.length) yield* this.prefixed.get(name.slice(0, length)) ?? [];
    }
  }

  *all(): Iterable<Acl> {
    for (const acls of this.literal.values()) yield* acls;
    for (const acls of this.prefixed.values()) yield* acls;
  }
}

export interface Acls {
  /** Operations that rules allow, and that they deny; see `allowing`. */
  said(subject: Subject, type: ResourceType, name: string): number;
  /** Whether there is any name that rules allow it for. */
  allowsAny(subject: Subject, operation: Operation, type: ResourceType): boolean;
  /** At most once a turn. Returns how to stop it. */
  onChange(listener: () => void): () => void;
  readonly count: number;
  /** `key` names the rule: the same rule has the same one. */
  set(key: string, acl: Acl): void;
  delete(key: string): void;
  list(): Iterable<readonly [key: string, acl: Acl]>;
}

export interface AclOptions {
  /** Principals who may do everything, whatever rules say. */
  readonly superUsers: readonly string[];
}

/** What one principal from one address may do: operations by type and name. */
type Known = Map<string, number>[];

export function createAcls(options: AclOptions): Acls {
  const superUsers = new Set(options.superUsers);
  const rules = new Map<string, Acl>();
  const byTenant = new Map<string, readonly RulesOfType[]>();
  let subjects = new Map<string, Known>();
  let recent = new WeakMap<Subject, { readonly principal: string; readonly known: Known }>();
  let remembered = 0;

  const typesOf = (tenant: string): readonly RulesOfType[] => {
    let types = byTenant.get(tenant);
    if (types === undefined) {
      types = Array.from(Object.values(ResourceType), () => new RulesOfType());
      byTenant.set(tenant, types);
    }
    return types;
  };
  const rulesOf = (subject: Subject, type: ResourceType): RulesOfType | undefined =>
    byTenant.get(tenantNameOf(subject))?.[type];
  /** The node's superusers are nobody in a tenant that has somebody of that name. */
  const isSuper = (subject: Subject): boolean =>
    tenantNameOf(subject) === '' && superUsers.has(subject.principal);

  const forget = (): void => {
    subjects = new Map();
    recent = new WeakMap();
    remembered = 0;
  };

  const knownOf = (subject: Subject): Known => {
    const { principal, remoteAddress } = subject;
    const last = recent.get(subject);
    // A connection that authenticates again keeps its principal; only its first time changes it.
    if (last?.principal === principal) return last.known;
    const key = `${remoteAddress} ${tenantNameOf(subject)} ${principal}`;
    let known = subjects.get(key);
    if (known === undefined) {
      if (subjects.size >= MAX_SUBJECTS) forget();
      known = Array.from(Object.values(ResourceType), () => new Map());
      subjects.set(key, known);
    }
    recent.set(subject, { principal, known });
    return known;
  };

  const decide = (subject: Subject, type: ResourceType, name: string): number => {
    let allowed = 0;
    let denied = 0;
    for (const acl of rulesOf(subject, type)?.about(name) ?? []) {
      if (!concerns(acl, subject)) continue;
      if (acl.permissionType === Permission.Allow) allowed |= operationsOf(acl);
      else denied |= operationsOf(acl);
    }
    return allowing(allowed, denied);
  };

  const listeners = new Listeners<() => void>();
  let isTelling = false;
  const changed = (): void => {
    forget();
    if (isTelling || listeners.count === 0) return;
    isTelling = true;
    queueMicrotask(() => {
      isTelling = false;
      listeners.each((listener) => listener());
    });
  };

  const said = (subject: Subject, type: ResourceType, name: string): number => {
    if (isSuper(subject)) return allowing(EVERY_OPERATION, 0);
    const found = knownOf(subject)[type]?.get(name);
    if (found !== undefined) return found;
    const decided = decide(subject, type, name);
    if (name.length > MAX_NAME_CHARS) return decided;
    if (remembered >= MAX_REMEMBERED) forget();
    knownOf(subject)[type]?.set(name, decided);
    remembered++;
    return decided;
  };

  return {
    said,
    onChange: (listener) => listeners.add(listener),
    allowsAny(subject, operation, type) {
      if (isSuper(subject)) return true;
      const mine = [...(rulesOf(subject, type)?.all() ?? [])].filter(
        (acl) => concerns(acl, subject) && (operationsOf(acl) & bit(operation)) !== 0,
      );
      const denials = mine.filter(({ permissionType }) => permissionType === Permission.Deny);
      const isDenied = ({ resourceName, patternType }: Acl): boolean =>
        denials.some((denial) => {
          if (denial.patternType === PatternType.Prefixed)
            return resourceName.startsWith(denial.resourceName);
          if (denial.resourceName === ANY_NAME) return true;
          return patternType === PatternType.Literal && denial.resourceName === resourceName;
        });
      return mine.some((acl) => acl.permissionType === Permission.Allow && !isDenied(acl));
    },

    get count() {
      return rules.size;
    },
    set(key, acl) {
      const old = rules.get(key);
      if (old !== undefined) typesOf(old.tenant)[old.resourceType]?.remove(old);
      rules.set(key, acl);
      typesOf(acl.tenant)[acl.resourceType]?.add(acl);
      changed();
    },
    delete(key) {
      const old = rules.get(key);
      if (old === undefined) return;
      rules.delete(key);
      typesOf(old.tenant)[old.resourceType]?.remove(old);
      changed();
    },
    list: () => rules,
  };
}
