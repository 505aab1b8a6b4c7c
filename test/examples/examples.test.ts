import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { useBroker } from '../support/broker.ts';

const broker = useBroker();
const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

function run(example: string, url: string) {
  const script = fileURLToPath(new URL(`../../examples/${example}`, import.meta.url));
  const child = spawn(process.execPath, [script, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    exited: once(child, 'exit'),
    line: async (): Promise<string> => (await lines.next()).value ?? '(end of output)',
  };
}

describe('the MQTT.js examples', () => {
  it.each(['tcp', 'websocket'])('publish and subscribe over %s', async (transport) => {
    const { mqtt, ws } = broker;
    const url = transport === 'tcp' ? `mqtt://${mqtt.host}:${mqtt.port}` : `ws://${ws.host}:${ws.port}/mqtt`;
    const publisher = run('mqttjs-publish.mjs', url);
    expect(await publisher.line()).toBe('published 3 readings');
    expect(await publisher.exited).toEqual([0, null]);

    // What was retained reaches a later subscriber.
    const subscriber = run('mqttjs-subscribe.mjs', url);
    const heard = new Set([
      await subscriber.line(),
      await subscriber.line(),
      await subscriber.line(),
      await subscriber.line(),
    ]);
    expect(heard).toEqual(
      new Set([
        `subscribed at ${url}`,
        'sensors/kitchen/temperature 21.5 celsius',
        'sensors/office/temperature 19.8 celsius',
        'sensors/hall/temperature 18.2 celsius',
      ]),
    );

    const again = run('mqttjs-publish.mjs', url);
    expect(await again.exited).toEqual([0, null]);
    expect(await subscriber.line()).toBe('sensors/kitchen/temperature 21.5 celsius');
    subscriber.child.kill('SIGTERM');
    expect(await subscriber.exited).toEqual([0, null]);
  });
});
