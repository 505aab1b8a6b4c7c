/**
 * What may be done to the node itself, as opposed to addresses: scopes of administrators' operations, and which of them the
 * built-in roles have. A scope that is not in this table is nobody's but the administrators'.
 */
type BuiltIn = 'operator' | 'viewer';

const BOTH: readonly BuiltIn[] = ['operator', 'viewer'];
const OPERATOR: readonly BuiltIn[] = ['operator'];
const ADMINISTRATOR: readonly BuiltIn[] = [];

const HOLDERS = {
  'status:read': BOTH,
  'metrics:read': BOTH,
  'events:read': BOTH,
  'clients:read': BOTH,
  'clients:write': OPERATOR,
  'sessions:read': BOTH,
  'sessions:write': OPERATOR,
  'subscriptions:read': BOTH,
  'subscriptions:write': OPERATOR,
  'queues:read': BOTH,
  'queues:write': OPERATOR,
  'retained:read': BOTH,
  'retained:write': OPERATOR,
  'delayed:read': BOTH,
  'delayed:write': OPERATOR,
  'streams:read': BOTH,
  'streams:write': OPERATOR,
  'topics:read': BOTH,
  'topics:write': OPERATOR,
  'groups:read': BOTH,
  'groups:write': OPERATOR,
  'schemas:read': BOTH,
  'schemas:write': OPERATOR,
  'rules:read': BOTH,
  'rules:write': OPERATOR,
  'connectors:read': BOTH,
  'connectors:write': ADMINISTRATOR,
  'messages:read': OPERATOR,
  'messages:write': OPERATOR,
  'bans:read': OPERATOR,
  'bans:write': OPERATOR,
  'node:write': OPERATOR,
  'config:read': OPERATOR,
  'config:write': ADMINISTRATOR,
  'backup:read': ADMINISTRATOR,
  'backup:write': ADMINISTRATOR,
  'users:read': ADMINISTRATOR,
  'users:write': ADMINISTRATOR,
  'roles:read': ADMINISTRATOR,
  'roles:write': ADMINISTRATOR,
  'keys:read': ADMINISTRATOR,
  'keys:write': ADMINISTRATOR,
  'certificates:read': OPERATOR,
  'certificates:write': ADMINISTRATOR,
  'audit:read': ADMINISTRATOR,
} as const satisfies Record<string, readonly BuiltIn[]>;

export type NodeScope = keyof typeof HOLDERS;

export const EVERY_SCOPE = '*';

export const isScope = (text: string): text is NodeScope => Object.hasOwn(HOLDERS, text);

export const allScopes = (): NodeScope[] => Object.keys(HOLDERS).filter(isScope);

export const scopesOf = (role: BuiltIn): NodeScope[] =>
  allScopes().filter((scope) => {
    const holders: readonly BuiltIn[] = HOLDERS[scope];
    return holders.includes(role);
  });

/** `*` is every scope, `users:*` those of one kind. */
export function includesScope(granted: readonly string[], scope: NodeScope): boolean {
  const kind = scope.slice(0, scope.indexOf(':'));
  return granted.some((each) => each === EVERY_SCOPE || each === scope || each === `${kind}:*`);
}

/** Why these cannot be a role's scopes. */
export function scopesProblem(scopes: readonly string[]): string | undefined {
  const kinds = new Set(allScopes().map((scope) => scope.slice(0, scope.indexOf(':'))));
  const wrong = scopes.find(
    (scope) =>
      scope !== EVERY_SCOPE && !isScope(scope) && !(scope.endsWith(':*') && kinds.has(scope.slice(0, -2))),
  );
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is not a scope`;
}
