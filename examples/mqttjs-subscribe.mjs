// Prints every message below sensors/ until interrupted.
//   node examples/mqttjs-subscribe.mjs [url]     mqtt://, mqtts://, ws:// or wss://
import mqtt from 'mqtt';

const url = process.argv[2] ?? 'mqtt://localhost:1883';
const client = await mqtt.connectAsync(url, { protocolVersion: 5 });

client.on('message', (topic, payload, packet) => {
  const unit = packet.properties?.userProperties?.unit ?? '';
  console.log(`${topic} ${payload.toString()} ${unit}`.trimEnd());
});

await client.subscribeAsync('sensors/#', { qos: 1 });
console.log(`subscribed at ${url}`);

process.once('SIGINT', () => client.end());
process.once('SIGTERM', () => client.end());
