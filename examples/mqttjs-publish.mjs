// Publishes a few readings, each acknowledged by the broker, and leaves.
//   node examples/mqttjs-publish.mjs [url]       mqtt://, mqtts://, ws:// or wss://
import mqtt from 'mqtt';

const url = process.argv[2] ?? 'mqtt://localhost:1883';
const client = await mqtt.connectAsync(url, { protocolVersion: 5 });

for (const [room, celsius] of [
  ['kitchen', 21.5],
  ['office', 19.8],
  ['hall', 18.2],
]) {
  await client.publishAsync(`sensors/${room}/temperature`, String(celsius), {
    qos: 1,
    // The last reading is kept: whoever subscribes later sees it at once.
    retain: true,
    properties: { messageExpiryInterval: 3600, userProperties: { unit: 'celsius' } },
  });
}
console.log('published 3 readings');
await client.endAsync();
