/**
 * The schema registry: schemas of Avro, JSON Schema and Protobuf under subjects and versions, and the rules by which a
 * new version may follow older ones, over HTTP as serializers and consoles of Kafka's world expect it
 * (docs/schema-registry.md). Not here: who may do what (asked through `permit`), the HTTP server, where the log is kept.
 *
 * Guaranteed: what was answered with success survives a loss of power; identifiers rise, are never given to another schema,
 * and the same schema has the same one under all subjects of a context; requests cost bounded memory and time whatever they
 * hold. Above the limits (limits.ts) what adds is refused, what removes never is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Permit, Registry, Route } from './call.ts';
import type { CompatibilityLevel } from './entities.ts';
import { RegistryError } from './errors.ts';
import { answer, answerType, readBody, refuse, type Target, targetOf } from './http.ts';
import { DEFAULT_LIMITS, type RegistryLimits } from './limits.ts';
import { createRegistrations } from './registrations.ts';
import { ROUTES } from './routes.ts';
import type { SchemaLog } from './schema-log.ts';
import { createSchemas } from './schemas.ts';
import { createRegistrySettings } from './settings.ts';
import { openStore } from './store.ts';
import { createTransfer, type RegistryTransfer } from './transfer.ts';

export type { Action, Permit } from './call.ts';
export type { RegistryLimits } from './limits.ts';
export type { LogEntry, SchemaLog } from './schema-log.ts';
export { LogRefused } from './schema-log.ts';

export interface SchemaRegistryOptions {
  readonly log: SchemaLog;
  readonly limits?: Partial<RegistryLimits>;
  /** Where nothing is set through the API. */
  readonly level?: CompatibilityLevel;
  /** An error that is nobody's fault but ours; the client is told no more than that there was one. */
  readonly onDefect: (error: unknown) => void;
}

export interface SchemaRegistry {
  /** Answers every request; never rejects. */
  handle(request: IncomingMessage, response: ServerResponse, permit: Permit): Promise<void>;
  /** Entries of the log that were passed over at the start because they are no entries. */
  readonly damagedEntries: number;
  readonly counts: { readonly schemas: number; readonly versions: number };
  /** For definitions, which go past the rules of compatibility. */
  readonly transfer: RegistryTransfer;
}

/** Resolves when the log has been read. */
export async function createSchemaRegistry(options: SchemaRegistryOptions): Promise<SchemaRegistry> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { store, damaged } = await openStore(options.log, options.level);
  const { state } = store;
  const schemas = createSchemas(state, limits);
  const registry: Registry = {
    state,
    schemas,
    limits,
    registrations: createRegistrations(store, schemas, limits),
    settings: createRegistrySettings(store, limits),
  };

  return {
    async handle(request, response, permit) {
      try {
        const type = answerType(request.headers.accept);
        const target = targetOf(request.url ?? '/');
        const body = await readBody(request, limits.maxBodyBytes);
        const { route, given } = routeOf(target, request.method ?? 'GET', response);
        answer(response, 200, type, await route.run(registry, { given, query: target.query, body, permit }));
      } catch (error) {
        if (error instanceof RegistryError) return refuse(response, error);
        if (request.destroyed && !request.complete) return;
        options.onDefect(error);
        refuse(response, new RegistryError(500, 'The registry has a defect; the log of the broker has more'));
      }
    },
    damagedEntries: damaged,
    counts: state.counts,
    transfer: createTransfer(store, schemas, limits),
  };
}

const FIRST_STEPS = new Set(ROUTES.map(({ path }) => path.split('/')[0] ?? '').filter((step) => step !== ''));

/** Whether the address is one of a registry's, for a server that has others as well. */
export const isRegistryPath = (url: string): boolean => FIRST_STEPS.has(url.split(/[/?]/, 2)[1] ?? '');

function routeOf(
  { path }: Target,
  method: string,
  response: ServerResponse,
): { readonly route: Route; readonly given: readonly string[] } {
  const matches = ROUTES.flatMap((route) => {
    const given = givenBy(route, path);
    return given === undefined ? [] : [{ route, given }];
  });
  if (matches.length === 0) throw new RegistryError(404, 'HTTP 404 Not Found');
  const wanted = method === 'HEAD' ? 'GET' : method;
  // Words that stand there literally come before what they could be the name of.
  const match = matches
    .filter(({ route }) => route.method === wanted)
    .toSorted((a, b) => a.given.length - b.given.length)[0];
  if (match !== undefined) return match;
  response.setHeader('allow', [...new Set(matches.map(({ route }) => route.method))].join(', '));
  throw new RegistryError(405, 'HTTP 405 Method Not Allowed');
}

function givenBy({ path }: Route, steps: readonly string[]): readonly string[] | undefined {
  const pattern = path === '' ? [] : path.split('/');
  if (pattern.length !== steps.length) return undefined;
  const given: string[] = [];
  for (const [i, step] of steps.entries()) {
    if (pattern[i] === '*') given.push(step);
    else if (pattern[i] !== step) return undefined;
  }
  return given;
}
