import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNetworks } from '../../src/net/networks.ts';
import { maxProxyHeaderBytes, parseProxyHeader, plainAddress } from '../../src/net/proxy-protocol.ts';
import { startTcpListener } from '../../src/net/tcp-listener.ts';
import { closed, collect, connectTo, createBench, eventually, tcpConfig, track } from './harness.ts';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

function v2(
  versionAndCommand: number,
  family: number,
  payload: Uint8Array,
  claimedLength = payload.length,
): Buffer {
  const head = Buffer.of(versionAndCommand, family, claimedLength >> 8, claimedLength & 0xff);
  return Buffer.concat([signature, head, payload]);
}

const ipv4Addresses = Buffer.of(192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x07, 0x5b);
const ipv6Addresses = Buffer.concat([
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from('20010db8000000000000000000000002', 'hex'),
  Buffer.of(0x30, 0x39, 0x07, 0x5b),
]);
const tlv = (type: number, value: string): Buffer =>
  Buffer.concat([Buffer.of(type, value.length >> 8, value.length & 0xff), Buffer.from(value)]);

const valid: readonly { readonly header: Buffer; readonly source: object | undefined }[] = [
  {
    header: Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 12345 1883\r\n'),
    source: { address: '192.0.2.7', port: 12345 },
  },
  {
    header: Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 12345 1883\r\n'),
    source: { address: '2001:db8::1', port: 12345 },
  },
  {
    header: Buffer.from('PROXY TCP6 2001:0DB8:0:0::1 ::1 0 65535\r\n'),
    source: { address: '2001:db8::1', port: 0 },
  },
  {
    header: Buffer.from('PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n'),
    source: { address: '192.0.2.7', port: 1 },
  },
  { header: Buffer.from('PROXY UNKNOWN\r\n'), source: undefined },
  { header: Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n'), source: undefined },
  { header: v2(0x21, 0x11, ipv4Addresses), source: { address: '192.0.2.7', port: 12345 } },
  { header: v2(0x21, 0x21, ipv6Addresses), source: { address: '2001:db8::1', port: 12345 } },
  {
    header: v2(
      0x21,
      0x11,
      Buffer.concat([ipv4Addresses, tlv(0x02, 'broker.example'), tlv(0x05, ''), tlv(0x04, 'pad')]),
    ),
    source: { address: '192.0.2.7', port: 12345 },
  },
  { header: v2(0x21, 0x31, Buffer.alloc(216)), source: { address: '', port: 0 } },
  { header: v2(0x20, 0x00, Buffer.alloc(0)), source: undefined },
  { header: v2(0x20, 0x77, Buffer.from('skipped')), source: undefined },
  { header: v2(0x21, 0x00, Buffer.alloc(0)), source: undefined },
];

const invalid: readonly { readonly header: Buffer; readonly reason: RegExp }[] = [
  { header: Buffer.from('GET / HTTP/1.1\r\n'), reason: /signature/ },
  { header: Buffer.from('proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n'), reason: /signature/ },
  { header: Buffer.from('PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n'), reason: /none of TCP4/ },
  { header: Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n'), reason: /too many/ },
  { header: Buffer.from('PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n'), reason: /too many|address/ },
  { header: Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n'), reason: /port/ },
  { header: Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n'), reason: /port/ },
  { header: Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n'), reason: /port/ },
  { header: Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 -1\r\n'), reason: /port/ },
  { header: Buffer.from('PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n'), reason: /address/ },
  { header: Buffer.from('PROXY TCP4 ::1 ::1 1 1\r\n'), reason: /address/ },
  { header: Buffer.from('PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n'), reason: /address/ },
  { header: Buffer.from('PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n'), reason: /address/ },
  { header: Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 1\rX'), reason: /CR LF/ },
  { header: Buffer.from(`PROXY UNKNOWN ${'x'.repeat(200)}`), reason: /107/ },
  { header: Buffer.from(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`), reason: /107/ },
  { header: v2(0x11, 0x11, ipv4Addresses), reason: /version or command/ },
  { header: v2(0x22, 0x11, ipv4Addresses), reason: /version or command/ },
  { header: v2(0x21, 0x12, ipv4Addresses), reason: /unsupported/ },
  { header: v2(0x21, 0x41, ipv4Addresses), reason: /unsupported/ },
  { header: v2(0x21, 0x11, ipv4Addresses.subarray(0, 11)), reason: /too short/ },
  { header: v2(0x21, 0x11, Buffer.alloc(0), 0xffff), reason: /longer/ },
  { header: v2(0x21, 0x11, Buffer.concat([ipv4Addresses, Buffer.of(1, 0)])), reason: /cut short/ },
  { header: v2(0x21, 0x11, Buffer.concat([ipv4Addresses, Buffer.of(1, 0, 5, 1)])), reason: /runs over/ },
];

describe('PROXY protocol header', () => {
  it('is understood whole, byte by byte, and with data behind it', () => {
    for (const { header, source } of valid) {
      const expected = { status: 'done', length: header.length, source };
      for (let length = 0; length < header.length; length += 1) {
        expect(parseProxyHeader(header.subarray(0, length))).toEqual({ status: 'more' });
      }
      expect(parseProxyHeader(header)).toEqual(expected);
      expect(parseProxyHeader(Buffer.concat([header, Buffer.from('PROXY TCP4')]))).toEqual(expected);
    }
  });

  it('is refused with a reason when it bends the grammar (item 17)', () => {
    for (const { header, reason } of invalid) {
      const result = parseProxyHeader(header);
      expect(result.status, header.toString('latin1')).toBe('error');
      expect(result.status === 'error' ? result.reason : '').toMatch(reason);
    }
  });

  it('never throws, never waits for more than its bound, and never decides differently when it comes in pieces (item 17)', () => {
    const start = fc.oneof(
      fc.constantFrom(...valid.map(({ header }) => header), ...invalid.map(({ header }) => header)),
      fc.constant(signature),
      fc.constant(Buffer.from('PROXY ')),
    );
    const mutated = fc
      .tuple(start, fc.uint8Array({ maxLength: 40 }), fc.nat(), fc.nat(255))
      .map(([bytes, tail, position, value]) => {
        const copy = Buffer.concat([bytes, tail]);
        copy[position % copy.length] = value;
        return copy;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        const whole = parseProxyHeader(bytes);
        for (let length = 0; length <= bytes.length; length += 1) {
          const part = parseProxyHeader(bytes.subarray(0, length));
          if (part.status !== 'more') {
            expect(part).toEqual(whole);
            return;
          }
        }
        expect(bytes.length).toBeLessThan(maxProxyHeaderBytes);
      }),
      { numRuns: 2000 },
    );
  });

  it('shows an IPv4 client of a dual-stack socket as IPv4', () => {
    expect(plainAddress('::ffff:10.1.2.3')).toBe('10.1.2.3');
    expect(plainAddress('::ffff:a01:203')).toBe('10.1.2.3');
    expect(plainAddress('::1')).toBe('::1');
  });
});

describe('networks', () => {
  it('match by prefix', () => {
    const networks = parseNetworks(['10.0.0.0/8', '192.0.2.1', 'fd00::/8']);
    expect(['10.9.9.9', '192.0.2.1', 'fd12::1'].every((address) => networks.includes(address))).toBe(true);
    expect(['11.0.0.0', '192.0.2.2', 'fe80::1', '', 'x'].some((address) => networks.includes(address))).toBe(
      false,
    );
  });

  it('are refused by name when malformed', () => {
    for (const entry of ['10.0.0.0/33', '10.0.0/8', 'fd00::/129', '', '10.0.0.0/8/8', '10.0.0.0/', 'all']) {
      expect(() => parseNetworks([entry])).toThrow(`"${entry}" is not a network`);
    }
  });
});

for (const nodeInternals of [true, false]) {
  describe(`listener behind a proxy, ${nodeInternals ? 'through the handle' : 'with documented Node only'}`, () => {
    const config = { ...tcpConfig, proxyProtocol: true };

    it('takes the address from the header and gives the handler exactly what follows', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', config, bench.context));
      const header = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 12345 1883\r\n');
      for (const cut of [1, 5, header.length, header.length + 3]) {
        const client = connectTo(listener);
        const all = Buffer.concat([header, Buffer.from('hello')]);
        client.write(all.subarray(0, cut));
        await eventually(() => listener.counters().pending === 1 || cut >= header.length);
        client.write(all.subarray(cut));
        const connection = await bench.next();
        expect(connection.transport).toMatchObject({ remoteAddress: '192.0.2.7', remotePort: 12345 });
        client.write(' again');
        await connection.bytes(11);
        expect(connection.received.toString()).toBe('hello again');
        const output = collect(client);
        await connection.send(Buffer.from('answer'));
        await output.until(6);
        client.destroy();
        await connection.gone();
      }
      await eventually(() => bench.admission.counters().open === 0);
    });

    it('uses the own address of the proxy for LOCAL and UNKNOWN', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', config, bench.context));
      for (const header of [v2(0x20, 0, Buffer.alloc(0)), Buffer.from('PROXY UNKNOWN\r\n')]) {
        const client = connectTo(listener);
        client.write(header);
        const connection = await bench.next();
        expect(connection.transport).toMatchObject({
          remoteAddress: '127.0.0.1',
          remotePort: client.localPort,
        });
      }
    });

    it('closes on a bad header, a late one, an early end and an untrusted sender (item 17)', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(
        startTcpListener('mqtt', { ...config, proxyTimeoutMs: 100 }, bench.context),
      );
      const bad = connectTo(listener).resume();
      bad.write('CONNECT');
      await closed(bad);
      const silent = connectTo(listener).resume();
      silent.write('PROXY ');
      await closed(silent);
      const early = connectTo(listener).resume();
      early.end('PROXY TCP4');
      await closed(early);
      const others = { ...config, proxyTrustedNetworks: ['10.0.0.0/8'] };
      const strict = await track(startTcpListener('strict', others, bench.context));
      await closed(connectTo(strict).resume());
      expect(listener.counters()).toMatchObject({ failedHandshakes: 3, pending: 0 });
      expect(strict.counters()).toMatchObject({ failedHandshakes: 1, pending: 0 });
      expect(bench.connections).toHaveLength(0);
      expect(bench.admission.counters().open).toBe(0);
    });
  });
}

describe('listener that expects no proxy', () => {
  it('hands a PROXY header on like any bytes', async () => {
    const bench = createBench();
    const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
    connectTo(listener).write('PROXY UNKNOWN\r\n');
    const connection = await bench.next();
    await connection.bytes(15);
    expect(connection.transport.remoteAddress).toBe('127.0.0.1');
  });

  it('does not start with a trusted network it cannot read', async () => {
    const config = { ...tcpConfig, proxyProtocol: true, proxyTrustedNetworks: ['everyone'] };
    await expect(startTcpListener('mqtt', config, createBench().context)).rejects.toThrow(
      'listeners.mqtt.proxyTrustedNetworks: "everyone" is not a network',
    );
  });
});
