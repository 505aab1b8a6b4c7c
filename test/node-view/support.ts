/** A node in this process with a directory, and its control socket as the command line uses it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DataDirectory, openDataDirectory } from '../../src/storage/data-directory/data-directory.ts';
import { startTestNode, type TestNode } from '../e2e/support.ts';
import type { RawClient } from '../support/raw-client.ts';

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export interface ViewedNode extends TestNode {
  readonly folder: string;
  /** Stops, and leaves the folder to another start. */
  halt(): Promise<void>;
  get(target: string): Promise<Answer>;
  remove(target: string): Promise<Answer>;
  post(target: string, body: unknown): Promise<Answer>;
  patch(target: string, body: unknown): Promise<Answer>;
  /** All items of a list, turned page by page. */
  all(target: string, limit: number): Promise<Record<string, unknown>[]>;
  /** A request whose answer is not awaited. */
  begin(target: string): http.ClientRequest;
  /** A client with a session that outlives its connection. */
  durable(clientId: string): Promise<RawClient>;
}

export const FOR_EVER = 0xffffffff;
export const STREAMS = JSON.stringify([
  { name: 'telemetry', capture: ['sensors/#'], partitions: 3, key: 'topic' },
  { name: 'audit', capture: ['audit/#'], partitions: 1, retention: { age: '60s', count: 5 } },
]);

export async function startViewed(
  settings: Readonly<Record<string, string | number | boolean>> = {},
  folder = mkdtempSync(join(tmpdir(), 'robustmq-view-')),
): Promise<ViewedNode> {
  const isMemory = settings['storage.engine'] === 'memory';
  // In memory nothing needs a directory: the start hands one over for its lock and its socket.
  const dataDirectory: DataDirectory | undefined = isMemory ? await openDataDirectory(folder) : undefined;
  const node = await startTestNode(
    { dataDir: folder, streams: STREAMS, 'storage.views': 'memory', ...settings },
    dataDirectory === undefined ? {} : { dataDirectory },
  );

  const request = (method: string, target: string, body?: unknown): http.ClientRequest => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers =
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const path = `/api/v1${target}`;
    return http
      .request({ socketPath: join(folder, 'control.sock'), method, path, headers, agent: false })
      .end(text);
  };

  async function ask(method: string, target: string, body?: unknown): Promise<Answer> {
    const [response] = (await once(request(method, target, body), 'response')) as [http.IncomingMessage];
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    return { status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> };
  }

  return {
    ...node,
    folder,
    get: (target) => ask('GET', target),
    remove: (target) => ask('DELETE', target),
    post: (target, body) => ask('POST', target, body),
    patch: (target, body) => ask('PATCH', target, body),
    begin(target) {
      return request('GET', target).on('error', () => {});
    },
    async all(target, limit) {
      const items: Record<string, unknown>[] = [];
      let cursor: unknown;
      do {
        const separator = target.includes('?') ? '&' : '?';
        const from = cursor === undefined ? '' : `&cursor=${String(cursor)}`;
        const { status, body } = await ask('GET', `${target}${separator}limit=${limit}${from}`);
        if (status !== 200) throw new Error(JSON.stringify(body));
        const page = body.items as Record<string, unknown>[];
        if (page.length > limit) throw new Error(`a page of ${page.length}`);
        items.push(...page);
        cursor = body.nextCursor;
      } while (cursor !== undefined);
      return items;
    },
    durable: (clientId) => node.connect({ clientId, clean: false, properties: [[17, FOR_EVER]] }),
    async halt() {
      await node.stop();
      await dataDirectory?.close();
    },
    async stop() {
      await node.stop();
      await dataDirectory?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const name = encodeURIComponent;
