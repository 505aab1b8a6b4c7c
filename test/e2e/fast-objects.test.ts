/** Objects on the path of every message must not be dictionaries to the engine: see src/kernel/with-accessors.ts. */
import { setFlagsFromString } from 'node:v8';
import { expect, test } from 'vitest';
import { withAccessors } from '../../src/kernel/with-accessors.ts';
import { startTestNode } from './support.ts';

setFlagsFromString('--allow-natives-syntax');
const isFast = new Function('object', 'return %HasFastProperties(object)') as (object: object) => boolean;

test('an object with accessors on its prototype is fast, and reads and writes as before', () => {
  let count = 0;
  const counter = withAccessors<{ readonly count: number; step: number; add(): void }, 'count'>(
    {
      get count() {
        return count;
      },
    },
    {
      step: 2,
      add() {
        count += counter.step;
      },
    },
  );
  counter.add();
  counter.step = 3;
  counter.add();
  expect(counter.count).toBe(5);
  expect(isFast(counter)).toBe(true);
  expect(isFast({ get count() { return count; } })).toBe(false); // biome-ignore format: one line says it
});

test('what every message passes is fast', async () => {
  const broker = await startTestNode();
  try {
    const { context } = broker.node.mqtt;
    const { durable, config } = context;
    const slow = Object.entries({
      context,
      ...context,
      log: durable.log,
      store: durable.store,
      table: durable.table,
      groups: durable.groups,
      options: durable.options,
      copies: durable.copies,
      result: broker.node.dataPlane.result,
      limits: config.limits,
      mqtt: config.mqtt,
      queue: config.mqtt.queue,
    })
      .filter(([, part]) => typeof part === 'object' && part !== null && !isFast(part))
      .map(([name]) => name);
    // Those that are used once for a connection, or never again.
    expect(slow.filter((name) => !['logger', 'authMethods'].includes(name))).toEqual([]);
  } finally {
    await broker.stop();
  }
});
