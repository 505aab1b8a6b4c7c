import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HttpAccess } from '../../src/admin/access.ts';
import type { Caller } from '../../src/admin/caller.ts';
import { detailedRoute } from '../../src/admin/detailed-route.ts';
import { createRoutes } from '../../src/admin/http-routes.ts';
import type { NodeView } from '../../src/admin/node-view.ts';
import { OperationError } from '../../src/admin/operation.ts';
import type { SessionSummary } from '../../src/admin/views.ts';
import { session } from './fake-node.ts';

const EVERYTHING = ['metrics:read', 'sessions:read', 'queues:read', 'groups:read', 'topics:read'];

let sessions: SessionSummary[];
let scopes: readonly string[] | undefined;
let server: http.Server;
let url: string;
let defects: unknown[];
let pages: number;

const node = {
  sessions({ limit, after, prefix = '' }: { limit: number; after?: string; prefix?: string }) {
    pages++;
    const matching = sessions.filter(({ clientId }) => clientId.startsWith(prefix));
    const from = after === undefined ? 0 : Number(after);
    const items = matching.slice(from, from + limit);
    return from + limit < matching.length ? { items, next: `${from + limit}` } : { items };
  },
  queues: () => ({
    items: ['a', 'b'].map((name) => ({
      name,
      kind: 'session',
      waiting: 3,
      inFlight: 1,
      bytes: 70,
      memberCount: 1,
      consumers: 1,
    })),
  }),
  groups: {
    list: () => ({
      items: ['g', 'gone'].map((group) => ({ group, kind: 'consumer', state: 'stable', members: 2 })),
    }),
    get: (group: string) => (group === 'gone' ? undefined : { group, kind: 'consumer', members: 2, lag: 17 }),
  },
  topics: {
    list() {
      throw new OperationError(409, 'kafka-disabled', 'Kafka is not served');
    },
  },
  health: () => ({ status: 'green', problems: [] }),
} as unknown as NodeView;

const access = {
  async identifyClient() {
    if (scopes === undefined) throw new OperationError(401, 'unauthenticated', 'log in');
    return { may: (scope: string) => scopes?.includes(scope) } as unknown as Caller;
  },
} as unknown as HttpAccess;

beforeEach(async () => {
  sessions = [session('one'), session('two', false), session('tw"o\n')];
  scopes = EVERYTHING;
  defects = [];
  pages = 0;
  server = http.createServer(
    createRoutes({
      api: async () => {},
      version: '1',
      health: () => node.health(),
      isServing: () => true,
      routes: [detailedRoute(node, access)],
      onDefect: (error) => void defects.push(error),
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}/metrics/detailed`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  expect(defects).toEqual([]);
});

async function ask(query: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${url}${query}`);
  return { status: answer.status, text: await answer.text() };
}

async function refusal(query: string): Promise<string> {
  const { status, text } = await ask(query);
  return `${status} ${(JSON.parse(text) as { detail: string }).detail}`;
}

describe('figures of single objects', () => {
  it('come by family, all lines of a name together, with names escaped', async () => {
    const { status, text } = await ask('?family=session,queue,group');
    expect(status).toBe(200);
    const lines = text.split('\n');
    const at = lines.indexOf('# TYPE robustmq_session_waiting_messages gauge');
    expect(lines.slice(at + 1, at + 4)).toEqual([
      'robustmq_session_waiting_messages{client_id="one"} 0',
      'robustmq_session_waiting_messages{client_id="two"} 3',
      'robustmq_session_waiting_messages{client_id="tw\\"o\\n"} 0',
    ]);
    expect(lines).toContain('robustmq_queue_in_flight_messages{queue="b",kind="session"} 1');
    expect(lines).toContain('robustmq_group_lag_records{group="g",kind="consumer"} 17');
    expect(text).not.toContain('gone');
    for (const name of new Set(lines.flatMap((line) => /^(\w+)\{/.exec(line)?.[1] ?? []))) {
      const places = lines.flatMap((line, i) => (line.startsWith(`${name}{`) ? [i] : []));
      expect((places.at(-1) ?? 0) - (places[0] ?? 0) + 1).toBe(places.length);
    }
  });

  it('come for those whose names match, by a name or by how names begin', async () => {
    const namesOf = async (match: string): Promise<string[]> =>
      [...(await ask(`?family=session&match=${match}`)).text.matchAll(/_connected\{client_id="(\w+)/g)].map(
        ([, name = '']) => name,
      );
    expect(await namesOf('t*')).toEqual(['two', 'tw']);
    expect(await namesOf('two')).toEqual(['two']);
    expect(await namesOf('tw')).toEqual([]);
    expect(await namesOf('*')).toEqual(['one', 'two', 'tw']);
  });

  it('are refused as a whole above the limit, before everything was looked at', async () => {
    sessions = Array.from({ length: 9000 }, (_, i) => session(`client-${i}`));
    expect(await refusal('?family=session')).toMatch(/^422 .*more than 5000 objects.*match=prefix\*/);
    expect(pages).toBe(11);
    expect((await ask('?family=session&limit=9000')).text.split('\n')).toHaveLength(5 * 9002 + 1);
    expect((await ask('?family=session&match=client-1*&limit=2000')).status).toBe(200);
    sessions = Array.from({ length: 300 }, (_, i) => session(`${i}${'x'.repeat(60_000)}`));
    expect(await refusal('?family=session')).toMatch(/^422 .*8 MiB of names/);
  });

  it('need a log-in and the scope of each family, whoever asks', async () => {
    scopes = undefined;
    const answer = await fetch(`${url}?family=session`);
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="RobustMQ"']);
    for (const missing of ['metrics:read', 'sessions:read', 'groups:read']) {
      scopes = EVERYTHING.filter((scope) => scope !== missing);
      expect(await refusal('?family=session,group')).toBe(`403 this needs the scope ${missing}`);
    }
    scopes = ['metrics:read', 'queues:read'];
    expect((await ask('?family=queue')).status).toBe(200);
  });

  it('are asked for with what there is', async () => {
    expect(await refusal('')).toContain('400 family must name some of session, queue, group, topic');
    expect(await refusal('?family=session,secrets')).toContain('not "secrets"');
    expect(await refusal('?family=session&famly=queue')).toContain('no parameter "famly"');
    expect(await refusal('?family=session&limit=0')).toContain('from 1 to 20000');
    expect(await refusal('?family=session&limit=20001')).toContain('from 1 to 20000');
    expect(await refusal('?family=session&match=a*b')).toContain('one * at its end');
    expect(await refusal('?family=topic')).toBe('409 Kafka is not served');
  });

  it('do not wait for somebody who has gone away', async () => {
    sessions = Array.from({ length: 15_000 }, (_, i) => session(`client-${i}`));
    const { port } = server.address() as { port: number };
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /metrics/detailed?family=session&limit=20000 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'data');
    expect((await ask('?family=queue')).status).toBe(503);
    socket.destroy();
    await expect.poll(async () => (await ask('?family=queue')).status).toBe(200);
  });
});
