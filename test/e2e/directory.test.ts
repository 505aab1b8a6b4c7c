/** A node that lets in the users of a directory, and what the command line sees of it: who is in may do what its group may. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { type RunningNode, startNode } from '../../src/node.ts';
import { testIo } from '../cli/support.ts';
import { type LdapServerForTests, slapd, startSlapd } from '../security/authentication/ldap-server.ts';

describe.skipIf(slapd === undefined)('a node with a directory', () => {
  let directory: LdapServerForTests;
  let folder: string;
  let node: RunningNode;
  let port: number;
  const log: string[] = [];

  beforeAll(async () => {
    directory = await startSlapd(slapd ?? '');
    folder = await mkdtemp(join(tmpdir(), 'robustmq-directory-'));
    const ldap = 'security.authentication.ldap';
    const loaded = await loadConfig({
      sets: [
        `dataDir=${join(folder, 'data')}`,
        'listeners.mqtt.port=0',
        ...['ws', 'http', 'kafka'].map((name) => `listeners.${name}.enabled=false`),
        'security.authentication.authenticators=["database","ldap"]',
        'security.authentication.anonymous=refuse',
        'security.passwords.scryptLogCost=10',
        `${ldap}.url=ldaps://localhost:${directory.tlsPort}`,
        `${ldap}.caFile=${join(folder, 'ca.pem')}`,
        `${ldap}.search.bindDn=uid=reader,dc=example,dc=org`,
        `${ldap}.search.password=reads`,
        `${ldap}.search.base=ou=people,dc=example,dc=org`,
        `${ldap}.groups.base=ou=groups,dc=example,dc=org`,
        `${ldap}.groups.superusers=chiefs`,
      ],
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    writeFileSync(join(folder, 'ca.pem'), directory.ca);
    for (const [name, password] of Object.entries({
      wonder: 'wonder',
      builder: 'builder\n',
      wrong: 'wrong',
    })) {
      writeFileSync(join(folder, name), password);
    }
    const logger = pino({ level: 'trace' }, { write: (line: string) => void log.push(line) });
    node = await startNode(loaded.config, { logger, clock: systemClock });
    const address = node.listeners.find(({ name }) => name === 'mqtt')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no mqtt listener');
    ({ port } = address);
  });
  afterAll(async () => {
    await node.stop();
    await directory.stop();
    await rm(folder, { recursive: true });
  });

  async function bench(user: string, passwordFile: string, ...argv: string[]) {
    const io = testIo();
    const at = [
      '-H',
      '127.0.0.1',
      '-p',
      String(port),
      '--user',
      user,
      '--password-file',
      join(folder, passwordFile),
    ];
    const code = await run(['bench', ...argv, ...at, '-o', 'json', '--quiet'], io);
    return { code, out: io.outText(), err: io.errText() };
  }

  it('lets in whom that lets bind, many at once, and nobody else', async () => {
    const many = await bench('alice', 'wonder', 'conn', '-c', '50');
    expect(many.err).toBe('');
    expect(JSON.parse(many.out).connections).toMatchObject({ opened: 50, failed: 0 });
    const wrong = await bench('alice', 'wrong', 'conn', '-c', '1');
    expect(wrong.code).toBe(4);
    expect(JSON.parse(wrong.out).failure).toMatch(/0x86 Bad user name or password/i);
    expect((await bench('carol', 'wrong', 'conn', '-c', '1')).code).toBe(4);
    expect(log.join('')).not.toMatch(/wonder|reads"|"wrong"/);
  });

  it('gives them what their groups may do', async () => {
    const chief = await bench('alice', 'wonder', 'pubsub', '-q', '1', '-n', '200');
    expect(chief.err).toBe('');
    expect(JSON.parse(chief.out)).toMatchObject({ sent: 200, received: 200, acknowledged: 200 });
    const other = await bench('bob', 'builder', 'pubsub', '-q', '1', '-n', '5');
    expect(other.code).toBe(4);
    expect(other.err).toMatch(/SUBACK with code 135 \(0x87 Not authorized\)/i);
  });
});
