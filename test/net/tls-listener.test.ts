import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, describe, expect, it } from 'vitest';
import type { Listener } from '../../src/net/listener.ts';
import { startTlsListener } from '../../src/net/tls-listener.ts';
import { createCertificate } from '../support/certificates.ts';
import {
  cleanUp,
  closed,
  collect,
  connectTo,
  createBench,
  eventually,
  noise,
  portOf,
  tlsConfig,
  track,
} from './harness.ts';

const directory = mkdtempSync(join(tmpdir(), 'tls-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const authority = createCertificate({ commonName: 'Test authority', authority: true });
const stranger = createCertificate({ commonName: 'Other authority', authority: true });
const server = createCertificate({
  commonName: 'localhost',
  names: ['localhost', '127.0.0.1'],
  issuer: authority,
});
const named = createCertificate({ commonName: 'named', names: ['broker.example'], issuer: authority });
const wild = createCertificate({ commonName: 'wild', names: ['*.devices.example'], issuer: authority });
const device = createCertificate({ commonName: 'device-1', issuer: authority });

const certFile = file('server.crt', server.certPem);
const keyFile = file('server.key', server.keyPem);
const caFile = file('ca.crt', authority.certPem);

function dial(listener: Listener, options: tls.ConnectionOptions = {}): tls.TLSSocket {
  const socket = tls.connect({
    host: '127.0.0.1',
    port: portOf(listener),
    ca: authority.certPem,
    servername: 'localhost',
    ...options,
  });
  socket.on('error', () => undefined);
  cleanUp(() => {
    socket.destroy();
  });
  return socket;
}

function secured(socket: tls.TLSSocket): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket));
    socket.once('close', () => reject(new Error('closed before the handshake was complete')));
  });
}

describe('TLS transport', () => {
  it('carries bytes exactly both ways', async () => {
    const bench = createBench({ windowBytes: 1000 });
    const listener = await track(startTlsListener('mqtts', tlsConfig({ certFile, keyFile }), bench.context));
    const client = await secured(dial(listener));
    const output = collect(client);
    const connection = await bench.next();
    expect(connection.transport).toMatchObject({
      kind: 'tls',
      remoteAddress: '127.0.0.1',
      peerCertificate: undefined,
    });
    const data = noise(700_001);
    for (let offset = 0; offset < data.length; offset += 99_991)
      client.write(data.subarray(offset, offset + 99_991));
    await connection.bytes(data.length);
    expect(connection.received.equals(data)).toBe(true);
    await connection.send(data.subarray(0, 10), data.subarray(10, 300_000), data.subarray(300_000));
    expect((await output.until(data.length)).equals(data)).toBe(true);
    connection.transport.end();
    await closed(client);
    await connection.gone();
    expect(connection.error).toBeUndefined();
    expect(bench.admission.counters().open).toBe(0);
  });

  it('pauses, and settles a pending write once when it is destroyed', async () => {
    const bench = createBench();
    const listener = await track(startTlsListener('mqtts', tlsConfig({ certFile, keyFile }), bench.context));
    const client = await secured(dial(listener));
    const connection = await bench.next();
    connection.onRead = () => {
      connection.transport.pause();
      setImmediate(() => connection.transport.resume());
    };
    const data = noise(400_000);
    client.write(data);
    await connection.bytes(data.length);
    expect(connection.received.equals(data)).toBe(true);
    client.pause();
    let done = 0;
    connection.transport.write([noise(16 * 1024 * 1024), noise(10)], () => {
      done += 1;
    });
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(0);
    connection.transport.destroy();
    await connection.gone();
    expect([done, connection.closedTimes]).toEqual([1, 1]);
  });

  it('agrees on mqtt by ALPN, needs none, and refuses other protocols', async () => {
    const bench = createBench();
    const listener = await track(startTlsListener('mqtts', tlsConfig({ certFile, keyFile }), bench.context));
    expect((await secured(dial(listener, { ALPNProtocols: ['mqtt'] }))).alpnProtocol).toBe('mqtt');
    expect((await secured(dial(listener))).alpnProtocol).toBe(false);
    await expect(secured(dial(listener, { ALPNProtocols: ['h2'] }))).rejects.toThrow();
  });

  it('holds to the minimum version', async () => {
    const bench = createBench();
    const config = tlsConfig({ certFile, keyFile, minVersion: 'TLSv1.3' });
    const listener = await track(startTlsListener('mqtts', config, bench.context));
    await expect(secured(dial(listener, { maxVersion: 'TLSv1.2' }))).rejects.toThrow();
    expect((await secured(dial(listener))).getProtocol()).toBe('TLSv1.3');
  });

  it('shows each server name its certificate', async () => {
    const bench = createBench();
    const sni = [
      {
        serverName: 'broker.example',
        certFile: file('n.crt', named.certPem),
        keyFile: file('n.key', named.keyPem),
      },
      {
        serverName: '*.devices.example',
        certFile: file('w.crt', wild.certPem),
        keyFile: file('w.key', wild.keyPem),
      },
    ];
    const listener = await track(
      startTlsListener('mqtts', tlsConfig({ certFile, keyFile, sni }), bench.context),
    );
    const shown = async (servername: string): Promise<unknown> => {
      const socket = await secured(dial(listener, { servername, checkServerIdentity: () => undefined }));
      return socket.getPeerCertificate().subject.CN;
    };
    expect(await shown('broker.example')).toBe('named');
    expect(await shown('BROKER.example')).toBe('named');
    expect(await shown('a.devices.example')).toBe('wild');
    expect(await shown('a.b.devices.example')).toBe('localhost');
    expect(await shown('other.example')).toBe('localhost');
  });

  it('closes handshakes that are not complete in time, are something else, or break off (items 17, 18)', async () => {
    const bench = createBench();
    const config = tlsConfig({ certFile, keyFile, handshakeTimeoutMs: 150 });
    const listener = await track(startTlsListener('mqtts', config, bench.context));
    const silent = connectTo(listener).resume();
    const slow = connectTo(listener).resume();
    slow.write(Buffer.of(0x16, 0x03, 0x01));
    const plain = connectTo(listener).resume();
    plain.write(Buffer.from('100c00044d5154540402003c0000', 'hex'));
    const broken = connectTo(listener).resume();
    broken.write(Buffer.of(0x16));
    await eventually(() => listener.counters().accepted === 4);
    broken.resetAndDestroy();
    await Promise.all([silent, slow, plain, broken].map(closed));
    await eventually(() => listener.counters().failedHandshakes === 4);
    expect(listener.counters()).toMatchObject({ open: 0, pending: 0 });
    expect(bench.admission.counters().open).toBe(0);
    await secured(dial(listener));
  });

  it('takes the address from a PROXY header in front of the handshake', async () => {
    const bench = createBench();
    const config = { ...tlsConfig({ certFile, keyFile }), proxyProtocol: true };
    const listener = await track(startTlsListener('mqtts', config, bench.context));
    const raw = connectTo(listener);
    raw.write('PROXY TCP4 192.0.2.7 198.51.100.1 12345 8883\r\n');
    const client = await secured(dial(listener, { socket: raw }));
    client.write('hello');
    const connection = await bench.next();
    await connection.bytes(5);
    expect(connection.transport).toMatchObject({ remoteAddress: '192.0.2.7', remotePort: 12345 });
  });

  it('finds the start of the handshake in the same packet as the PROXY header', async () => {
    const bench = createBench();
    const config = { ...tlsConfig({ certFile, keyFile }), proxyProtocol: true };
    const listener = await track(startTlsListener('mqtts', config, bench.context));
    const raw = connectTo(listener);
    raw.cork();
    raw.write('PROXY UNKNOWN\r\n');
    const client = dial(listener, { socket: raw });
    setImmediate(() => raw.uncork());
    await secured(client);
    client.write('hello');
    await (await bench.next()).bytes(5);
  });
});

describe('client certificates', () => {
  const own = { cert: device.certPem, key: device.keyPem };
  const foreignDevice = createCertificate({ commonName: 'device-1', issuer: stranger });
  const foreign = { cert: foreignDevice.certPem, key: foreignDevice.keyPem };
  const expiredDevice = createCertificate({
    commonName: 'device-1',
    issuer: authority,
    validTo: new Date(Date.now() - 1000),
  });
  const expired = { cert: expiredDevice.certPem, key: expiredDevice.keyPem };

  it('are an identity when verified, and demanded where required', async () => {
    const bench = createBench();
    const config = tlsConfig({ certFile, keyFile, caFile, clientCertificate: 'require' });
    const listener = await track(startTlsListener('mqtts', config, bench.context));
    dial(listener, own);
    const connection = await bench.next();
    expect(connection.transport.peerCertificate).toMatchObject({
      commonName: 'device-1',
      subject: 'CN=device-1',
    });
    expect(connection.transport.peerCertificate?.fingerprint256).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    for (const options of [{}, foreign, expired]) await closed(dial(listener, options).resume());
    await eventually(() => listener.counters().failedHandshakes === 3);
    expect(bench.connections).toHaveLength(1);
    expect(bench.admission.counters().open).toBe(1);
  });

  it('are optional where requested, and an unverified one is no identity', async () => {
    const bench = createBench();
    const config = tlsConfig({ certFile, keyFile, caFile, clientCertificate: 'request' });
    const listener = await track(startTlsListener('mqtts', config, bench.context));
    const identities: (string | undefined)[] = [];
    for (const options of [own, {}, foreign, expired]) {
      dial(listener, options);
      identities.push((await bench.next()).transport.peerCertificate?.commonName);
    }
    expect(identities).toEqual(['device-1', undefined, undefined, undefined]);
  });
});

describe('certificate files', () => {
  it('can be replaced while connections stay', async () => {
    const bench = createBench();
    const paths = { certFile: file('live.crt', server.certPem), keyFile: file('live.key', server.keyPem) };
    const sni = [
      {
        serverName: 'broker.example',
        certFile: file('s.crt', named.certPem),
        keyFile: file('s.key', named.keyPem),
      },
    ];
    const listener = await track(startTlsListener('mqtts', tlsConfig({ ...paths, sni }), bench.context));
    const old = await secured(dial(listener));
    const connection = await bench.next();
    const fingerprint = async (servername: string): Promise<string> => {
      const socket = await secured(dial(listener, { servername, checkServerIdentity: () => undefined }));
      return socket.getPeerCertificate().fingerprint256;
    };
    const before = [await fingerprint('localhost'), await fingerprint('broker.example')];

    const next = createCertificate({ commonName: 'localhost', names: ['localhost'], issuer: authority });
    file('live.crt', next.certPem);
    const mismatch = listener.reload();
    expect(mismatch?.message).toContain(
      `${paths.keyFile}: is not the key of the certificate in ${paths.certFile}`,
    );
    expect(await fingerprint('localhost')).toBe(before[0]);

    file('live.key', 'garbage');
    expect(listener.reload()?.message).toContain('is not a valid private key');
    expect(await fingerprint('localhost')).toBe(before[0]);

    file('live.key', next.keyPem);
    const nextNamed = createCertificate({
      commonName: 'named',
      names: ['broker.example'],
      issuer: authority,
    });
    file('s.crt', nextNamed.certPem);
    file('s.key', nextNamed.keyPem);
    expect(listener.reload()).toBeUndefined();
    expect(await fingerprint('localhost')).not.toBe(before[0]);
    expect(await fingerprint('broker.example')).not.toBe(before[1]);

    old.write('still here');
    await connection.bytes(10);
  });

  it('are reported by setting, path and cause', async () => {
    const { context, log } = createBench();
    const start = (tlsOptions: Parameters<typeof tlsConfig>[0]): Promise<Listener> =>
      startTlsListener('mqtts', tlsConfig({ certFile, keyFile, ...tlsOptions }), context);
    const missing = join(directory, 'missing.crt');
    const garbage = file('garbage.pem', 'not a certificate');
    await expect(start({ certFile: '' })).rejects.toThrow('listeners.mqtts.tls.certFile is not set');
    await expect(start({ certFile: missing })).rejects.toThrow(
      `listeners.mqtts.tls.certFile ${missing}: cannot be read: there is no such file.`,
    );
    await expect(start({ keyFile: directory })).rejects.toThrow('it is a directory');
    await expect(start({ certFile: garbage })).rejects.toThrow('is not a valid certificate in PEM format');
    await expect(start({ keyFile: garbage })).rejects.toThrow('is not a valid private key in PEM format');
    await expect(start({ caFile: garbage })).rejects.toThrow('tls.caFile');
    await expect(start({ clientCertificate: 'require' })).rejects.toThrow(
      'tls.caFile, which verifies them, is not set',
    );
    await expect(
      start({ sni: [{ serverName: 'x', certFile, keyFile: file('d.key', device.keyPem) }] }),
    ).rejects.toThrow('listeners.mqtts.tls.sni.0.keyFile');
    const old = createCertificate({ commonName: 'localhost', validTo: new Date(Date.now() - 1000) });
    await track(start({ certFile: file('old.crt', old.certPem), keyFile: file('old.key', old.keyPem) }));
    expect(log.some((line) => line.level === 'warn' && line.message.includes('expired on'))).toBe(true);
  });
});
