/** The table of operations as OpenAPI 3.1, whose schemas are JSON Schema as they stand. */
import { API_PREFIX } from './http-api.ts';
import type { AnyOperation } from './operation.ts';
import { ALL_OPERATIONS } from './operations.ts';
import type { JsonSchema } from './schema.ts';

const PROBLEM: JsonSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', description: '`urn:robustmq:problem:` and a word that stays the same.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'A sentence for people.' },
  },
};

export function openApi(version: string): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const row of ALL_OPERATIONS) {
    const path = `${API_PREFIX}${row.path}`;
    paths[path] ??= {};
    paths[path][row.method.toLowerCase()] = described(row);
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'RobustMQ administration',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }, { session: [] }],
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      responses: {
        Problem: {
          description: 'What is wrong.',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key.' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-robustmq', description: 'A log-in.' },
      },
    },
  };
}

function described(row: AnyOperation): JsonSchema {
  const parameter = (where: 'path' | 'query', name: string, { description, ...schema }: JsonSchema) => ({
    name,
    in: where,
    required: where === 'path',
    description,
    schema,
  });
  return {
    operationId: row.id,
    summary: row.summary,
    tags: [row.id.split('.')[0]],
    'x-scope': row.scope,
    'x-audit': row.audit,
    parameters: [
      ...Object.entries(row.pathParameters).map(([name, { json }]) => parameter('path', name, json)),
      ...Object.entries(row.queryParameters).map(([name, { json }]) => parameter('query', name, json)),
    ],
    ...(row.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: row.body.json } } } }),
    responses: {
      200: {
        description: row.isStream === true ? 'Events that say this, one after the other.' : 'Done.',
        content: {
          [row.isStream === true ? 'text/event-stream' : 'application/json']: { schema: row.output.json },
        },
      },
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}
