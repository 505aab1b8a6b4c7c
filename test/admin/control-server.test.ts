import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ControlServer, startControlServer } from '../../src/admin/control-server.ts';
import { ALL_OPERATIONS } from '../../src/admin/operations.ts';
import type { AuditEvent } from '../../src/security/audit/entry.ts';
import { createLoggedAudit } from '../../src/security/audit/logged-audit.ts';
import { createFakeNode, type FakeNode, fakeStreams, session } from './fake-node.ts';

let folder: string;
let path: string;
let node: FakeNode;
let server: ControlServer;
let audit: AuditEvent[];
let defects: unknown[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-control-'));
  path = join(folder, 'control.sock');
  node = createFakeNode();
  audit = [];
  defects = [];
  server = await startControlServer({
    path,
    node,
    audit: createLoggedAudit({ info: (fields) => audit.push((fields as { audit: AuditEvent }).audit) }),
    streams: fakeStreams(),
    onDefect: (error) => defects.push(error),
  });
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

async function ask(method: string, target: string, body?: string): Promise<Answer> {
  const request = http.request({
    socketPath: path,
    method,
    path: `/api/v1${target}`,
    agent: false,
    headers: { 'content-length': Buffer.byteLength(body ?? '') },
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return {
    status: response.statusCode ?? 0,
    type: response.headers['content-type'],
    headers: response.headers,
    body: JSON.parse(text) as Record<string, unknown>,
  };
}

const get = (target: string): Promise<Answer> => ask('GET', target);

describe('the control socket', () => {
  it('can be opened by its user only, and takes the place of one that was left over', async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await server.close();
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, 'left over');
    server = await startControlServer({
      path,
      node,
      audit: createLoggedAudit({ info: () => {} }),
      streams: fakeStreams(),
      onDefect: () => {},
    });
    expect((await get('/health')).status).toBe(200);
  });

  it('answers 503 when health is red', async () => {
    expect((await get('/health')).body).toEqual({ status: 'green', problems: [] });
    node.healthStatus = 'red';
    expect(await get('/health')).toMatchObject({ status: 503, body: { status: 'red', problems: ['disk'] } });
  });

  it('finds names with any characters', async () => {
    const shown = await get(`/sessions/${encodeURIComponent('cellar/ä b')}`);
    expect(shown).toMatchObject({ status: 200, body: { clientId: 'cellar/ä b', isConnected: false } });
    expect((await get(`/queues/${encodeURIComponent('$share/workers/jobs/#')}`)).body).toMatchObject({
      kind: 'shared',
    });
  });

  it('turns pages, each item once', async () => {
    for (let i = 0; i < 250; i++) node.sessionTable.set(`s${i}`, session(`s${i}`));
    const seen: unknown[] = [];
    let target = '/sessions?limit=100&prefix=s&connected=true';
    for (;;) {
      const { body } = await get(target);
      seen.push(...(body.items as { clientId: string }[]).map(({ clientId }) => clientId));
      if (body.nextCursor === undefined) break;
      target = `/sessions?limit=100&prefix=s&connected=true&cursor=${String(body.nextCursor)}`;
    }
    expect(seen).toEqual(Array.from({ length: 250 }, (_, i) => `s${i}`));
  });

  it('takes no cursor of another list', async () => {
    const { body } = await get('/retained?limit=1');
    expect(body.nextCursor).toEqual(expect.any(String));
    expect(await get(`/sessions?cursor=${String(body.nextCursor)}`)).toMatchObject({
      status: 400,
      body: { type: 'urn:robustmq:problem:invalid-cursor' },
    });
  });

  it.each([
    ['/sessions?limit=0', 400, 'limit must be a whole number from 1 to 1000'],
    ['/sessions?limit=1&limit=2', 400, 'limit is there twice'],
    ['/sessions?connected=perhaps', 400, 'connected must be a boolean'],
    [
      '/sessions?limits=1',
      400,
      'there is no parameter "limits"; there are limit, cursor, connected, prefix, tenant',
    ],
    ['/sessions/%ff', 400, 'clientId is not percent-encoded UTF-8'],
    ['/sessions/nobody', 404, 'there is no session "nobody"'],
    ['/queues/nobody/messages', 404, 'there is no queue "nobody"'],
    ['/retained/none', 404, 'there is no retained message on "none"'],
    ['/streams/none/partitions/0/records', 404, 'there is no stream "none" with a partition 0'],
    ['/streams/telemetry/partitions/x/records', 400, 'partition must be a whole number from 0 to 65535'],
    ['/nowhere', 404, '/api/v1/nowhere'],
  ])('answers %s with a problem', async (target, status, detail) => {
    const answer = await get(target);
    expect(answer).toMatchObject({ status, type: 'application/problem+json', body: { status, detail } });
  });

  it('says which methods there are, and takes no body', async () => {
    const answer = await ask('POST', '/sessions/kitchen');
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET, DELETE');
    expect((await ask('DELETE', '/sessions/kitchen', 'x'.repeat(100_000))).status).toBe(413);
    await expect(ask('DELETE', '/sessions/kitchen', 'x'.repeat(1_000_000))).rejects.toThrow();
    expect(node.sessionTable.has('kitchen')).toBe(true);
    expect(defects).toEqual([]);
  });

  it('ends a session, purges a queue, deletes a retained message; each is in the audit log', async () => {
    expect((await ask('DELETE', '/sessions/kitchen')).body).toEqual({ removed: 1 });
    expect((await ask('DELETE', '/sessions/kitchen')).status).toBe(404);
    const queue = encodeURIComponent('$share/workers/jobs/#');
    expect((await ask('DELETE', `/queues/${queue}/messages`)).body).toEqual({ removed: 2 });
    expect((await ask('DELETE', '/retained/sensors%2Fraw')).body).toEqual({ removed: 1 });
    expect(audit.map(({ operation, result }) => [operation, result])).toEqual([
      ['sessions.end', 'ok'],
      ['sessions.end', 'failed'],
      ['queues.purge', 'ok'],
      ['retained.delete', 'ok'],
    ]);
    expect(audit[0]).toMatchObject({ via: 'socket', user: undefined, input: { clientId: 'kitchen' } });
  });

  it('shows bytes as text where they are text, in base64 otherwise, cut where that was asked for', async () => {
    const queue = encodeURIComponent('$share/workers/jobs/#');
    const { body } = await get(`/queues/${queue}/messages?limit=3&payloadBytes=3`);
    expect(body.items).toMatchObject([
      { payload: 'one', payloadIsCut: false, properties: [{ name: 'content-type', value: 'text/plain' }] },
      { payload: 'two' },
      { payload: 'thr', payloadIsCut: true, payloadBytes: 5 },
    ]);
    expect((await get('/retained/sensors%2Fraw')).body).toMatchObject({
      payloadBase64: '/wAB',
      properties: [{ name: 'correlation-data', valueBase64: '/g==' }],
    });
  });

  it('never cuts through a character', async () => {
    node.append(0, { timeMs: 0, key: null, headers: [], payload: Buffer.from('aää') });
    const { body } = await get('/streams/telemetry/partitions/0/records?offset=3&payloadBytes=4');
    expect(body.items).toEqual([
      { partition: 0, offset: 3, timeMs: 0, headers: [], payload: 'aä', payloadBytes: 5, payloadIsCut: true },
    ]);
  });

  it('waits for a record that is not there yet', async () => {
    const read = get('/streams/telemetry/partitions/1/records?offset=2&waitMs=30000');
    while ((await get('/health')).status !== 200);
    node.append(1, { timeMs: 1, key: null, headers: [], payload: Buffer.from('late') });
    expect((await read).body).toMatchObject({ items: [{ offset: 2, payload: 'late' }], nextOffset: 3 });
  });

  it('tells the log of a defect and keeps it from the caller', async () => {
    node.session = () => {
      throw new Error('secret detail');
    };
    const answer = await get('/sessions/kitchen');
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain('secret');
    expect(defects).toEqual([new Error('secret detail')]);
  });

  it('survives what is not HTTP', async () => {
    const socket = net.connect(path);
    socket.on('error', () => {});
    socket.end('\0\0nonsense\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    expect((await get('/health')).status).toBe(200);
  });
});

describe('the table of operations', () => {
  it('has each identifier and each method and path once', () => {
    const ids = ALL_OPERATIONS.map(({ id }) => id);
    const places = ALL_OPERATIONS.map(({ method, path: at }) => `${method} ${at.replace(/\{\w+\}/g, '{}')}`);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(places).size).toBe(places.length);
  });

  it('names the parameters of its paths, and audits what changes something or shows messages', () => {
    for (const row of ALL_OPERATIONS) {
      const inPath = [...row.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(inPath).toEqual(Object.keys(row.pathParameters));
      const isChange = row.method !== 'GET';
      expect(row.scope.endsWith(':write')).toBe(isChange);
      const isTelling = row.scope === 'messages:read' || row.id === 'definitions.export';
      expect(row.audit).toBe(isChange ? 'change' : isTelling ? 'data' : 'none');
    }
  });
});
