import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { Authenticator } from '../../../src/security/authentication/authenticator.ts';
import {
  createHttpAuthenticator,
  type HttpAuthenticatorOptions,
} from '../../../src/security/authentication/http.ts';
import {
  createHttpClient,
  type HttpClientOptions,
  isLinkLocal,
} from '../../../src/security/outbound/request.ts';
import type { Attempt } from '../../../src/security/security.ts';
import { createCertificate } from '../../support/certificates.ts';
import { attempt, bytes, withPassword } from '../support.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

type Answers = (request: IncomingMessage, response: ServerResponse, body: string) => void;

async function service(answers: Answers): Promise<URL> {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    answers(request, response, body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/auth`);
}

const json =
  (value: unknown, status = 200): Answers =>
  (_request, response) => {
    response.writeHead(status).end(typeof value === 'string' ? value : JSON.stringify(value));
  };

const limits: HttpClientOptions = {
  timeoutMs: 2000,
  maxInFlight: 4,
  maxWaiting: 4,
  maxAnswerBytes: 1000,
  allowLinkLocal: false,
};

function asking(
  url: URL,
  options: Partial<HttpClientOptions> = {},
  more: Partial<HttpAuthenticatorOptions> = {},
): Authenticator {
  const client = createHttpClient({ ...limits, ...options });
  const made = createHttpAuthenticator({ url, headers: {}, body: [], client, ...more });
  ends.push(() => made.close?.());
  return made;
}

/** As the chain does it: what is thrown is no answer. */
async function ask(authenticator: Authenticator, from: Attempt, signal = new AbortController().signal) {
  try {
    return await authenticator.authenticate(from, signal);
  } catch (error) {
    return { kind: 'refuse', refusal: 'unavailable', reason: (error as Error).message };
  }
}
const alice = withPassword('alice', 'wonderland');

describe('a service that is asked by HTTP', () => {
  it('is told what the client showed, and lets in, refuses, or leaves it to others', async () => {
    const bodies: unknown[] = [];
    let answer: object = { result: 'allow', roles: ['r'], rules: { pub: ['a/#'] }, isSuperuser: false };
    const url = await service((request, response, body) => {
      bodies.push([request.method, request.url, request.headers.authorization, JSON.parse(body)]);
      json(answer)(request, response, body);
    });
    const authenticator = asking(url, {}, { headers: { authorization: 'Bearer key' } });
    expect(await ask(authenticator, alice)).toMatchObject({
      kind: 'let-in',
      identity: {
        userName: 'alice',
        roles: ['r'],
        rules: [{ effect: 'allow', actions: ['publish'], filters: ['a/#'] }],
        isSuperuser: false,
        expiresAtMs: undefined,
      },
    });
    const shown = {
      username: 'alice',
      password: 'wonderland',
      clientid: 'client',
      protocol: 'mqtt',
      listener: 'mqtt',
      ip: '10.0.0.1',
      certname: '',
    };
    expect(bodies).toEqual([['POST', '/auth', 'Bearer key', shown]]);
    answer = { result: 'deny' };
    expect(await ask(authenticator, alice)).toMatchObject({ kind: 'refuse', refusal: 'bad-credentials' });
    answer = { result: 'ignore' };
    expect(await ask(authenticator, alice)).toEqual({ kind: 'not-mine' });
    answer = { result: 'allow', username: 'a.liddell', tenant: 'acme', expire_at: 2e9, is_superuser: true };
    expect(await ask(authenticator, alice)).toMatchObject({
      identity: { userName: 'a.liddell', tenant: 'acme', isSuperuser: true, expiresAtMs: 2e12 },
    });
    expect(await ask(authenticator, attempt())).toEqual({ kind: 'not-mine' });
  });

  it('is told fields by templates, of which none brings another', async () => {
    let told = '';
    const url = await service((request, response, body) => {
      told = body;
      json({ result: 'deny' })(request, response, body);
    });
    const dollar = '$';
    const body = [
      { name: 'who', value: `${dollar}{username}@${dollar}{listener}` },
      { name: 'secret', value: `${dollar}{password}` },
      { name: 'odd', value: `${dollar}{constructor} ${dollar}{nothing}` },
    ];
    const tricky = withPassword(`${dollar}{password}","x":"`, `${dollar}{username}`);
    await ask(asking(url, {}, { body }), tricky);
    expect(JSON.parse(told)).toEqual({
      who: `${dollar}{password}","x":"@mqtt`,
      secret: `${dollar}{username}`,
      odd: `${dollar}{constructor} ${dollar}{nothing}`,
    });
  });

  it.each<[string, Answers]>([
    ['an error', json({ result: 'allow' }, 500)],
    ['not found', json({ result: 'allow' }, 404)],
    ['no content', json('', 204)],
    ['another success', json({ result: 'allow' }, 202)],
    ['nothing', json('')],
    ['garbage', json('<html>allow</html>')],
    ['a list', json([{ result: 'allow' }])],
    ['a text', json('"allow"')],
    ['no result', json({ allow: true })],
    ['a result that is none', json({ result: 'ALLOW' })],
    ['roles that are none', json({ result: 'allow', roles: 7 })],
    ['rules that are none', json({ result: 'allow', rules: [{ effect: 'allow' }] })],
    ['a superuser that is none', json({ result: 'allow', isSuperuser: 'yes' })],
    ['a tenant that is none', json({ result: 'allow', tenant: 7 })],
    ['an end that is none', json({ result: 'allow', expiresAt: 'tomorrow' })],
    ['too much', json({ result: 'allow', more: 'x'.repeat(2000) })],
    [
      'half of an answer',
      (_request, response) => {
        response.writeHead(200, { 'content-length': 100 }).write('{"result":"allow"}');
        response.socket?.end();
      },
    ],
    ['a closed connection', (request) => void request.socket.destroy()],
  ])('ops 34: lets nobody in when it answers with %s', async (_what, answers) => {
    const answer = await ask(asking(await service(answers)), alice);
    expect(answer).toMatchObject({ kind: 'refuse', refusal: 'unavailable' });
  });

  it('ops 34: lets nobody in when it is down, late, or given up', async () => {
    const url = await service(() => {});
    expect(await ask(asking(url, { timeoutMs: 50 }), alice)).toMatchObject({ refusal: 'unavailable' });
    const controller = new AbortController();
    const given = ask(asking(url), alice, controller.signal);
    controller.abort();
    expect(await given).toMatchObject({ refusal: 'unavailable' });
    const gone = new URL('http://127.0.0.1:1/');
    expect(await ask(asking(gone), alice)).toMatchObject({ refusal: 'unavailable' });
  });

  it('ops 34: is asked by a bounded number at once, and a bounded number waits', async () => {
    const held: ServerResponse[] = [];
    const url = await service((_request, response) => void held.push(response));
    const authenticator = asking(url);
    const answers = Array.from({ length: 10 }, () => ask(authenticator, alice));
    await expect.poll(() => held.length).toBe(4);
    let answered = 0;
    for (const answer of answers) void answer.then(() => answered++);
    await expect.poll(() => answered).toBe(2);
    const finish = async (): Promise<void> => {
      for (const response of held.splice(0)) response.end('{"result":"deny"}');
    };
    await finish();
    await expect.poll(() => held.length).toBe(4);
    await finish();
    const kinds = (await Promise.all(answers)).map((answer) =>
      answer.kind === 'refuse' ? answer.refusal : '',
    );
    expect(kinds.filter((kind) => kind === 'busy')).toHaveLength(2);
    expect(kinds.filter((kind) => kind === 'bad-credentials')).toHaveLength(8);
  });

  it('keeps its connections', async () => {
    const ports = new Set<number | undefined>();
    const url = await service((request, response) => {
      ports.add(request.socket.remotePort);
      response.end('{"result":"deny"}');
    });
    const authenticator = asking(url);
    for (let i = 0; i < 5; i++) await ask(authenticator, alice);
    expect(ports.size).toBe(1);
  });

  it('ops 50: is not followed where it redirects to', async () => {
    let visits = 0;
    const target = await service((_request, response) => {
      visits++;
      response.end('{"result":"allow"}');
    });
    for (const status of [301, 302, 303, 307, 308]) {
      const url = await service((_request, response) => {
        response.writeHead(status, { location: target.href }).end('{"result":"allow"}');
      });
      expect(await ask(asking(url), alice)).toMatchObject({ refusal: 'unavailable' });
    }
    expect(visits).toBe(0);
  });

  it.each([
    'http://169.254.169.254/latest/meta-data',
    'http://[::ffff:169.254.169.254]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://2852039166/',
    'http://0xa9.0xfe.0xa9.0xfe/',
    'http://[fe80::1]/',
    'http://[fd00:ec2::254]/',
  ])('ops 50: is not asked at an address of the link: %s', async (address) => {
    const answer = await ask(asking(new URL(address)), alice);
    expect(answer).toMatchObject({ refusal: 'unavailable', reason: expect.stringContaining('of the link') });
  });

  it('ops 50: knows addresses of the link from others', () => {
    for (const address of [
      '127.0.0.1',
      '10.0.0.1',
      '::1',
      '169.253.0.1',
      '::ffff:127.0.0.1',
      'example.org',
    ]) {
      expect(isLinkLocal(address)).toBe(false);
    }
    for (const address of ['169.254.0.1', '::ffff:169.254.0.1', 'fe80::1', 'febf::1']) {
      expect(isLinkLocal(address)).toBe(true);
    }
  });

  it('ops 50: is not asked under a name that leads to the link, also not when it did not a moment ago', async () => {
    const url = await service(json({ result: 'deny' }));
    let addresses = [{ address: '127.0.0.1', family: 4 }];
    let asked = 0;
    const named = new URL(`http://auth.example:${url.port}/`);
    const authenticator = asking(named, {
      resolve: (_host, done) => {
        asked++;
        done(null, addresses);
      },
    });
    expect(await ask(authenticator, alice)).toMatchObject({ refusal: 'bad-credentials' });
    const others = asking(named, { resolve: (_host, done) => done(null, addresses) });
    addresses = [
      { address: '127.0.0.1', family: 4 },
      { address: '169.254.169.254', family: 4 },
    ];
    expect(await ask(others, alice)).toMatchObject({ reason: expect.stringContaining('of the link') });
    // One look-up decides and is connected to.
    expect(asked).toBe(1);
  });

  it('is asked anew when it closes the connection that was kept', async () => {
    let asked = 0;
    const url = await service((request, response) => {
      asked++;
      response.end('{"result":"deny"}', () => {
        if (asked === 1) setImmediate(() => request.socket.resetAndDestroy());
      });
    });
    const authenticator = asking(url);
    for (let i = 0; i < 3; i++) {
      expect(await ask(authenticator, alice)).toMatchObject({ refusal: 'bad-credentials' });
    }
  });

  it('must have a certificate of an authority that is trusted', async () => {
    const authority = createCertificate({ commonName: 'authority', authority: true });
    const own = createCertificate({ commonName: 'localhost', names: ['127.0.0.1'], issuer: authority });
    const other = createCertificate({ commonName: 'localhost', names: ['10.0.0.1'], issuer: authority });
    const serve = async ({ certPem, keyPem }: typeof own): Promise<URL> => {
      const server = createSecureServer({ cert: certPem, key: keyPem }, (_request, response) => {
        response.end('{"result":"allow"}');
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      ends.push(() => {
        server.closeAllConnections();
        server.close();
      });
      return new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    };
    const url = await serve(own);
    expect(await ask(asking(url), alice)).toMatchObject({ refusal: 'unavailable' });
    expect(await ask(asking(url, { ca: authority.certPem }), alice)).toMatchObject({ kind: 'let-in' });
    const wrongName = asking(await serve(other), { ca: authority.certPem });
    expect(await ask(wrongName, alice)).toMatchObject({ refusal: 'unavailable' });
  });

  it('refuses passwords that JSON could not carry as they are', async () => {
    const authenticator = asking(await service(json({ result: 'allow' })));
    const password = Uint8Array.of(0xff);
    expect(await ask(authenticator, attempt({ userName: 'a', password }))).toMatchObject({
      refusal: 'bad-credentials',
    });
    const long = withPassword('a', 'x'.repeat(20_000));
    expect(await ask(authenticator, long)).toMatchObject({ refusal: 'bad-credentials' });
  });
});

describe('the example of such a service', () => {
  it('lets in by name and password', async () => {
    const script = fileURLToPath(new URL('../../../examples/http-authentication.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    ends.push(() => child.kill('SIGKILL'));
    const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    const authenticator = asking(new URL(String(value)), { timeoutMs: 10_000 });
    expect(await ask(authenticator, withPassword('demo', 'correct horse'))).toMatchObject({
      kind: 'let-in',
      identity: { userName: 'demo', roles: ['reader'] },
    });
    expect(await ask(authenticator, withPassword('demo', 'battery'))).toMatchObject({ kind: 'refuse' });
    expect(await ask(authenticator, withPassword('eve', 'correct horse'))).toEqual({ kind: 'not-mine' });
    expect(await ask(authenticator, attempt({ password: bytes('x') }))).toEqual({ kind: 'not-mine' });
  });
});
