/** `/metrics`, as Prometheus asks for it. */

import type { ServerResponse } from 'node:http';
import type { Metrics } from '../metrics/metrics.ts';
import type { HttpAccess } from './access.ts';
import { exact, type IsLocal, type Route } from './http-routes.ts';
import { OperationError } from './operation.ts';
import { refuse, sendText } from './problem.ts';

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Without a log-in where only this machine reaches the listener; otherwise with the scope `metrics:read`. */
export const metricsRoute = (metrics: Metrics, access: HttpAccess, isLocal: IsLocal): Route =>
  exact('/metrics', async (request, response) => {
    try {
      if (!isLocal(request) && !(await access.identifyClient(request, false)).may('metrics:read')) {
        throw new OperationError(403, 'forbidden', 'this needs the scope metrics:read');
      }
    } catch (error) {
      return refuseMetrics(response, error);
    }
    sendText(response, 200, METRICS_TYPE, await metrics.text());
  });

export function refuseMetrics(response: ServerResponse, error: unknown): void {
  if (!(error instanceof OperationError)) throw error;
  if (error.status === 401) response.setHeader('www-authenticate', 'Basic realm="RobustMQ"');
  refuse(response, { status: error.status, kind: error.kind, detail: error.message });
}
