import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { LogEntry, Permit, RegistryLimits, SchemaLog } from '../../src/schema-registry/registry.ts';
import { createSchemaRegistry } from '../../src/schema-registry/registry.ts';

export interface MemoryLog extends SchemaLog {
  readonly entries: LogEntry[];
  /** Thrown by the next append. */
  failure: Error | undefined;
}

export function createMemoryLog(entries: LogEntry[] = []): MemoryLog {
  return {
    entries,
    failure: undefined,
    async append(added) {
      if (this.failure !== undefined) throw this.failure;
      entries.push(...added);
    },
    async *read() {
      yield* entries;
    },
  };
}

/** What compaction leaves: of each key the newest entry, and nothing of those that were removed. */
export function compacted(entries: readonly LogEntry[]): LogEntry[] {
  const newest = new Map(entries.map((entry) => [entry.key, entry]));
  return entries.filter((entry) => newest.get(entry.key) === entry && entry.value !== null);
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared as a whole or by members that the test names
  readonly body: any;
  readonly type: string | null;
}

export interface Client {
  readonly url: string;
  readonly log: MemoryLog;
  readonly defects: unknown[];
  permit: Permit;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  register(subject: string, schema: unknown, more?: object): Promise<Answer>;
  /** Whether `schema` may follow what the subject has. */
  fits(subject: string, schema: unknown, more?: object): Promise<boolean>;
}

export async function startRegistry(
  log: MemoryLog = createMemoryLog(),
  limits: Partial<RegistryLimits> = {},
): Promise<Client> {
  const defects: unknown[] = [];
  const registry = await createSchemaRegistry({
    log,
    limits,
    onDefect: (error) => defects.push(error),
  });
  const server = createServer((request, response) => {
    void registry.handle(request, response, (action, subject) => client.permit(action, subject));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client: Client = {
    url,
    log,
    defects,
    permit: () => true,
    async call(method, path, body, headers = {}) {
      const response = await fetch(url + path, {
        method,
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        headers: { 'content-type': 'application/vnd.schemaregistry.v1+json', ...headers },
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
      return {
        status: response.status,
        body: isJson ? parsed(text) : text,
        type: response.headers.get('content-type'),
      };
    },
    register: (subject, schema, more = {}) =>
      client.call('POST', `/subjects/${encodeURIComponent(subject)}/versions`, {
        schema: textOf(schema),
        ...more,
      }),
    async fits(subject, schema, more = {}) {
      const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions`;
      const { body } = await client.call('POST', path, { schema: textOf(schema), ...more });
      return body.is_compatible;
    },
  };
  return client;
}

/** The text of a schema of Protobuf is answered as it is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export const textOf = (schema: unknown): string =>
  typeof schema === 'string' ? schema : JSON.stringify(schema);

export const record = (fields: readonly unknown[], more: object = {}): object => ({
  type: 'record',
  name: 'Sample',
  fields,
  ...more,
});
