/** Item 16 of the security checklist: frames of a WebSocket that are none, written byte by byte. */
import type net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startWebSocketListener } from '../../src/net/websocket-listener.ts';
import { type Bench, closed, connectTo, createBench, eventually, track, webSocketConfig } from './harness.ts';

const MAX_MESSAGE_BYTES = 64 * 1024;
const MASK = Buffer.of(1, 2, 3, 4);

const REQUEST = [
  'GET /mqtt HTTP/1.1',
  'Host: localhost',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: mqtt',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
  '\r\n',
].join('\r\n');

function frame(first: number, payload: Uint8Array, claimed?: bigint): Buffer {
  const length = claimed ?? BigInt(payload.length);
  const head =
    length < 126n
      ? Buffer.of(first, 0x80 | Number(length))
      : length < 65_536n
        ? Buffer.of(first, 0x80 | 126, Number(length >> 8n), Number(length & 255n))
        : Buffer.alloc(10);
  if (head.length === 10) {
    head[0] = first;
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(length, 2);
  }
  const masked = Buffer.from(payload.map((byte, at) => byte ^ (MASK[at % 4] ?? 0)));
  return Buffer.concat([head, MASK, masked]);
}

interface Upgraded {
  readonly socket: net.Socket;
  /** What came behind the answer to the upgrade. */
  heard(): Buffer;
  readonly answer: string;
}

async function upgraded(bench: Bench): Promise<Upgraded> {
  const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
  const socket = connectTo(listener);
  let all = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    all = Buffer.concat([all, chunk]);
  });
  socket.write(REQUEST);
  await eventually(() => all.includes('\r\n\r\n'));
  const end = all.indexOf('\r\n\r\n') + 4;
  return { socket, heard: () => all.subarray(end), answer: all.subarray(0, end).toString() };
}

const limited = (): Bench => createBench({ more: { maxMessageBytes: MAX_MESSAGE_BYTES } });
const some = Buffer.from('some');

describe('item 16: frames', () => {
  it.each([
    ['RSV1 without an extension', 1002, frame(0x82 | 0x40, some)],
    ['RSV2', 1002, frame(0x82 | 0x20, some)],
    ['RSV3', 1002, frame(0x82 | 0x10, some)],
    ['an opcode that is none', 1002, frame(0x83, some)],
    ['a control opcode that is none', 1002, frame(0x8b, some)],
    ['a fragmented ping', 1002, frame(0x09, some)],
    ['a ping of 126 bytes', 1002, frame(0x89, Buffer.alloc(126))],
    ['a close of one byte', 1002, frame(0x88, Buffer.of(3))],
    ['a continuation of nothing', 1002, frame(0x80, some)],
    ['a message within a fragmented one', 1002, Buffer.concat([frame(0x02, some), frame(0x82, some)])],
    ['without a mask', 1002, Buffer.concat([Buffer.of(0x82, 4), some])],
    ['2^63 bytes', 1009, frame(0x82, some, 2n ** 63n)],
    ['2^53 bytes', 1009, frame(0x82, some, 2n ** 53n)],
    ['a byte more than the largest message', 1009, frame(0x82, some, BigInt(MAX_MESSAGE_BYTES + 1))],
    ['text', 1003, frame(0x81, some)],
    ['text that is not UTF-8', 1003, frame(0x81, Buffer.of(0xc3, 0x28))],
  ] as const)('%s: the connection is closed with %i', async (_name, code, bytes) => {
    const bench = limited();
    const { socket, heard } = await upgraded(bench);
    const connection = await bench.next();
    socket.write(bytes);
    await eventually(() => heard().length >= 4);
    expect([heard()[0], heard().readUInt16BE(2)]).toEqual([0x88, code]);
    socket.destroy();
    await connection.gone();
    expect([connection.receivedBytes, connection.closedTimes]).toEqual([0, 1]);
    await closed(socket);
  });

  it('of one byte each, and empty ones, are a message as far as it may be long, and hold no more', async () => {
    const bench = limited();
    const { socket, heard } = await upgraded(bench);
    const connection = await bench.next();
    const tiny = frame(0x00, Buffer.of(7));
    const many = Buffer.concat(Array.from({ length: 1000 }, () => tiny));
    const before = process.memoryUsage().heapUsed;
    socket.write(frame(0x02, Buffer.of(7)));
    for (let sent = 0; sent <= MAX_MESSAGE_BYTES && connection.closedTimes === 0; sent += 1000) {
      if (!socket.write(many)) await new Promise((resolve) => setTimeout(resolve, 1));
      await turn();
    }
    await connection.gone();
    await eventually(() => heard().length >= 4);
    // Above the largest message, or more fragments than are kept: which comes first is up to the library.
    expect([1008, 1009]).toContain(heard().readUInt16BE(2));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
    expect(connection.receivedBytes).toBe(0);
    socket.destroy();
  });

  it('are never compressed, whatever a client offers: there is nothing to blow up', async () => {
    const bench = limited();
    const { answer, socket } = await upgraded(bench);
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer.toLowerCase()).not.toContain('sec-websocket-extensions');
    socket.destroy();
  });
});
