/** Bodies of requests: bounded before they are read, heard out before they are refused. */
import type { IncomingMessage } from 'node:http';
import { OperationError } from './operation.ts';

const MAX_DISCARDED_BYTES = 256 * 1024;

export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** Heard out up to a bound: an answer while the client still writes would be lost with the connection. */
export function discardBody(request: IncomingMessage): Promise<void> {
  if (request.readableEnded || request.destroyed || request.complete || !hasBody(request)) {
    request.resume();
    return Promise.resolve();
  }
  let bytes = 0;
  request.on('data', (chunk: Uint8Array) => {
    bytes += chunk.byteLength;
    if (bytes > MAX_DISCARDED_BYTES) request.destroy();
  });
  request.on('error', () => {});
  return new Promise((resolve) => {
    request.once('end', resolve).once('close', resolve);
  });
}

/** Of any type. Rejects with 413 above the bound. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): OperationError =>
    new OperationError(413, 'body-too-large', `a body may have at most ${maxBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Only what says that it is JSON: no form of a page on another site can send that without being asked first. */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new OperationError(415, 'not-json', 'the body must have the content type application/json');
  }
  const body = await readBody(request, maxBytes);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    throw new OperationError(400, 'not-json', 'the body is not JSON in UTF-8');
  }
}
