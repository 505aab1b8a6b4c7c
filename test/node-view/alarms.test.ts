import { once } from 'node:events';
import http from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { testIo } from '../cli/support.ts';
import { startViewed, type ViewedNode } from './support.ts';

const T0 = Date.UTC(2026, 0, 1);
let node: ViewedNode;

afterEach(() => node.stop());

async function robustmq(...args: string[]) {
  const io = testIo();
  const code = await run([...args, '--data-dir', node.folder], io);
  return { code, out: io.outText(), err: io.errText() };
}

async function healthz(query: string): Promise<readonly [number, string]> {
  const address = node.node.listeners.find((each) => each.name === 'http')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no http listener');
  const request = http.get({ host: '127.0.0.1', port: address.port, path: `/healthz${query}`, agent: false });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return [response.statusCode ?? 0, text];
}

describe('alarms of a node', () => {
  it('are raised and cleared where operators look: lists, events, metrics, $SYS', async () => {
    node = await startViewed({
      'storage.engine': 'memory',
      'limits.maxConnections': 10,
      'sys.interval': '60s',
    });
    const watcher = await node.connect({ clientId: 'watcher' });
    await watcher.subscribe(['$SYS/broker/alarms/#']);
    const clients = [];
    for (let n = 0; n < 8; n++) clients.push(await node.connect({ clientId: `c${n}` }));
    await node.clock.advance(1000);
    const message = '9 of 10 connections are in use';
    const raised = { alarm: 'connections', severity: 'warning', raisedAtMs: T0 + 1000 };
    expect((await node.get('/alarms')).body.items).toEqual([{ ...raised, clearedAtMs: null, message }]);
    const told = await watcher.message();
    expect(JSON.parse(Buffer.from(told.payload).toString())).toEqual({ ...raised, message });
    const list = await robustmq('alarm', 'list');
    expect(list.out).toContain('connections  warning   2026-01-01T00:00:01Z  9 of 10');
    expect((await robustmq('check', 'alarms')).code).toBe(1);

    for (const each of clients) await each.drop();
    await node.clock.advance(12_000);
    expect((await node.get('/alarms')).body).toEqual({ items: [] });
    expect((await watcher.message()).payload).toHaveLength(0);
    const history = (await node.get('/alarms/history')).body.items as object[];
    expect(history).toEqual([{ ...raised, clearedAtMs: expect.any(Number), message }]);
    const events = await node.all('/events?kinds=alarm', 10);
    expect(events.map(({ kind, subject, reason }) => [kind, subject, reason])).toEqual([
      ['alarm.cleared', 'connections', message],
      ['alarm.raised', 'connections', message],
    ]);
    expect((await robustmq('check', 'alarms')).code).toBe(0);
  });

  it('say that log-ins fail', async () => {
    node = await startViewed({ 'storage.engine': 'memory' });
    for (let n = 0; n < 60; n++) node.node.security.guard.logIns.failed(`user${n}`, `10.0.0.${n}`);
    await node.clock.advance(1000);
    expect((await node.get('/alarms')).body.items).toEqual([]);
    for (let n = 0; n < 60; n++) node.node.security.guard.logIns.failed(`user${n}`, `10.0.1.${n}`);
    await node.clock.advance(1000);
    expect((await node.get('/alarms')).body.items).toEqual([
      expect.objectContaining({ alarm: 'authentication', message: '60 log-ins have failed within a minute' }),
    ]);
  });
});

describe('checks of a node', () => {
  it('are answered by name, for people, for scripts, and for strangers with yes or no', async () => {
    node = await startViewed({
      'storage.engine': 'memory',
      'listeners.http.enabled': true,
      'listeners.http.port': 0,
    });
    const all = [
      'ready',
      'alarms',
      'disk',
      'journal',
      'memory',
      'connections',
      'certificates:30',
      'listener:mqtt',
    ];
    const { code, out } = await robustmq('check', ...all);
    expect([code, out.split('\n').length]).toEqual([0, all.length + 1]);
    expect(out).toContain('ok  listener:mqtt: the listener mqtt is open\n');
    const failed = await robustmq('check', 'ready', 'listener:kafkas', '-o', 'ndjson');
    expect([
      failed.code,
      failed.out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ]).toEqual([
      1,
      [
        { check: 'ready', isOk: true, message: 'the node serves' },
        { check: 'listener:kafkas', isOk: false, message: 'there is no open listener kafkas' },
      ],
    ]);
    expect((await robustmq('check', '--quiet')).out).toBe('');
    const unknown = await robustmq('check', 'constructor');
    expect([unknown.code, unknown.err]).toEqual([
      2,
      expect.stringContaining('there is no check "constructor"'),
    ]);

    expect(await healthz('')).toEqual([200, 'ok\n']);
    expect(await healthz('?check=ready,listener:mqtt&check=disk')).toEqual([200, 'ok\n']);
    expect(await healthz('?check=listener:kafkas')).toEqual([503, 'not ok\n']);
    expect(await healthz('?check=everything')).toEqual([400, expect.stringContaining('there is no check')]);
    expect((await healthz(`?check=${'ready,'.repeat(40)}`))[0]).toBe(400);
  });
});
