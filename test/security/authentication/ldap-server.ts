/** An OpenLDAP server with a few people in it, where it is installed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificate } from '../../support/certificates.ts';
import { freePort } from '../../support/free-port.ts';
import { untilListening } from '../../support/until-listening.ts';

export const slapd = ['/usr/sbin/slapd', '/usr/libexec/slapd'].find(existsSync);

export interface LdapServerForTests {
  readonly port: number;
  readonly tlsPort: number;
  readonly ca: string;
  /** Of somebody else. */
  readonly otherCa: string;
  stop(): Promise<void>;
}

/** What is special in names of entries, and letters that are not ASCII. */
export const ODD_NAME = '#a"b+c;d<e>f=g ü日';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const oddDn = `uid=${ODD_NAME.replace(/[#"+;<>=]/g, (each) => `\\${each}`)},ou=people,dc=example,dc=org`;

const people = `dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: uid=reader,dc=example,dc=org
objectClass: account
objectClass: simpleSecurityObject
uid: reader
userPassword: reads

dn: uid=alice,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: alice
cn: Alice
sn: A
businessCategory: cn=Night\\, shift,ou=groups,dc=example,dc=org
userPassword: wonder

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: B
userPassword: builder

dn: uid=a*b(c)\\\\\\,d,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: a*b(c)\\,d
cn: Odd
sn: O
userPassword: odd

dn:: ${base64(oddDn)}
objectClass: inetOrgPerson
uid:: ${base64(ODD_NAME)}
cn: Odder
sn: O
userPassword: odder

dn: cn=sensors,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: sensors
member: uid=alice,ou=people,dc=example,dc=org
member: uid=a*b(c)\\\\\\,d,ou=people,dc=example,dc=org
member:: ${base64(oddDn)}

dn: cn=chiefs,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: chiefs
member: uid=alice,ou=people,dc=example,dc=org
`;

export async function startSlapd(program: string): Promise<LdapServerForTests> {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-ldap-'));
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const authority = createCertificate({ commonName: 'authority', authority: true });
  const server = createCertificate({ commonName: 'localhost', names: ['localhost'], issuer: authority });
  const other = createCertificate({ commonName: 'other', authority: true });
  mkdirSync(join(folder, 'db'));
  const schemas = ['core', 'cosine', 'inetorgperson'].map(
    (name) => `include /etc/ldap/schema/${name}.schema`,
  );
  const config = file(
    'slapd.conf',
    [
      ...schemas,
      'modulepath /usr/lib/ldap',
      'moduleload back_mdb',
      `TLSCACertificateFile ${file('ca.pem', authority.certPem)}`,
      `TLSCertificateFile ${file('cert.pem', server.certPem)}`,
      `TLSCertificateKeyFile ${file('key.pem', server.keyPem)}`,
      'database mdb',
      'suffix "dc=example,dc=org"',
      `directory ${join(folder, 'db')}`,
      'access to attrs=userPassword by anonymous auth by * none',
      'access to * by users read by * none',
      '',
    ].join('\n'),
  );
  execFileSync(program.replace('slapd', 'slapadd'), ['-f', config, '-l', file('people.ldif', people)]);
  const port = await freePort();
  const tlsPort = await freePort();
  const urls = `ldap://127.0.0.1:${port} ldaps://127.0.0.1:${tlsPort}`;
  const child: ChildProcess = spawn(program, ['-d', '0', '-f', config, '-h', urls], { stdio: 'ignore' });
  await Promise.all([untilListening(port), untilListening(tlsPort)]);
  return {
    port,
    tlsPort,
    ca: authority.certPem,
    otherCa: other.certPem,
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}
