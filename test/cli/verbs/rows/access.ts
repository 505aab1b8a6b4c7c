/** Verbs about who may do what. */
import { made, PASSWORD, type Place } from '../place.ts';
import type { VerbRow } from '../verb-row.ts';

const change = (words: string, args: NonNullable<VerbRow['args']>): VerbRow => ({
  words,
  args,
  prints: 'document',
  reaches: 'administration',
  viewerMay: false,
});
const list = (words: string): VerbRow => ({
  words,
  prints: 'document',
  isTable: true,
  reaches: 'administration',
  viewerMay: false,
});

async function user({ node }: Place, n: number): Promise<string> {
  await made(node, '/users', { name: `user-${n}`, password: PASSWORD });
  return `user-${n}`;
}

async function role({ node }: Place, n: number): Promise<string> {
  await made(node, '/roles', { name: `role-${n}`, scopes: ['status:read'] });
  return `role-${n}`;
}

async function logIn({ httpUrl, node }: Place): Promise<string> {
  const answer = await fetch(`${httpUrl}/api/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: httpUrl },
    body: JSON.stringify({ user: 'vera', password: PASSWORD }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const [login] = await node.all('/logins', 100);
  return String(login?.id);
}

export const ACCESS: readonly VerbRow[] = [
  list('user list'),
  change('user show', () => ['vera']),
  change('user create', ({ inFolder }, n) => [`new-${n}`, '--password-file', inFolder('password')]),
  change('user update', async (place, n) => [await user(place, n), '--roles', 'viewer']),
  {
    ...change('user set-password', async (place, n) => [await user(place, n), '--password-stdin']),
    input: 'another rather good one\n',
  },
  change('user delete', async (place, n) => [await user(place, n), '--yes']),
  list('role list'),
  change('role show', () => ['porter']),
  change('role create', (_place, n) => [`made-${n}`, '--scopes', 'status:read']),
  change('role update', async (place, n) => [await role(place, n), '--description', 'Changed.']),
  change('role delete', async (place, n) => [await role(place, n), '--yes']),
  list('key list'),
  change('key create', () => ['vera', '--description', 'another']),
  change('key revoke', async ({ node }) => [
    String((await made(node, '/keys', { owner: 'vera' })).id),
    '--yes',
  ]),
  list('login list'),
  change('login revoke', async (place) => [await logIn(place)]),
  { ...list('tenant list'), viewerMay: true },
  { ...change('tenant show', () => ['acme']), viewerMay: true },
  list('ban list'),
  change('ban create', (_place, n) => ['client', `noisy-${n}`]),
  change('ban delete', async ({ node }, n) => {
    await made(node, '/bans', { kind: 'client', value: `noisy-${n}` });
    return ['client', `noisy-${n}`];
  }),
  change('acl test', () => ['--user', 'vera', '--action', 'publish', '--topic', 'a/b']),
  list('audit list'),
  change('audit verify', () => []),
];
