/** `/metrics`, as Prometheus asks for it. */
import type { Metrics } from '../metrics/metrics.ts';
import type { HttpAccess } from './access.ts';
import { exact, type IsLocal, type Route } from './http-routes.ts';
import { OperationError } from './operation.ts';
import { refuse, sendText } from './problem.ts';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Without a log-in where only this machine reaches the listener; otherwise with the scope `metrics:read`. */
export const metricsRoute = (metrics: Metrics, access: HttpAccess, isLocal: IsLocal): Route =>
  exact('/metrics', async (request, response) => {
    try {
      if (!isLocal(request) && !(await access.identifyClient(request, false)).may('metrics:read')) {
        throw new OperationError(403, 'forbidden', 'this needs the scope metrics:read');
      }
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      if (error.status === 401) response.setHeader('www-authenticate', 'Basic realm="RobustMQ"');
      return refuse(response, { status: error.status, kind: error.kind, detail: error.message });
    }
    sendText(response, 200, CONTENT_TYPE, await metrics.text());
  });
