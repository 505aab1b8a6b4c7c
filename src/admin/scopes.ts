/** What a caller may be allowed to do, and which of it the roles that exist from the start have. */
export const SCOPES = [
  'status:read',
  'metrics:read',
  'sessions:read',
  'sessions:write',
  'queues:read',
  'queues:write',
  'retained:read',
  'retained:write',
  'streams:read',
  'topics:read',
  'topics:write',
  'groups:read',
  'groups:write',
  /** Shows what clients wrote. */
  'messages:read',
  'messages:write',
  'security:read',
  'security:write',
  'config:read',
  'config:write',
  'audit:read',
  'support',
] as const;
export type Scope = (typeof SCOPES)[number];

export type BuiltInRole = 'viewer' | 'operator' | 'admin';

const VIEWER: readonly Scope[] = [
  'status:read',
  'metrics:read',
  'sessions:read',
  'queues:read',
  'retained:read',
  'streams:read',
  'topics:read',
  'groups:read',
];
const OPERATOR: readonly Scope[] = [
  ...VIEWER,
  'sessions:write',
  'queues:write',
  'retained:write',
  'topics:write',
  'groups:write',
  'messages:read',
  'messages:write',
  'config:read',
  'audit:read',
];

/** A viewer sees no payload and nothing of security; an operator changes what clients made; an administrator everything. */
export const SCOPES_OF_ROLES: Readonly<Record<BuiltInRole, ReadonlySet<Scope>>> = {
  viewer: new Set(VIEWER),
  operator: new Set(OPERATOR),
  admin: new Set(SCOPES),
};

export const ALL_SCOPES: ReadonlySet<Scope> = new Set(SCOPES);

export const isScope = (text: string): text is Scope => (ALL_SCOPES as ReadonlySet<string>).has(text);
