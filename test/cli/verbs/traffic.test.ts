import { connectMqtt, type MqttClient } from '../../../src/cli/mqtt-client.ts';
import { targetFrom } from '../../../src/cli/mqtt-target.ts';
import type { Place } from './place.ts';
import { TRAFFIC } from './rows/traffic.ts';
import { testVerbs } from './verb-row.ts';

const TICK_MS = 20;

/** Somebody who publishes all the time, and somebody who answers. */
testVerbs(TRAFFIC, async ({ node, mqttUrl }: Place) => {
  const ticking = await node.connect({ clientId: 'ticking' });
  const timer = setInterval(() => void ticking.publish({ topic: 'ticks', payload: 'x'.repeat(64) }), TICK_MS);
  const echo: MqttClient = await connectMqtt(
    {
      target: targetFrom({ url: mqttUrl }),
      version: 5,
      clientId: 'echo',
      clean: true,
      keepAliveSeconds: 60,
      username: undefined,
      password: undefined,
      will: undefined,
      properties: {},
      connectTimeoutMs: 10_000,
    },
    ({ payload, properties }) => {
      const { responseTopic, correlationData } = properties ?? {};
      if (responseTopic === undefined || correlationData === undefined) return;
      void echo.publish({
        topic: responseTopic,
        payload,
        qos: 0,
        retain: false,
        properties: { correlationData },
      });
    },
  );
  await echo.subscribe([{ topic: 'services/echo', qos: 0 }]);
  return () => {
    clearInterval(timer);
    void echo.end();
  };
});
