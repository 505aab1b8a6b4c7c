import { linkSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ControlServer, startControlServer } from '../../src/admin/control-server.ts';
import { run } from '../../src/cli/program.ts';
import { createLoggedAudit } from '../../src/security/audit/logged-audit.ts';
import { AT_MS, createFakeNode, type FakeNode, fakeStreams, session } from '../admin/fake-node.ts';
import { type TestIo, testIo } from './support.ts';

let folder: string;
let node: FakeNode;
let server: ControlServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-admin-'));
  node = createFakeNode();
  server = await startControlServer({
    path: join(folder, 'control.sock'),
    node,
    audit: createLoggedAudit({ info: () => {} }),
    streams: fakeStreams(),
    onDefect: (error) => {
      throw error;
    },
  });
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function begin(...argv: string[]): { io: TestIo; ended: Promise<Ran> } {
  const io = testIo();
  const ended = run([...argv, '--data-dir', folder], io).then((code) => ({
    code,
    out: io.outText(),
    err: io.errText(),
  }));
  return { io, ended };
}

const runs = (...argv: string[]): Promise<Ran> => begin(...argv).ended;
const group = '$share/workers/jobs/#';

describe('status', () => {
  it('is for people by default and for programs with -o', async () => {
    const { code, out } = await runs('status');
    expect(code).toBe(0);
    expect(out).toMatch(/^resident bytes +64\.0 MiB$/m);
    expect(out).toMatch(/^started at +2026-01-02T03:04:05Z$/m);
    expect(JSON.parse((await runs('status', '--json')).out)).toEqual(await node.status());
    expect((await runs('status', '-o', 'ndjson')).out.split('\n')).toHaveLength(2);
  });

  it('ends with 1 when health is red', async () => {
    node.healthStatus = 'red';
    expect((await runs('status')).code).toBe(1);
  });
});

describe('session', () => {
  it('lists as a table', async () => {
    expect((await runs('session', 'list')).out.split('\n').slice(0, 2)).toEqual([
      'CLIENT ID   TENANT  CONNECTED  SUBSCRIPTIONS  WAITING  IN FLIGHT  WAITING BYTES  EXPIRES AT            ADDRESS          CONNECTED AT',
      'kitchen     -       yes        1              0        0          60 B           -                     127.0.0.1:50123  2026-01-02T03:04:05Z',
    ]);
  });

  it('lists all pages up to --limit and says when there are more', async () => {
    for (let i = 0; i < 2500; i++) node.sessionTable.set(`s${i}`, session(`s${i}`, i % 2 === 0));
    const all = await runs('session', 'list', '-o', 'ndjson', '--limit', '5000', '--prefix', 's');
    expect(all.out.trim().split('\n')).toHaveLength(2500);
    expect(all.err).toBe('');
    const some = await runs('session', 'list', '-o', 'json', '--limit', '1200', '--no-connected');
    expect(JSON.parse(some.out)).toHaveLength(1200);
    expect(some.err).toContain('more than 1200');
  });

  it('shows one with its subscriptions', async () => {
    const { out } = await runs('session', 'show', 'kitchen');
    expect(out).toMatch(/^filters\n {2}FILTER .*\n {2}sensors\/# +1 +no +yes +0 +7$/m);
    expect(JSON.parse((await runs('session', 'show', 'cellar/ä b', '-o', 'json')).out)).toEqual(
      node.sessionTable.get('cellar/ä b'),
    );
  });

  it('ends one', async () => {
    expect(await runs('session', 'end', 'kitchen')).toMatchObject({ code: 0, out: '' });
    expect(node.sessionTable.has('kitchen')).toBe(false);
    const again = await runs('session', 'end', 'kitchen');
    expect(again).toMatchObject({ code: 1, err: 'robustmq: there is no session "kitchen"\n' });
  });

  it('shows no character that would steer the terminal', async () => {
    node.sessionTable.set('\u001b[2Jx', session('\u001b[2Jx'));
    const { out } = await runs('session', 'list');
    expect(out).toContain('\\u001b[2Jx');
    expect(out).not.toContain('\u001b');
  });
});

describe('queue', () => {
  it('lists and shows', async () => {
    expect((await runs('queue', 'list')).out).toMatch(/^\$share\/workers\/jobs\/# +- +shared +3 +1 +100 B/m);
    const { messages: _, ...expected } = node.queueTable.get(group) ?? { messages: [] };
    expect(JSON.parse((await runs('queue', 'show', group, '--json')).out)).toEqual(expected);
  });

  it('peeks and leaves everything where it is', async () => {
    const { out } = await runs('queue', 'peek', group, '--limit', '2', '-o', 'json');
    expect(JSON.parse(out)).toMatchObject([
      { position: 1, state: 'in-flight', payload: 'one' },
      { position: 2, state: 'waiting', payload: 'two' },
    ]);
    expect(node.queueTable.get(group)?.messages).toHaveLength(3);
  });

  it('purges what waits', async () => {
    expect(await runs('queue', 'purge', group)).toMatchObject({ code: 0, err: '2 messages removed\n' });
    expect((await runs('queue', 'purge', group, '-o', 'ndjson')).out).toBe('{"removed":0}\n');
  });
});

describe('retained', () => {
  it('lists those that match, shows and deletes one', async () => {
    expect((await runs('retained', 'list', 'sensors/raw')).out.trim().split('\n')).toHaveLength(2);
    expect(JSON.parse((await runs('retained', 'show', 'sensors/kitchen', '-o', 'json')).out)).toMatchObject({
      payload: '21.5',
      payloadIsCut: false,
    });
    expect((await runs('retained', 'delete', 'sensors/kitchen')).code).toBe(0);
    expect(node.retainedTable.has('sensors/kitchen')).toBe(false);
  });
});

describe('stream', () => {
  it('lists and shows', async () => {
    expect((await runs('stream', 'list')).out).toMatch(/^telemetry +2 +5 +4\.0 KiB +topic +journal/m);
    expect((await runs('stream', 'show', 'telemetry')).out).toMatch(/^ {2}age +7 d$/m);
  });

  it('reads all partitions, one after the other, or one', async () => {
    const { out } = await runs('stream', 'read', 'telemetry', '-o', 'json');
    const records = JSON.parse(out) as { partition: number; offset: number }[];
    expect(records.map(({ partition, offset }) => `${partition}:${offset}`)).toEqual([
      '0:0',
      '0:1',
      '0:2',
      '1:0',
      '1:1',
    ]);
    const one = await runs('stream', 'read', 'telemetry', '-p', '1', '--offset', '1');
    expect(one.out).toBe('1:1  2026-01-02T03:04:08Z  sensors/kitchen  /w==\n');
    expect(
      (await runs('stream', 'read', 'telemetry', '--limit', '4', '-o', 'ndjson')).out.split('\n'),
    ).toHaveLength(5);
    expect((await runs('stream', 'read', 'telemetry', '--offset', 'end')).out).toBe('');
  });

  it('follows all partitions until a signal', async () => {
    const { io, ended } = begin('stream', 'read', 'telemetry', '--follow', '--offset', 'end');
    // A record that came before the verb looked where the end is does not count: more come until one is seen.
    const append = setInterval(() => {
      for (const partition of [0, 1]) {
        node.append(partition, { timeMs: AT_MS, key: null, headers: [], payload: Buffer.from('new') });
      }
    }, 20);
    await Promise.all([io.outMatches(/^0:\d+ .* - {2}new$/m), io.outMatches(/^1:\d+ .* - {2}new$/m)]);
    clearInterval(append);
    io.signal('SIGINT');
    const { code, out } = await ended;
    expect(code).toBe(0);
    expect(out).not.toContain('value');
  });

  it('follows more partitions than may wait at the broker at once', async () => {
    while (node.records.length < 100) node.records.push([]);
    const { readStream } = node;
    let reading = 0;
    let most = 0;
    node.readStream = async (request) => {
      most = Math.max(most, ++reading);
      const page = await readStream(request);
      reading--;
      return page;
    };
    const { io, ended } = begin('stream', 'read', 'telemetry', '--follow', '--offset', 'end');
    const append = setInterval(() => {
      for (const partition of [0, 50, 99]) {
        node.append(partition, { timeMs: AT_MS, key: null, headers: [], payload: Buffer.from('new') });
      }
    }, 20);
    await Promise.all([/^0:\d+/m, /^50:\d+/m, /^99:\d+/m].map((each) => io.outMatches(each)));
    clearInterval(append);
    io.signal('SIGINT');
    expect((await ended).code).toBe(0);
    expect(most).toBeLessThanOrEqual(16);
  });

  it('ends following at --limit, and with 5 when the broker goes', async () => {
    const few = await runs('stream', 'read', 'telemetry', '--follow', '--limit', '3', '-o', 'ndjson');
    expect(few).toMatchObject({ code: 0 });
    expect(few.out.trim().split('\n')).toHaveLength(3);
    const { io, ended } = begin('stream', 'read', 'telemetry', '--follow');
    await io.outMatches(/^1:1 /m);
    await server.close();
    expect((await ended).code).toBe(5);
  });

  it('says what does not fit or does not exist', async () => {
    expect(await runs('stream', 'read', 'telemetry', '-f', '--json')).toMatchObject({ code: 2 });
    expect(await runs('stream', 'read', 'telemetry', '-p', '2')).toMatchObject({ code: 1 });
    expect(await runs('stream', 'read', 'other')).toMatchObject({
      code: 1,
      err: 'robustmq: there is no stream "other"\n',
    });
    expect(await runs('stream', 'read', 'telemetry', '--offset', '-1')).toMatchObject({ code: 2 });
  });
});

describe('without a broker', () => {
  it('ends with 5 where there is no directory, or none is running on it', async () => {
    await server.close();
    for (const dataDir of [folder, join(folder, 'nothing', 'there')]) {
      const io = testIo();
      expect(await run(['session', 'list', '--data-dir', dataDir], io)).toBe(5);
      expect(io.errText()).toContain(`no broker runs on the data directory ${dataDir}`);
    }
  });

  it('ends with 5 where one was killed', async () => {
    await server.close();
    const path = join(folder, 'control.sock');
    const holder = net.createServer();
    await new Promise<void>((resolve) => holder.listen(join(folder, 'holder'), resolve));
    linkSync(join(folder, 'holder'), path);
    await new Promise((resolve) => holder.close(resolve));
    expect(await runs('session', 'list')).toMatchObject({ code: 5 });
  });

  it('tells another program on the socket from a broker', async () => {
    await server.close();
    const other = net.createServer((socket) =>
      socket.resume().end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'),
    );
    await new Promise<void>((resolve) => other.listen(join(folder, 'control.sock'), resolve));
    expect(await runs('status')).toMatchObject({ code: 5 });
    await new Promise((resolve) => other.close(resolve));
  });
});

describe('the command tree', () => {
  it.each([
    [['session']],
    [['sesion', 'list']],
    [['session', 'lst']],
    [['queue', 'peek']],
    [['session', 'list', '--limit', '0']],
    [['session', 'list', '-o', 'xml']],
  ])('refuses %j', async (argv) => {
    expect((await runs(...argv)).code).toBe(2);
  });

  it('has examples in its help and its words in completions', async () => {
    expect((await runs('stream', 'read', '--help')).out).toContain('--follow --offset end -o ndjson');
    const io = testIo();
    await run(['completion', 'bash'], io);
    expect(io.outText()).toContain("'stream read') words=");
  });
});
