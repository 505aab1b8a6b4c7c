/** What somebody sees who asks at a wrong place, or with a wrong key. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { systemReason } from '../../src/cli/read-config.ts';
import { testIo } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'robustmq-unreachable-'));
const keyFile = join(folder, 'key');
const server = http.createServer((_request, response) => {
  response.writeHead(401, { 'content-type': 'application/problem+json' });
  response.end('{"title":"Who are you?","detail":"log in, or send an API key as bearer"}');
});

beforeAll(async () => {
  writeFileSync(keyFile, 'rmq_1_2\n');
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', () => done()));
});
afterAll(async () => {
  await new Promise((done) => void server.close(done));
  rmSync(folder, { recursive: true });
});

async function asks(...argv: string[]): Promise<{ code: number; err: string }> {
  const io = testIo();
  return { code: await run(argv, io), err: io.errText() };
}

describe('administration from elsewhere', () => {
  const place = (scheme: string): string => `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;

  it('says that the key is wrong where one was sent', async () => {
    const { code, err } = await asks('status', '--url', place('http'), '--api-key-file', keyFile);
    expect(code).toBe(4);
    expect(err).toMatch(/^robustmq: the broker takes no such API key: .*\n$/);
  });

  it('says that there is no TLS where there is none, in one line', async () => {
    const { code, err } = await asks('status', '--url', place('https'), '--api-key-file', keyFile);
    expect(code).toBe(5);
    expect(err).toBe(
      `robustmq: the broker at ${place('https')} cannot be reached: there is no TLS, or none that fits, on the other side\n`,
    );
  });
});

describe('a data directory', () => {
  it('that is a file is called so', async () => {
    const { code, err } = await asks('start', '--data-dir', keyFile);
    expect(code).toBe(1);
    expect(err).toBe(`robustmq: cannot use the data directory ${keyFile}: there is a file of that name\n`);
  });
});

describe('a certificate that is not taken', () => {
  it.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', '--ca names'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', '--ca names'],
    ['CERT_HAS_EXPIRED', 'has ended'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'for another name'],
  ])('is said what to do about: %s', (code, words) => {
    expect(systemReason(Object.assign(new Error('words of a library'), { code }))).toContain(words);
  });
});
