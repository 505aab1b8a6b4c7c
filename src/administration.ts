/**
 * The administration of a node, put together: the view of its parts, the control socket of its data directory, and the HTTP
 * listeners. What can be done there is the table of src/admin/operations.ts.
 */
import type { Logger } from 'pino';
import { createHttpAccess, type HttpAccess } from './admin/access.ts';
import { type ControlServer, startControlServer } from './admin/control-server.ts';
import { detailedRoute } from './admin/detailed-route.ts';
import { createEventStreams } from './admin/event-stream.ts';
import { healthzRoute } from './admin/healthz-route.ts';
import { type ApiOptions, createApi } from './admin/http-api.ts';
import { createRoutes, type IsLocal, type Route } from './admin/http-routes.ts';
import { metricsRoute } from './admin/metrics-route.ts';
import { referenceRoute } from './admin/reference-page.ts';
import { createHttpTimes } from './admin/request-times.ts';
import type { Config } from './config/config.ts';
import { isLoopback } from './config/security-checks.ts';
import type { Clock } from './kernel/clock.ts';
import { createMetrics } from './metrics/metrics.ts';
import { type HttpListener, startHttpListener } from './net/http-listener.ts';
import { plainAddress } from './net/proxy-protocol.ts';
import { openAlarms } from './node-view/alarms.ts';
import { certificatesView } from './node-view/certificates.ts';
import { followSecurity } from './node-view/events.ts';
import { type MetricParts, metricSources } from './node-view/metrics.ts';
import { createNodeView, type NodeParts } from './node-view/node-view.ts';
import { watchSlowClients } from './node-view/slow-clients.ts';
import type { OpenSecurity } from './security/open-security.ts';
import type { Telemetry } from './telemetry/telemetry.ts';

export interface Administration {
  readonly listeners: readonly HttpListener[];
  /** From here on nobody is told that the node is ready. */
  drain(): void;
  close(): Promise<void>;
}

export interface AdministrationOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly parts: Omit<NodeParts, 'security' | 'alarms' | 'slowClients' | 'isServing' | 'listenerNames'> &
    Pick<MetricParts, 'kafka' | 'listeners' | 'admission'>;
  readonly security: OpenSecurity;
  /** undefined: there is no data directory, and no socket in it. */
  readonly controlSocket: string | undefined;
  /** Takes what the metrics say to a collector. */
  readonly telemetry: Telemetry | undefined;
  /** What is served beside the API. */
  readonly routes: readonly ((access: HttpAccess, isLocal: IsLocal) => Route)[];
}

export async function startAdministration(options: AdministrationOptions): Promise<Administration> {
  const { config, clock, logger, parts, controlSocket, security } = options;
  const listeners: HttpListener[] = [];
  const allListeners = () => [...parts.listeners(), ...listeners];
  let isServing = true;
  const certificates = certificatesView(config, () => clock.wallMs());
  const slowClients = watchSlowClients(parts.mqtt);
  const alarms = openAlarms({ ...parts, config, security, certificates, slowClients });
  const viewed = {
    ...parts,
    security,
    alarms,
    slowClients,
    isServing: () => isServing,
    listenerNames: () => allListeners().map(({ name }) => name),
  };
  const node = createNodeView(viewed);
  const times = createHttpTimes(() => clock.monotonicMs());
  const measured = metricSources({ ...viewed, times, listeners: allListeners });
  const { telemetry } = options;
  const metrics = createMetrics([
    ...measured.sources,
    ...(telemetry === undefined ? [] : [telemetry.source]),
  ]);
  telemetry?.start(metrics.collect);
  const streams = createEventStreams({ clock });
  const stopFollowing = followSecurity(parts.events, security);
  const api: Omit<ApiOptions, 'identify'> = {
    node,
    audit: security.audit,
    streams,
    onDefect: (error) => logger.error({ err: error }, 'administration failed'),
  };
  const access = createHttpAccess(security, () => clock.wallMs());
  const isLocal: IsLocal = ({ socket }) =>
    isLoopback(config.listeners.http.host) && isLoopback(plainAddress(socket.localAddress ?? ''));
  const handle = createRoutes({
    api: createApi({ ...api, identify: access.identify }),
    version: parts.version,
    health: () => node.health(),
    isServing: () => isServing,
    routes: [
      ...access.routes,
      metricsRoute(metrics, access, isLocal),
      detailedRoute(node, access),
      healthzRoute(node.checks),
      referenceRoute(parts.version),
      ...options.routes.map((route) => route(access, isLocal)),
    ],
    times,
    onDefect: api.onDefect,
  });
  let control: ControlServer | undefined;
  async function close(): Promise<void> {
    isServing = false;
    measured.stop();
    stopFollowing();
    alarms.stop();
    slowClients.stop();
    streams.close();
    await Promise.all(listeners.map((listener) => listener.close()));
    await control?.close();
  }
  try {
    if (controlSocket !== undefined)
      control = await startControlServer({
        ...api,
        path: controlSocket,
        metrics: async () => metrics.text(),
      });
    const context = { handle, logger, clock };
    const { http, https } = config.listeners;
    if (http.enabled) listeners.push(await startHttpListener('http', http, context));
    if (https.enabled) listeners.push(await startHttpListener('https', https, context));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    listeners,
    drain() {
      isServing = false;
      streams.close();
    },
    close,
  };
}
