/** The listeners for clients that the configuration names, each with the front-end that its connections are for. */
import type { Logger } from 'pino';
import { demoPages } from './browser/pages.ts';
import type { Config } from './config/config.ts';
import type { Clock } from './kernel/clock.ts';
import type { Admission } from './net/admission.ts';
import type { Listener, ListenerContext } from './net/listener.ts';
import { startTcpListener, startUnixListener } from './net/tcp-listener.ts';
import { startTlsListener } from './net/tls-listener.ts';
import { startSecureWebSocketListener, startWebSocketListener } from './net/websocket-listener.ts';
import type { KafkaFrontEnd } from './protocols/kafka/front-end.ts';
import type { MqttFrontEnd } from './protocols/mqtt/front-end.ts';
import type { DataPlane } from './wasm/data-plane.ts';

const WEBSOCKET_SLACK_BYTES = 64 * 1024;

interface Tiers {
  readonly dataPlane: DataPlane;
  readonly mqtt: MqttFrontEnd;
  readonly kafka: KafkaFrontEnd | undefined;
  readonly admission: Admission;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** In order; `started` has those that are there when one cannot be started. */
export async function startListeners(config: Config, tiers: Tiers, started: Listener[]): Promise<void> {
  const { mqtt, mqtts, ws, wss, unix, kafka, kafkas } = config.listeners;
  const context: ListenerContext = {
    window: { bytes: tiers.dataPlane.readWindow },
    accept: (transport) => tiers.mqtt.accept(transport),
    logger: tiers.logger,
    clock: tiers.clock,
    admission: tiers.admission,
    maxMessageBytes: config.mqtt.maxPacketBytes + WEBSOCKET_SLACK_BYTES,
  };
  const withPages = (path: string, wanted: boolean): ListenerContext =>
    wanted ? { ...context, pages: demoPages({ webSocketPath: path }) } : context;

  if (mqtt.enabled) started.push(await startTcpListener('mqtt', mqtt, context));
  if (mqtts.enabled) started.push(await startTlsListener('mqtts', mqtts, context));
  if (ws.enabled) started.push(await startWebSocketListener('ws', ws, withPages(ws.path, ws.demoPage)));
  if (wss.enabled) {
    started.push(await startSecureWebSocketListener('wss', wss, withPages(wss.path, wss.demoPage)));
  }
  if (unix.enabled) started.push(await startUnixListener('unix', unix, context));
  const forKafka: ListenerContext = { ...context, accept: (transport) => tiers.kafka?.accept(transport) };
  if (kafka.enabled) started.push(await startTcpListener('kafka', kafka, forKafka));
  if (kafkas.enabled) started.push(await startTlsListener('kafkas', kafkas, forKafka));
}
