/**
 * The administration of a node, put together: the view of its parts, the control socket of its data directory, and the HTTP
 * listeners. What can be done there is the table of src/admin/operations.ts.
 */
import type { Logger } from 'pino';
import { createHttpAccess, type HttpAccess } from './admin/access.ts';
import { type ControlServer, startControlServer } from './admin/control-server.ts';
import { type ApiOptions, createApi } from './admin/http-api.ts';
import { createRoutes, type Route } from './admin/http-routes.ts';
import type { Config } from './config/config.ts';
import type { Clock } from './kernel/clock.ts';
import { type HttpListener, startHttpListener } from './net/http-listener.ts';
import { createNodeView, type NodeParts } from './node-view/node-view.ts';
import type { OpenSecurity } from './security/open-security.ts';

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
  readonly parts: Omit<NodeParts, 'security'>;
  readonly security: OpenSecurity;
  /** undefined: there is no data directory, and no socket in it. */
  readonly controlSocket: string | undefined;
  /** What is served beside the API. */
  readonly routes: readonly ((access: HttpAccess) => Route)[];
}

export async function startAdministration(options: AdministrationOptions): Promise<Administration> {
  const { config, clock, logger, parts, controlSocket, security } = options;
  const node = createNodeView({ ...parts, security });
  const api: Omit<ApiOptions, 'identify'> = {
    node,
    audit: security.audit,
    onDefect: (error) => logger.error({ err: error }, 'administration failed'),
  };
  const access = createHttpAccess(security, () => clock.wallMs());
  let isServing = true;
  const handle = createRoutes({
    api: createApi({ ...api, identify: access.identify }),
    version: parts.version,
    health: () => node.health(),
    isServing: () => isServing,
    routes: [...access.routes, ...options.routes.map((route) => route(access))],
    onDefect: api.onDefect,
  });
  const listeners: HttpListener[] = [];
  let control: ControlServer | undefined;
  async function close(): Promise<void> {
    isServing = false;
    await Promise.all(listeners.map((listener) => listener.close()));
    await control?.close();
  }
  try {
    if (controlSocket !== undefined) control = await startControlServer({ ...api, path: controlSocket });
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
    },
    close,
  };
}
