/** Requests and answers of HTTP as clients of registries send and expect them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { invalidSchema, RegistryError } from './errors.ts';
import { isObject, JsonError, type JsonObject, parseJson, printJson, toJson } from './json.ts';

const V1 = 'application/vnd.schemaregistry.v1+json';
const OFFERED = [V1, 'application/vnd.schemaregistry+json', 'application/json'];
const TAKEN = [...OFFERED, 'application/octet-stream'];
const MAX_TARGET_CHARACTERS = 8192;
/** A client that is still writing would not see the answer. */
const MAX_DISCARDED_BYTES = 4 * 1024 * 1024;

export interface Target {
  /** Decoded. */
  readonly path: readonly string[];
  readonly query: ReadonlyMap<string, string>;
}

export function targetOf(url: string): Target {
  if (url.length > MAX_TARGET_CHARACTERS) throw new RegistryError(414, 'URI too long');
  const [path = '', query = ''] = split(url, '?');
  const parameters = new Map<string, string>();
  for (const part of query.split('&')) {
    if (part === '') continue;
    const [name, value] = split(part, '=');
    parameters.set(decoded(name), decoded(value.replaceAll('+', ' ')));
  }
  const steps = path.split('/').slice(1);
  if (steps.at(-1) === '') steps.pop();
  return { path: steps.map(decoded), query: parameters };
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RegistryError(400, 'The address is not percent-encoded UTF-8');
  }
}

/** What the client understands of what there is. */
export function answerType(accept: string | undefined): string {
  if (accept === undefined || accept.trim() === '') return V1;
  const wanted = accept
    .split(',', 50)
    .map((range) => range.split(';').map((part) => part.trim().toLowerCase()))
    .map(([type = '', ...parameters]) => ({ type, weight: weightOf(parameters) }))
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => b.weight - a.weight);
  for (const { type } of wanted) {
    if (type === '*/*' || type === 'application/*') return V1;
    if (OFFERED.includes(type)) return type;
  }
  throw new RegistryError(406, 'HTTP 406 Not Acceptable');
}

function weightOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => parameter.startsWith('q='));
  const weight = given === undefined ? 1 : Number(given.slice(2));
  return Number.isNaN(weight) ? 0 : weight;
}

/** An object; undefined without a body. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<JsonObject | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_DISCARDED_BYTES) request.destroy();
    if (bytes <= maxBytes) chunks.push(chunk);
  }
  if (bytes > maxBytes) throw new RegistryError(413, `A body may have ${maxBytes} bytes`);
  if (bytes === 0) return undefined;
  const type = (request.headers['content-type'] ?? V1).split(';')[0]?.trim().toLowerCase() ?? '';
  if (!TAKEN.includes(type)) throw new RegistryError(415, 'HTTP 415 Unsupported Media Type');
  return objectOf(decodedText(Buffer.concat(chunks)));
}

function decodedText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new RegistryError(400, 'The body is not UTF-8');
  }
}

function objectOf(text: string): JsonObject {
  try {
    const value = parseJson(text);
    if (isObject(value)) return value;
  } catch (error) {
    if (error instanceof JsonError) throw new RegistryError(400, error.message);
    throw error;
  }
  throw invalidSchema('The body has to be a JSON object');
}

/** An answer that is already written: the text of a schema. */
export class Verbatim {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export function answer(response: ServerResponse, status: number, type: string, body: unknown): void {
  if (response.destroyed || response.headersSent) return;
  const bytes = Buffer.from(body instanceof Verbatim ? body.text : printJson(toJson(body)));
  response.writeHead(status, {
    'content-type': type,
    'content-length': bytes.byteLength,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(bytes);
}

export function refuse(response: ServerResponse, error: RegistryError): void {
  answer(response, error.status, V1, { error_code: error.code, message: error.message });
}
