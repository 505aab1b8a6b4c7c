/**
 * `/healthz?check=…`: named checks for whoever asks, without a log-in, so that the answer is yes or no and nothing else: what is
 * wrong is for those who may read the status.
 */
import { exact, type Route } from './http-routes.ts';
import { OperationError } from './operation.ts';
import { type ChecksView, runChecks } from './operations/checks.ts';
import { sendText } from './problem.ts';

export const healthzRoute = (checks: ChecksView): Route =>
  exact('/healthz', (request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const names = searchParams.getAll('check').join(',');
    try {
      const isOk = runChecks(checks, names === '' ? 'ready' : names).every((each) => each.isOk);
      sendText(response, isOk ? 200 : 503, 'text/plain; charset=utf-8', isOk ? 'ok\n' : 'not ok\n');
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      sendText(response, error.status, 'text/plain; charset=utf-8', `${error.message}\n`);
    }
  });
