import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ListenError } from '../../src/net/bind.ts';
import { startTcpListener, startUnixListener } from '../../src/net/tcp-listener.ts';
import {
  cleanUp,
  closed,
  collect,
  connectTo,
  createBench,
  eventually,
  noise,
  portOf,
  tcpConfig,
  track,
} from './harness.ts';

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'net-'));
  cleanUp(() => rm(path, { recursive: true }));
  return path;
}

for (const nodeInternals of [true, false]) {
  const how = nodeInternals ? 'through the handle' : 'with documented Node only';

  describe(`TCP transport, ${how}`, () => {
    it('delivers bytes exactly, however the sender cuts them', async () => {
      const bench = createBench({ nodeInternals, windowBytes: 1000 });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }),
          async (cuts) => {
            const client = connectTo(listener);
            const connection = await bench.next();
            const total = cuts.reduce((sum, cut) => sum + cut, 0);
            const data = noise(total, total);
            let offset = 0;
            for (const cut of cuts) {
              client.write(data.subarray(offset, offset + cut));
              offset += cut;
            }
            await connection.bytes(total);
            expect(connection.received.equals(data)).toBe(true);
            expect(connection.chunks.every((chunk) => chunk.length <= 1000)).toBe(true);
            client.destroy();
            await connection.gone();
          },
        ),
        { numRuns: 15 },
      );
    });

    it('writes views in order and exactly, one or many at a time', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const client = connectTo(listener);
      const output = collect(client);
      const connection = await bench.next();
      const sent: Buffer[] = [];
      for (let i = 0; i < 60; i += 1) {
        const views = Array.from({ length: 1 + (i % 5) }, (_, k) =>
          noise(1 + ((i * 7919 + k * 31) % 30_000), i + k + 1),
        );
        sent.push(...views);
        await connection.send(...views);
      }
      const expected = Buffer.concat(sent);
      expect((await output.until(expected.length)).equals(expected)).toBe(true);
    });

    it('delays done while the reader is slow, and loses nothing', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const client = connectTo(listener);
      client.pause();
      const connection = await bench.next();
      const data = noise(32 * 1024 * 1024);
      let done = 0;
      connection.transport.write([data.subarray(0, 1_000_000), data.subarray(1_000_000)], () => {
        done += 1;
      });
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(done).toBe(0);
      const output = collect(client);
      client.resume();
      expect((await output.until(data.length)).equals(data)).toBe(true);
      await eventually(() => done === 1);
      await connection.send(Buffer.from('after'));
      expect((await output.until(data.length + 5)).subarray(-5).toString()).toBe('after');
      expect(done).toBe(1);
    });

    it('runs done and closed once when the connection goes away under a write', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      for (const how of ['reset', 'destroy'] as const) {
        const client = connectTo(listener);
        client.pause();
        const connection = await bench.next();
        const order: string[] = [];
        connection.transport.write([noise(16 * 1024 * 1024)], () => order.push('done'));
        expect(order).toEqual([]);
        if (how === 'reset') client.resetAndDestroy();
        else connection.transport.destroy();
        await connection.gone();
        order.push('closed');
        connection.transport.write([Buffer.from('late')], () => order.push('late'));
        await eventually(() => listener.counters().open === 0);
        expect(order).toEqual(['done', 'closed', 'late']);
        expect(connection.closedTimes).toBe(1);
        expect(connection.error === undefined).toBe(how === 'destroy');
      }
    });

    it('survives writing to a connection that was reset', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const client = connectTo(listener);
      const connection = await bench.next();
      await connection.send(Buffer.from('x'));
      client.resetAndDestroy();
      let writes = 0;
      while (connection.closedTimes === 0) {
        await connection.send(noise(1000), noise(10));
        writes += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(writes).toBeGreaterThan(0);
      expect(connection.closedTimes).toBe(1);
    });

    it('stops reading on pause and delivers what follows on resume, never inside resume', async () => {
      const bench = createBench({ nodeInternals, windowBytes: 4096 });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const client = connectTo(listener);
      const connection = await bench.next();
      let depth = 0;
      let deepest = 0;
      connection.onRead = () => {
        depth += 1;
        deepest = Math.max(deepest, depth);
        connection.transport.pause();
        const before = connection.receivedBytes;
        setImmediate(() => {
          expect(connection.receivedBytes).toBe(before);
          connection.transport.resume();
          expect(connection.receivedBytes).toBe(before);
        });
        connection.transport.resume();
        connection.transport.pause();
        depth -= 1;
      };
      const data = noise(300_000);
      client.write(data);
      await connection.bytes(data.length);
      expect(connection.received.equals(data)).toBe(true);
      expect(deepest).toBe(1);
    });

    it('lets the TCP window fill while paused', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const client = connectTo(listener);
      const connection = await bench.next();
      connection.onRead = () => connection.transport.pause();
      const data = noise(64 * 1024 * 1024);
      client.write(data);
      await connection.bytes(1);
      const stalled = async (): Promise<number> => {
        let last = -1;
        while (client.bytesWritten !== last || client.writableLength === 0) {
          last = client.bytesWritten;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return connection.receivedBytes;
      };
      expect(await stalled()).toBeLessThanOrEqual(128 * 1024);
      connection.onRead = undefined;
      connection.transport.resume();
      await connection.bytes(data.length);
      expect(connection.received.equals(data)).toBe(true);
    });

    it('may start paused', async () => {
      const bench = createBench({ nodeInternals, prepare: (connection) => connection.transport.pause() });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const client = connectTo(listener);
      client.write('hello');
      const connection = await bench.next();
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(connection.receivedBytes).toBe(0);
      connection.transport.resume();
      await connection.bytes(5);
    });

    it('end sends what was written, then FIN', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const client = connectTo(listener);
      client.pause();
      const connection = await bench.next();
      const data = noise(8 * 1024 * 1024);
      let done = 0;
      connection.transport.write([data], () => {
        done += 1;
      });
      connection.transport.end();
      client.write('nobody reads this');
      const output = collect(client);
      client.resume();
      await closed(client);
      expect(output.bytes().equals(data)).toBe(true);
      await connection.gone();
      expect(done).toBe(1);
      expect(connection.error).toBeUndefined();
      expect(connection.receivedBytes).toBe(0);
    });

    it('end gives up after the linger time when the peer does not read', async () => {
      const bench = createBench({ nodeInternals, more: { lingerMs: 50 } });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const client = connectTo(listener);
      client.pause();
      const connection = await bench.next();
      let done = 0;
      connection.transport.write([noise(16 * 1024 * 1024)], () => {
        done += 1;
      });
      connection.transport.end();
      await connection.gone();
      expect(done).toBe(1);
    });

    it('answers a client that ends its side first', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const client = connectTo(listener);
      const output = collect(client);
      const connectionComes = bench.next().then((connection) => {
        connection.onRead = () => void connection.send(Buffer.from('pong'));
        return connection;
      });
      client.end('ping');
      const connection = await connectionComes;
      await closed(client);
      await connection.gone();
      expect(connection.received.toString()).toBe('ping');
      expect(output.bytes().toString()).toBe('pong');
    });

    it('closes the connection of a handler that throws, and no other', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const bad = connectTo(listener);
      const first = await bench.next();
      const good = connectTo(listener);
      const second = await bench.next();
      first.onRead = () => {
        throw new Error('bug');
      };
      bad.write('x');
      await first.gone();
      expect(first.error?.message).toBe('bug');
      good.write('y');
      await second.bytes(1);
      expect(bench.log.filter((line) => line.level === 'error')).toHaveLength(1);
    });

    it('gives the peer address and closes with every handshake and connection accounted for', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      const clients = Array.from({ length: 20 }, () => connectTo(listener));
      const connections = await Promise.all(clients.map(() => bench.next()));
      expect(connections.map((connection) => connection.transport.remotePort).sort()).toEqual(
        clients.map((client) => client.localPort).sort(),
      );
      expect(connections[0]?.transport).toMatchObject({
        kind: 'tcp',
        listener: 'mqtt',
        remoteAddress: '127.0.0.1',
      });
      expect(listener.counters()).toMatchObject({ open: 20, accepted: 20, pending: 0 });
      const left = await listener.close();
      expect(left).toHaveLength(20);
      for (const transport of left) transport.destroy();
      await Promise.all(connections.map((connection) => connection.gone()));
      expect(listener.counters().open).toBe(0);
      expect(bench.admission.counters().open).toBe(0);
    });

    it('destroys connections that the protocol or the limits refuse', async () => {
      let refuse = true;
      const bench = createBench({ nodeInternals, maxConnections: 2, refuse: () => refuse });
      const listener = await track(startTcpListener('mqtt', tcpConfig, bench.context));
      await closed(connectTo(listener).resume());
      refuse = false;
      await eventually(() => bench.admission.counters().open === 0);
      const first = connectTo(listener);
      connectTo(listener);
      await bench.next();
      const second = await bench.next();
      await closed(connectTo(listener).resume());
      expect(listener.counters().refused).toBe(1);
      first.destroy();
      second.transport.destroy();
      await eventually(() => bench.admission.counters().open === 0);
      connectTo(listener);
      await bench.next();
    });
  });

  describe(`Unix socket transport, ${how}`, () => {
    it('carries bytes both ways and removes its file', async () => {
      const path = join(await directory(), 'mqtt.sock');
      const bench = createBench({ nodeInternals });
      const listener = await track(startUnixListener('unix', { enabled: true, path }, bench.context));
      expect(listener.address()).toEqual({ path });
      const client = connectTo(path);
      const output = collect(client);
      const connection = await bench.next();
      expect(connection.transport).toMatchObject({ kind: 'unix', remoteAddress: '', remotePort: 0 });
      const data = noise(500_000);
      client.write(data);
      await connection.bytes(data.length);
      await connection.send(data.subarray(0, 200_000), data.subarray(200_000));
      expect((await output.until(data.length)).equals(data)).toBe(true);
      await listener.close();
      await expect(stat(path)).rejects.toThrow('ENOENT');
    });
  });
}

describe('binding', () => {
  it('says which listener, which address and what to do when the port is taken', async () => {
    const bench = createBench();
    const first = await track(startTcpListener('mqtt', tcpConfig, bench.context));
    const port = portOf(first);
    const attempt = startTcpListener('mqtt', { ...tcpConfig, port }, bench.context);
    await expect(attempt).rejects.toThrow(ListenError);
    await expect(attempt).rejects.toThrow(
      `Listener mqtt cannot listen on 127.0.0.1:${port}: the address is already in use.`,
    );
    await expect(attempt).rejects.toThrow('--set listeners.mqtt.port=');
  });

  it('frees the address at once, while connections go on', async () => {
    const bench = createBench();
    const first = await track(startTcpListener('mqtt', tcpConfig, bench.context));
    const client = connectTo(first);
    const connection = await bench.next();
    await first.stopAccepting();
    await track(startTcpListener('mqtt', { ...tcpConfig, port: portOf(first) }, bench.context));
    client.write('still here');
    await connection.bytes(10);
  });

  it('replaces a stale Unix socket, but not one in use or another kind of file', async () => {
    const path = join(await directory(), 'mqtt.sock');
    const bench = createBench();
    const unix = { enabled: true, path };
    await writeFile(path, 'precious');
    await expect(startUnixListener('unix', unix, bench.context)).rejects.toThrow(
      'not a socket is in the way',
    );
    await rm(path);

    const foreign = net.createServer().listen(path);
    await new Promise((resolve) => foreign.once('listening', resolve));
    await expect(startUnixListener('unix', unix, bench.context)).rejects.toThrow('another process listens');
    await new Promise((resolve) => foreign.close(resolve));

    await leaveStaleSocket(path);
    expect((await stat(path)).isSocket()).toBe(true);
    await track(startUnixListener('unix', unix, bench.context));
    connectTo(path);
    await bench.next();
  });
});

/** Only a process that dies leaves its socket file. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { spawn } = await import('node:child_process');
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  const child = spawn(process.execPath, ['-e', script]);
  await new Promise((resolve) => child.once('exit', resolve));
}
