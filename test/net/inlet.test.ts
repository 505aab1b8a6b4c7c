import net from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adoptSocket } from '../../src/net/accept.ts';
import { writeToHandle } from '../../src/net/handle-write.ts';
import { Inlet } from '../../src/net/inlet.ts';
import { noise } from './harness.ts';

describe('inlet', () => {
  it('delivers every byte once and in order under any mix of chunks, pauses and resumes', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('push' as const), length: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ do: fc.constant('arrive' as const), length: fc.integer({ min: 1, max: 16 }) }),
      fc.record({
        do: fc.constantFrom('pause' as const, 'resume' as const, 'turn' as const),
        length: fc.constant(0),
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.array(fc.boolean(), { maxLength: 30 }),
        async (steps, pauses) => {
          const window = { bytes: new Uint8Array(16) };
          const received: number[] = [];
          let sourceStopped = false;
          let paused = false;
          let inside = 0;
          const source = {
            pause: () => {
              sourceStopped = true;
            },
            resume: () => {
              expect(paused).toBe(false);
              sourceStopped = false;
            },
          };
          const inlet = new Inlet(window, source, (length) => {
            inside += 1;
            expect([paused, inside]).toEqual([false, 1]);
            received.push(...window.bytes.subarray(0, length));
            if (pauses.shift() === true) {
              paused = true;
              inlet.pause();
            }
            inside -= 1;
          });
          const sent: number[] = [];
          const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
          for (const { do: what, length } of steps) {
            if (what === 'push') {
              const chunk = noise(length, sent.length + 1);
              sent.push(...chunk);
              inlet.push(chunk);
            } else if (what === 'arrive') {
              const chunk = noise(length, sent.length + 1);
              sent.push(...chunk);
              window.bytes.set(chunk);
              inlet.arrived(length);
            } else if (what === 'pause') {
              paused = true;
              inlet.pause();
              expect(sourceStopped).toBe(true);
            } else if (what === 'resume') {
              const before = received.length;
              paused = false;
              inlet.resume();
              expect(received.length).toBe(before);
            } else {
              await turn();
            }
          }
          while (received.length < sent.length || sourceStopped) {
            paused = false;
            inlet.resume();
            await turn();
          }
          expect(received).toEqual(sent);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('delivers nothing after it was closed, not even from the middle of a chunk', () => {
    const window = { bytes: new Uint8Array(4) };
    let delivered = 0;
    const source = { pause: () => undefined, resume: () => undefined };
    const inlet = new Inlet(window, source, () => {
      delivered += 1;
      inlet.close();
    });
    inlet.push(noise(100));
    inlet.push(noise(100));
    inlet.arrived(4);
    expect(delivered).toBe(1);
  });
});

describe('use of internals of Node', () => {
  it('works on this Node', async () => {
    const server = net.createServer({ pauseOnConnect: true });
    const arrived = new Promise<string>((resolve) => {
      const buffer = new Uint8Array(16);
      server.on('connection', (accepted) => {
        const adopted = adoptSocket(accepted, buffer, (length) => {
          resolve(Buffer.from(buffer.subarray(0, length)).toString());
          adopted?.destroy();
        });
        expect(adopted).toBeDefined();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const client = net.connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
    client.end('hello');
    client.resume();
    expect(await arrived).toBe('hello');
    server.close();
  });

  it('stands back, having done nothing, where they are missing', () => {
    const socket = new net.Socket();
    expect(adoptSocket(socket, new Uint8Array(1), () => undefined)).toBeUndefined();
    let settled = 0;
    const count = (): void => {
      settled += 1;
    };
    expect(writeToHandle(socket, [Uint8Array.of(1)], count)).toBe(false);
    expect(settled).toBe(0);
    socket.destroy();
  });
});
