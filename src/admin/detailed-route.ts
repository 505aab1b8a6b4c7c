/** `/metrics/detailed`: figures of single objects, for whoever may read those objects, a piece at a time. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import type { HttpAccess } from './access.ts';
import {
  type DetailedRequest,
  detailedFigures,
  detailedText,
  FAMILIES,
  FAMILY_NAMES,
  type FamilyName,
} from './detailed-metrics.ts';
import { exact, type Route } from './http-routes.ts';
import { METRICS_TYPE, refuseMetrics } from './metrics-route.ts';
import type { NodeView } from './node-view.ts';
import { OperationError } from './operation.ts';

const DEFAULT_LIMIT = 5000;
const MAX_LIMIT = 20_000;
const MAX_MATCH_LENGTH = 1024;
const READ_TIMEOUT_MS = 10_000;

const wrong = (detail: string): OperationError => new OperationError(400, 'invalid-input', detail);

function familiesOf(text: string): FamilyName[] {
  const names = [...new Set(text.split(','))];
  const known: readonly string[] = FAMILY_NAMES;
  const odd = names.find((name) => !known.includes(name));
  if (odd !== undefined) {
    const example = 'family=session,queue';
    throw wrong(
      `family must name some of ${known.join(', ')} (such as ${example}), not ${JSON.stringify(odd)}`,
    );
  }
  return names as FamilyName[];
}

function requestOf(url: string): DetailedRequest {
  const at = url.indexOf('?');
  const query = new URLSearchParams(at === -1 ? '' : url.slice(at + 1));
  for (const name of query.keys()) {
    if (!['family', 'match', 'limit'].includes(name)) {
      throw wrong(`there is no parameter ${JSON.stringify(name)}; there are family, match, limit`);
    }
    if (query.getAll(name).length > 1) throw wrong(`${name} is there twice`);
  }
  const match = query.get('match') ?? undefined;
  if (match?.slice(0, -1).includes('*'))
    throw wrong('match is a name, or the start of names and one * at its end');
  if ((match?.length ?? 0) > MAX_MATCH_LENGTH)
    throw wrong(`match has at most ${MAX_MATCH_LENGTH} characters`);
  const text = query.get('limit') ?? `${DEFAULT_LIMIT}`;
  const limit = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw wrong(`limit must be a whole number from 1 to ${MAX_LIMIT}`);
  return { families: familiesOf(query.get('family') ?? ''), match, limit };
}

export function detailedRoute(node: NodeView, access: HttpAccess): Route {
  let isBusy = false;

  /** Also where only this machine reaches the listener: names are more than figures. */
  async function wantedOf(request: IncomingMessage): Promise<DetailedRequest> {
    const caller = await access.identifyClient(request, false);
    const wanted = requestOf(request.url ?? '');
    for (const scope of ['metrics:read' as const, ...wanted.families.map((name) => FAMILIES[name].scope)]) {
      if (!caller.may(scope)) throw new OperationError(403, 'forbidden', `this needs the scope ${scope}`);
    }
    return wanted;
  }

  async function answer(wanted: DetailedRequest, response: ServerResponse): Promise<void> {
    const found = await detailedFigures(node, wanted, () => !response.destroyed);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    // Who does not read holds up those who would.
    response.setTimeout(READ_TIMEOUT_MS, () => response.destroy());
    response.writeHead(200, { 'content-type': METRICS_TYPE, 'cache-control': 'no-store' });
    for (const piece of detailedText(found)) {
      if (response.destroyed) return;
      if (!response.write(piece)) {
        await once(response, 'drain', { signal: gone.signal }).catch(() => {});
      }
      await turn();
    }
    response.end();
  }

  return exact('/metrics/detailed', async (request, response) => {
    try {
      const wanted = await wantedOf(request);
      if (isBusy) throw new OperationError(503, 'busy', 'somebody else is being answered; try again');
      isBusy = true;
      try {
        await answer(wanted, response);
      } finally {
        isBusy = false;
      }
    } catch (error) {
      refuseMetrics(response, error);
    }
  });
}
