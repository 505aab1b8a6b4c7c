/** What a row of the table of operations is, and what all rows have in common: input, pages, errors. */
import type { NodeScope } from '../security/authorization/scopes.ts';
import type { Caller } from './caller.ts';
import type { Feed } from './feed.ts';
import type { NodeView, PageRequest } from './node-view.ts';
import { type Infer, integer, list, object, type Schema, string, type TextSchema } from './schema.ts';

/** How it is noted in the audit log: not at all, as a look at what clients wrote, or as a change. */
export type AuditClass = 'none' | 'data' | 'change';
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

type Parameters = Readonly<Record<string, TextSchema<unknown>>>;
type InputOf<P extends Parameters, Q extends Parameters, B> = {
  readonly [K in keyof P]: Infer<P[K]>;
} & { readonly [K in keyof Q]?: Infer<Q[K]> } & ([B] extends [never] ? unknown : { readonly body: B });

/** Of one request. */
export interface Call {
  readonly caller: Caller;
  /** Whoever asked does not listen any more. */
  readonly signal: AbortSignal;
  /** Of a stream: what was seen last of the one before. */
  readonly lastEventId: string | undefined;
}

/** What the command line makes of a row. */
export interface Verb<Out> {
  /** After `robustmq`: what it is about, and the verb. */
  readonly words: `${string} ${string}` | 'status';
  readonly alias?: string;
  /** Parameters of the query and fields of the body that stand behind the verb, in this order, after those of the path. */
  readonly arguments?: readonly string[];
  /** Of a list, for people. */
  readonly columns?: readonly string[];
  /** How many items of a list where nobody says. */
  readonly usualLimit?: number;
  readonly examples?: readonly string[];
  /** For people, once it is done; without it they see the output. */
  done?(output: Out): string;
  /** Where somebody sits at the terminal they are asked first: what goes does not come back. */
  readonly isFinal?: boolean;
}

export interface Operation<In, Out> {
  readonly id: string;
  readonly method: Method;
  /** Below /api/v1; `{name}` is a parameter. */
  readonly path: string;
  readonly summary: string;
  readonly scope: NodeScope;
  readonly audit: AuditClass;
  readonly pathParameters: Parameters;
  readonly queryParameters: Parameters;
  /** JSON; without it a request has none. */
  readonly body?: Schema<unknown>;
  /** Where a body may be larger than others, or has to be smaller. */
  readonly maxBodyBytes?: number;
  readonly output: Schema<Out>;
  /** Its answer goes on: `run` resolves with a Feed, and `output` is what each of its events says. */
  readonly isStream?: true;
  /** Without it the command line has it in a form of its own, or not at all. */
  readonly verb?: Verb<Out>;
  /** HTTP status of a result; 200 where it is missing. */
  statusOf?(output: Out): number;
  /** Rejects with an OperationError for what the caller can mend. */
  run(node: NodeView, input: In, call: Call): Promise<Out>;
}

/** A row whose types do not matter to the one who holds it. */
export type AnyOperation = Operation<never, unknown>;

/** `kind` becomes the type of the problem. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
  readonly status: number;
  readonly kind: string;
  constructor(status: number, kind: string, message: string) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

export function operation<const P extends Parameters, const Q extends Parameters, Out, B = never>(
  row: Omit<Operation<InputOf<P, Q, B>, Out>, 'pathParameters' | 'queryParameters' | 'body'> & {
    readonly pathParameters?: P;
    readonly queryParameters?: Q;
    readonly body?: Schema<B>;
  },
): Operation<InputOf<P, Q, B>, Out> {
  return { pathParameters: {}, queryParameters: {}, ...row };
}

/** A row whose answer is a stream of events, each as `item` says. */
export function streamOperation<const Q extends Parameters>(
  row: Omit<
    Operation<InputOf<Record<never, never>, Q, never>, unknown>,
    'pathParameters' | 'queryParameters' | 'body' | 'output' | 'isStream' | 'method' | 'run'
  > & {
    readonly queryParameters: Q;
    readonly item: Schema<unknown>;
    run(node: NodeView, input: InputOf<Record<never, never>, Q, never>, call: Call): Promise<Feed>;
  },
): Operation<InputOf<Record<never, never>, Q, never>, unknown> {
  const { item, ...rest } = row;
  return { ...rest, method: 'GET', pathParameters: {}, output: item, isStream: true };
}

export const DEFAULT_PAGE = 100;
export const MAX_PAGE = 1000;

export const paging = {
  limit: integer('Most items of a page.', { min: 1, max: MAX_PAGE }),
  cursor: string('From `nextCursor` of the page before.'),
};

export const pageOf = <T>(item: Schema<T>) =>
  object({ items: list(item, 'Items.') }, { nextCursor: string('For the next page; missing on the last.') });

export function pageRequest(
  id: string,
  { limit, cursor }: { readonly limit?: number; readonly cursor?: string },
  usual = DEFAULT_PAGE,
): PageRequest {
  if (cursor === undefined) return { limit: limit ?? usual };
  // The operation is part of it, so that a cursor of one list is not taken for a place in another.
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!text.startsWith(`${id}\n`)) {
    throw new OperationError(400, 'invalid-cursor', 'the cursor is not one of this list');
  }
  return { limit: limit ?? usual, after: text.slice(id.length + 1) };
}

export function shownPage<T, V>(
  id: string,
  { items, next }: { readonly items: readonly T[]; readonly next?: string | undefined },
  show: (item: T) => V,
): { items: V[]; nextCursor?: string } {
  const shown = items.map(show);
  if (next === undefined) return { items: shown };
  return { items: shown, nextCursor: Buffer.from(`${id}\n${next}`).toString('base64url') };
}

export const same = <T>(item: T): T => item;

export function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new OperationError(404, 'not-found', `there is no ${what}`);
  return value;
}

export const named = (what: string, name: string): string => `${what} ${JSON.stringify(name)}`;
