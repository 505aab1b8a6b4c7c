import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';

const ldap = 'security.authentication.ldap';
const sql = 'security.authentication.sql';

async function problemsOf(...sets: string[]): Promise<string[]> {
  const loaded = await loadConfig({ sets });
  return loaded.ok ? [] : loaded.problems.map(({ path, reason }) => `${path} ${reason}`);
}

describe('the authenticator ldap', () => {
  const asked = ['security.authentication.authenticators=["ldap"]'];
  const user = '$' + '{username}';

  it('needs an address that keeps passwords to itself', async () => {
    const base = `${ldap}.search.base=dc=example`;
    expect(await problemsOf(...asked)).toEqual([expect.stringContaining(`${ldap}.url is needed`)]);
    expect(await problemsOf(...asked, base, `${ldap}.url=ldaps://ldap.example.org`)).toEqual([]);
    expect(await problemsOf(...asked, base, `${ldap}.url=ldap://127.0.0.1:3890`)).toEqual([]);
    expect(
      await problemsOf(...asked, base, `${ldap}.url=ldap://ldap.example.org`, `${ldap}.startTls=true`),
    ).toEqual([]);
    expect(await problemsOf(...asked, base, `${ldap}.url=ldap://ldap.example.org`)).toEqual([
      expect.stringContaining('could be read'),
    ]);
    expect(await problemsOf(...asked, base, `${ldap}.url=ldaps://x:y@ldap.example.org`)).toHaveLength(1);
  });

  it('needs to know who binds, and takes no name for which a directory would do something else', async () => {
    const at = [...asked, `${ldap}.url=ldaps://ldap.example.org`];
    expect(await problemsOf(...at)).toEqual([expect.stringContaining('search.base is needed')]);
    expect(await problemsOf(...at, `${ldap}.bindDn=uid=${user},dc=example`)).toEqual([]);
    expect(await problemsOf(...at, `${ldap}.bindDn=uid=all,dc=example`)).toEqual([
      expect.stringContaining('needs'),
    ]);
    // As a name of a mechanism it would not be a simple bind.
    expect(await problemsOf(...at, `${ldap}.bindDn=${user}`, `${ldap}.search.base=dc=x`)).toEqual([
      expect.stringContaining('bindDn is the name'),
    ]);
    expect(await problemsOf(...at, `${ldap}.bindDn=${user}@example.org`)).toEqual([
      expect.stringContaining('search.base is needed'),
    ]);
    const search = [`${ldap}.search.base=dc=x`, `${ldap}.search.bindDn=cn=reader`];
    expect(await problemsOf(...at, ...search)).toEqual([expect.stringContaining('search.password')]);
    expect(
      await problemsOf(...at, `${ldap}.search.base=dc=x`, `${ldap}.search.filter=(uid=all)`),
    ).toHaveLength(1);
  });
});

describe('the authenticator sql', () => {
  const given = [
    'security.authentication.authenticators=["sql"]',
    ...['host=db.example.org', 'database=d', 'user=u', 'query=select 1 where x = $1'].map(
      (each) => `${sql}.${each}`,
    ),
  ];

  it('needs a query about the user, and TLS on its way', async () => {
    expect(await problemsOf(given[0] ?? '')).toHaveLength(4);
    expect(await problemsOf(...given)).toEqual([]);
    expect(await problemsOf(...given, `${sql}.query=select 1`)).toHaveLength(1);
    expect(await problemsOf(...given, `${sql}.query=select $1, $4`)).toEqual([expect.stringContaining('$4')]);
    expect(await problemsOf(...given, `${sql}.tls=false`)).toEqual([expect.stringContaining(`${sql}.tls`)]);
    expect(await problemsOf(...given, `${sql}.tls=false`, `${sql}.host=/run/postgresql`)).toEqual([]);
  });
});
