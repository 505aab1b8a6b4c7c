/** Answers in JSON, and problems (RFC 9457). */
import type { ServerResponse } from 'node:http';

export interface Problem {
  readonly status: number;
  /** Stable: what programs go by. */
  readonly kind: string;
  readonly detail: string;
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request is wrong',
  401: 'Who are you?',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Not possible here',
  409: 'Not possible now',
  413: 'Too large',
  415: 'Of the wrong type',
  421: 'Not a name of this server',
  422: 'Refused',
  429: 'Too often',
  500: 'A defect of the broker',
  503: 'Not now',
};

export function refuse(response: ServerResponse, { status, kind, detail }: Problem): void {
  send(response, status, 'application/problem+json', {
    type: `urn:robustmq:problem:${kind}`,
    title: TITLES[status] ?? 'Failed',
    status,
    detail,
  });
}

export function send(response: ServerResponse, status: number, type: string, body: unknown): void {
  sendText(response, status, type, `${JSON.stringify(body)}\n`);
}

export function sendText(response: ServerResponse, status: number, type: string, text: string): void {
  if (response.destroyed || response.headersSent) return;
  const bytes = Buffer.from(text);
  response.writeHead(status, {
    'content-type': type,
    'content-length': bytes.byteLength,
    'cache-control': 'no-store',
  });
  response.end(bytes);
}
