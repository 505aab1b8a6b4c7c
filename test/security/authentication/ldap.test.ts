import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SecurityConfig } from '../../../src/config/config.ts';
import { defaultConfig } from '../../../src/config/load.ts';
import type { Answer, Authenticator } from '../../../src/security/authentication/authenticator.ts';
import { isStartTlsAnswered } from '../../../src/security/authentication/ldap-connections.ts';
import {
  escapedForDn,
  escapedForFilter,
  filled,
  firstName,
} from '../../../src/security/authentication/ldap-text.ts';
import { openLdapAuthenticator } from '../../../src/security/authentication/open-ldap.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { withPassword } from '../support.ts';
import { type LdapServerForTests, ODD_NAME, slapd, startSlapd } from './ldap-server.ts';

type Settings = SecurityConfig['authentication']['ldap'];

const opened: Authenticator[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close?.();
});

const standard: Settings = defaultConfig().security.authentication.ldap;
const clock = createManualClock();
/** For answers that do come: no machine is so slow. */
const PATIENT_MS = 60_000;
/** A directory has no order. */
const groupsOfAlice = expect.toSatisfy((roles: string[]) => roles.toSorted().join() === 'chiefs,sensors');

async function asking(settings: Partial<Settings>, ca?: string) {
  const whole = { ...standard, cacheMs: 0, timeoutMs: PATIENT_MS, ...settings };
  const made = await openLdapAuthenticator({ settings: whole, ca, clock });
  opened.push(made);
  return (userName: string, password: string): Promise<Answer> =>
    Promise.resolve(made.authenticate(withPassword(userName, password), new AbortController().signal));
}

describe('names and filters with values of clients', () => {
  it('have them as values, whatever stands in them', () => {
    expect(escapedForFilter('*)(uid=\\\0')).toBe('\\2a\\29\\28uid=\\5c\\00');
    expect(escapedForDn(' #a,b+c"d\\e<f>g;h=i ')).toBe('\\ #a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h\\=i\\ ');
    expect(escapedForDn('#x')).toBe('\\#x');
    expect(escapedForDn(' ')).toBe('\\ ');
    const of = (name: string): string => `\${${name}}`;
    const template = `(&(a=${of('username')})(b=${of('dn')})(c=${of('x')}))`;
    expect(filled(template, { username: of('dn'), dn: 'y' }, escapedForFilter)).toBe(
      `(&(a=${of('dn')})(b=y)(c=${of('x')}))`,
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(escapedForFilter(value)).not.toMatch(/[*()\0]/);
        expect(firstName(`cn=${escapedForDn(value)},ou=groups`)).toBe(value);
      }),
    );
  });

  it('are read where a group is the name of an entry', () => {
    expect(firstName('CN=Admins\\, Europe,OU=groups,DC=example')).toBe('Admins, Europe');
    expect(firstName('cn=L\\C3\\BCneburg,ou=x')).toBe('Lüneburg');
    expect(firstName('cn = plain + uid=1,ou=x')).toBe('plain');
    expect(firstName('just a name')).toBe('just a name');
  });
});

describe.skipIf(slapd === undefined)('a directory', () => {
  let server: LdapServerForTests;
  let at: Partial<Settings>;

  beforeAll(async () => {
    server = await startSlapd(slapd ?? '');
    at = {
      url: `ldap://127.0.0.1:${server.port}`,
      search: {
        ...standard.search,
        bindDn: 'uid=reader,dc=example,dc=org',
        password: 'reads',
        base: 'ou=people,dc=example,dc=org',
      },
      groups: { ...standard.groups, base: 'ou=groups,dc=example,dc=org' },
    };
  });
  afterAll(() => server.stop());

  it('lets in whom it lets bind, with groups as roles', async () => {
    const ask = await asking(at);
    expect(await ask('alice', 'wonder')).toMatchObject({
      kind: 'let-in',
      identity: { userName: 'alice', roles: groupsOfAlice, isSuperuser: false, tenant: '' },
    });
    expect(await ask('bob', 'builder')).toMatchObject({ kind: 'let-in', identity: { roles: [] } });
    expect(await ask('bob', 'wonder')).toMatchObject({ kind: 'refuse', refusal: 'bad-credentials' });
    expect(await ask('carol', 'x')).toEqual({ kind: 'not-mine' });
  });

  it('knows everybody under the name that it writes, and takes no pattern for a name', async () => {
    const ask = await asking(at);
    expect(await ask('ALICE', 'wonder')).toMatchObject({ identity: { userName: 'alice' } });
    expect(await ask('al*', 'wonder')).toEqual({ kind: 'not-mine' });
    expect(await ask('alice)(uid=*', 'wonder')).toEqual({ kind: 'not-mine' });
    expect(await ask('a*b(c)\\,d', 'odd')).toMatchObject({
      identity: { userName: 'a*b(c)\\,d', roles: ['sensors'] },
    });
    expect(await ask(ODD_NAME, 'odder')).toMatchObject({
      identity: { userName: ODD_NAME, roles: ['sensors'] },
    });
    expect(await ask(ODD_NAME, 'odd')).toMatchObject({ refusal: 'bad-credentials' });
  });

  it('is not asked with an empty password, which it would call anonymous', async () => {
    const ask = await asking(at);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
    const direct = await asking({ ...at, bindDn: 'uid=${username},ou=people,dc=example,dc=org' });
    for (const each of [ask, direct]) expect(await each('alice', '')).toEqual({ kind: 'not-mine' });
  });

  it('is bound to by the user itself where there is a template', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
    const bindDn = 'uid=${username},ou=people,dc=example,dc=org';
    const search = { ...standard.search, base: '' };
    const ask = await asking({ ...at, bindDn, search });
    expect(await ask('Alice', 'wonder')).toMatchObject({
      identity: { userName: 'alice', roles: groupsOfAlice },
    });
    expect(await ask('a*b(c)\\,d', 'odd')).toMatchObject({ kind: 'let-in' });
    expect(await ask(ODD_NAME, 'odder')).toMatchObject({ identity: { roles: ['sensors'] } });
    // It does not say whether there is such a user.
    for (const nobody of ['carol', 'alice,ou=people', 'bob']) {
      expect(await ask(nobody, 'wonder')).toMatchObject({ kind: 'refuse', refusal: 'bad-credentials' });
    }
  });

  it('has groups in an attribute of users, groups that are other roles, and superusers', async () => {
    const groups = {
      ...standard.groups,
      base: 'ou=groups,dc=example,dc=org',
      userAttribute: 'businessCategory',
      roles: [
        { group: 'Night, shift', role: 'night' },
        { group: 'sensors', role: 'reads-sensors' },
      ],
      superusers: 'chiefs',
    };
    const ask = await asking({ ...at, groups, tenant: 'acme' });
    expect(await ask('alice', 'wonder')).toMatchObject({
      identity: { roles: ['night', 'reads-sensors'], isSuperuser: true, tenant: 'acme' },
    });
    expect(await ask('bob', 'builder')).toMatchObject({ identity: { roles: [], isSuperuser: false } });
  });

  it('is believed by its certificate only, over ldaps and StartTLS', async () => {
    const secure = { ...at, url: `ldaps://localhost:${server.tlsPort}` };
    const started = { ...at, url: `ldap://localhost:${server.port}`, startTls: true };
    for (const settings of [secure, started]) {
      const ask = await asking(settings, server.ca);
      expect(await ask('alice', 'wonder')).toMatchObject({ kind: 'let-in' });
      expect(await ask('alice', 'wrong')).toMatchObject({ kind: 'refuse' });
      await expect((await asking(settings, server.otherCa))('alice', 'wonder')).rejects.toThrow(
        /certificate/,
      );
      const named = { ...settings, url: settings.url.replace('localhost', '127.0.0.1') };
      await expect((await asking(named, server.ca))('alice', 'wonder')).rejects.toThrow(/127\.0\.0\.1/);
    }
  });

  it('is not asked again for a while about a password that was right, and again about others', async () => {
    const ask = await asking({ ...at, cacheMs: 5000 });
    await ask('alice', 'wonder');
    // Nothing is there any more to ask.
    for (const each of opened) each.close?.();
    const gone = await asking({ ...at, url: 'ldap://127.0.0.1:1', cacheMs: 5000 });
    expect(await ask('alice', 'wonder')).toMatchObject({ kind: 'let-in' });
    await expect(gone('alice', 'wonder')).rejects.toThrow('ECONNREFUSED');
    await clock.advance(5000);
    await expect(ask('alice', 'wonder')).rejects.toThrow('lost');
  });

  it('answers many at once over few connections', async () => {
    const ask = await asking({ ...at, maxConnections: 2 });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        ask(i % 2 === 0 ? 'alice' : 'bob', i % 2 === 0 ? 'wonder' : 'builder'),
      ),
    );
    expect(answers.map(({ kind }) => kind)).toEqual(answers.map(() => 'let-in'));
    const busy = await asking({ ...at, maxConnections: 1, maxWaiting: 0 });
    const [first, second] = await Promise.all([busy('alice', 'wonder'), busy('bob', 'builder')]);
    expect(first.kind).toBe('let-in');
    expect(second).toMatchObject({ kind: 'refuse', refusal: 'busy' });
  });

  it('refuses when the account that looks for users is refused', async () => {
    const search = { ...standard.search, ...at.search, password: 'wrong' };
    await expect((await asking({ ...at, search }))('alice', 'wonder')).rejects.toThrow(/49|0x31/);
  });
});

describe('a directory that is not in order', () => {
  const servers: (() => void)[] = [];
  afterEach(() => {
    for (const close of servers.splice(0)) close();
  });

  async function fake(
    onData: (socket: Socket, data: Buffer, count: number) => void,
    timeoutMs = PATIENT_MS,
  ): Promise<Partial<Settings>> {
    let count = 0;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', (data) => onData(socket, data, ++count));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return {
      url: `ldap://127.0.0.1:${(server.address() as AddressInfo).port}`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
      bindDn: 'uid=${username},dc=example',
      timeoutMs,
    };
  }

  /** The answer to a bind with that number and code. */
  const bound = (id: number, code: number): Buffer =>
    Buffer.from([0x30, 0x0c, 2, 1, id, 0x61, 7, 0x0a, 1, code, 4, 0, 4, 0]);

  it('refuses within the time: silence, an end, garbage, an answer to something else', async () => {
    const faults: ((socket: Socket, data: Buffer) => void)[] = [
      () => {},
      (socket) => socket.destroy(),
      (socket) => socket.end(),
      (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
      (socket) => void socket.write(Buffer.alloc(64, 0xff)),
      (socket) => void socket.write(bound(99, 0)),
      (socket) => void socket.write(Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])),
      // Unwilling to perform, busy.
      (socket) => void socket.write(bound(2, 53)),
      (socket) => void socket.write(bound(2, 51)),
    ];
    await Promise.all(
      faults.map(async (fault) => {
        const ask = await asking(await fake(fault, 300));
        await expect(ask('alice', 'wonder')).rejects.toThrow();
      }),
    );
  });

  it('is connected to anew when it has closed a connection meanwhile, and never without StartTLS', async () => {
    const connections = new Set<Socket>();
    const settings = await fake((socket, data) => {
      connections.add(socket);
      expect(data.includes('wonder')).toBe(true);
      socket.end(bound(data[4] ?? 0, 49));
    });
    const ask = await asking(settings);
    expect(await ask('alice', 'wonder')).toMatchObject({ refusal: 'bad-credentials' });
    expect(await ask('alice', 'wonder')).toMatchObject({ refusal: 'bad-credentials' });
    expect(connections.size).toBe(2);

    const seen: Buffer[] = [];
    const started = await fake((socket, data) => {
      seen.push(data);
      // Refused, as somebody between would do to hear the password.
      socket.write(Buffer.from([0x30, 0x0c, 2, 1, 1, 0x78, 7, 0x0a, 1, 52, 4, 0, 4, 0]));
    });
    await expect((await asking({ ...started, startTls: true }))('alice', 'wonder')).rejects.toThrow(
      'StartTLS',
    );
    expect(Buffer.concat(seen).includes('wonder')).toBe(false);
    expect(seen).toHaveLength(1);
  });

  it('cannot put anything behind its answer to StartTLS', () => {
    const answer = Buffer.from([0x30, 0x0c, 2, 1, 1, 0x78, 7, 0x0a, 1, 0, 4, 0, 4, 0]);
    expect(isStartTlsAnswered(answer)).toBe(true);
    for (let end = 0; end < answer.length; end++) {
      expect(isStartTlsAnswered(answer.subarray(0, end))).toBeUndefined();
    }
    expect(() => isStartTlsAnswered(Buffer.concat([answer, bound(2, 0)]))).toThrow('behind');
    expect(() => isStartTlsAnswered(Buffer.concat([answer, Buffer.of(0x30)]))).toThrow('behind');
    expect(() => isStartTlsAnswered(bound(1, 0))).toThrow('none');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          expect([true, undefined]).toContain(isStartTlsAnswered(Buffer.from(bytes)));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});
