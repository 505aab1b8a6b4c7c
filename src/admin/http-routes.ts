/**
 * What the HTTP listeners serve: the API and its description, whether the node is alive and ready, and what other parts of the
 * broker bring. A path belongs to exactly one of them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { API_PREFIX, type Api } from './http-api.ts';
import type { Awaitable } from './node-view.ts';
import { openApi } from './openapi.ts';
import { refuse, sendText } from './problem.ts';
import { discardBody } from './request-body.ts';
import type { HttpTimes } from './request-times.ts';
import type { Health } from './views.ts';

export interface Route {
  /** Without the query. */
  readonly owns: (path: string) => boolean;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;
}

/** Whether it came over a listener that only this machine reaches: there some of what is served needs no log-in. */
export type IsLocal = (request: IncomingMessage) => boolean;

export interface RoutesOptions {
  readonly api: Api;
  readonly version: string;
  readonly health: () => Awaitable<Health>;
  /** False while the node starts and once it stops. */
  readonly isServing: () => boolean;
  readonly routes: readonly Route[];
  readonly times?: HttpTimes;
  readonly onDefect: (error: unknown, where: string) => void;
}

/** The handler of a listener: whatever goes wrong in a route ends in an answer, and never further up. */
export function createRoutes(
  options: RoutesOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { api, version, health, isServing, times, onDefect } = options;
  let description: string | undefined;

  const own: readonly Route[] = [
    exact('/livez', (_request, response) => sendText(response, 200, 'text/plain; charset=utf-8', 'ok\n')),
    exact('/readyz', async (_request, response) => {
      const isReady = isServing() && (await health()).status !== 'red';
      sendText(response, isReady ? 200 : 503, 'text/plain; charset=utf-8', isReady ? 'ok\n' : 'not ready\n');
    }),
    exact(`${API_PREFIX}/openapi.json`, (_request, response) => {
      description ??= JSON.stringify(openApi(version));
      sendText(response, 200, 'application/json', description);
    }),
    ...options.routes,
    { owns: (path) => path === API_PREFIX || path.startsWith(`${API_PREFIX}/`), handle: api },
  ];

  const dispatch = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const route = own.find((each) => each.owns(path));
    times?.begin(measuredAs(path), response);
    if (route !== undefined) return route.handle(request, response);
    await discardBody(request);
    refuse(response, {
      status: 404,
      kind: 'no-such-path',
      detail: `there is nothing at ${path.slice(0, 200)}`,
    });
  };

  return (request, response) => {
    dispatch(request, response).catch((error: unknown) => {
      onDefect(error, 'http');
      if (response.headersSent) response.destroy();
      else refuse(response, { status: 500, kind: 'defect', detail: 'the log of the broker has more' });
    });
  };
}

/** Never what a client made up. */
function measuredAs(path: string): string {
  // It takes as long as its reader stays.
  if (path.endsWith('/stream')) return 'stream';
  if (path.startsWith(`${API_PREFIX}/`)) return 'api';
  if (path.startsWith('/metrics')) return 'metrics';
  return ['/livez', '/readyz', '/healthz'].includes(path) ? 'health' : 'other';
}

/** One path, to be looked at only. */
export function exact(path: string, handle: Route['handle']): Route {
  return {
    owns: (given) => given === path,
    async handle(request, response) {
      await discardBody(request);
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('allow', 'GET, HEAD');
        return refuse(response, { status: 405, kind: 'method', detail: 'only GET is possible here' });
      }
      return handle(request, response);
    },
  };
}
