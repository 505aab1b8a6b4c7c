/** docs/http-api.md out of the table of operations. */
import { API_PREFIX } from './http-api.ts';
import { type AnyOperation, DEFAULT_PAGE, MAX_PAGE } from './operation.ts';
import { ALL_OPERATIONS } from './operations.ts';
import type { JsonSchema } from './schema.ts';

const HEAD = `# HTTP API

<!-- Written by \`node scripts/http-api-page.mjs\`; do not edit. -->

What can be done to a running broker, below \`${API_PREFIX}\`: on \`control.sock\` in its data directory, for whoever may open that file, and on the
listeners \`http\` and \`https\`, for users who log in and for API keys, each with the scopes that it has. The same as OpenAPI 3.1 is at
\`${API_PREFIX}/openapi.json\`, and as a page for people at \`${API_PREFIX}/docs\`.

\`\`\`sh
curl --unix-socket /var/lib/robustmq/control.sock 'http://localhost${API_PREFIX}/sessions?limit=10'
curl -H "Authorization: Bearer $ROBUSTMQ_API_KEY" 'https://broker.example:18084${API_PREFIX}/clients?protocol=kafka'
\`\`\`

* Bodies and answers are JSON; a body has the content type \`application/json\`. Fields of answers are always there, null where they have no value, unless
  they are said to be optional. Times are milliseconds since 1970 (\`…Ms\`), sizes are bytes (\`…Bytes\`). Fields may be added, none changes its meaning.
* What goes wrong is a problem as RFC 9457 has it: \`type\` is \`urn:robustmq:problem:\` and a word that stays the same, \`detail\` a sentence. 400 is for
  input, 401 and 403 for who may not, 404 for what is not there, 409 for what cannot be done now, 413 for a body that is too large.
* Lists take \`limit\` (1 to ${MAX_PAGE}; ${DEFAULT_PAGE} where it is missing) and \`cursor\`, which is \`nextCursor\` of the page before and missing on the last one.
  A page may be shorter than its limit. What comes or goes while somebody turns pages may be seen or not.
* Streams are server-sent events (\`text/event-stream\`): see [operations.md](operations.md).
* Names in paths are percent-encoded. A change is durable, at \`storage.durability\`, when it is answered.
* Changes, and looks at what clients wrote, are in the audit log.
`;

const cellOf = (text: unknown): string =>
  String(text ?? '')
    .replaceAll('|', '\\|')
    .replaceAll('\n', ' ');

function typeOf(json: JsonSchema): string {
  const { type, enum: choices, anyOf, items } = json;
  if (Array.isArray(choices)) return choices.map((each) => `\`${String(each)}\``).join(', ');
  if (Array.isArray(anyOf)) return `${typeOf(anyOf[0] as JsonSchema)}, or null`;
  if (type === 'array') return `list of ${typeOf(items as JsonSchema)}`;
  return String(type ?? 'any');
}

interface Input {
  readonly name: string;
  readonly where: string;
  readonly json: JsonSchema;
}

function inputsOf({ pathParameters, queryParameters, body }: AnyOperation): Input[] {
  const { properties = {}, required = [] } = (body?.json ?? {}) as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly required?: readonly string[];
  };
  const entries = (where: string, of: Readonly<Record<string, { readonly json: JsonSchema }>>): Input[] =>
    Object.entries(of).map(([name, { json }]) => ({ name, where, json }));
  return [
    ...entries('path', pathParameters),
    ...entries('query', queryParameters).filter(({ name }) => name !== 'limit' && name !== 'cursor'),
    ...Object.entries(properties).map(([name, json]) => ({
      name,
      where: required.includes(name) ? 'body, needed' : 'body',
      json,
    })),
  ];
}

function section(row: AnyOperation): string {
  const { method, path, summary, scope, verb } = row;
  const inputs = inputsOf(row);
  const isList = Object.hasOwn(row.queryParameters, 'cursor');
  return [
    `### ${method} ${path}`,
    '',
    `${summary} Scope \`${scope}\`${isList ? '; a list' : ''}${row.isStream === true ? '; a stream' : ''}${verb === undefined ? '' : `; \`robustmq ${verb.words}\``}.`,
    ...(inputs.length === 0
      ? []
      : [
          '',
          '| input | in | type | |',
          '|---|---|---|---|',
          ...inputs.map(
            ({ name, where, json }) =>
              `| \`${name}\` | ${where} | ${cellOf(typeOf(json))} | ${cellOf(json.description)} |`,
          ),
        ]),
    '',
  ].join('\n');
}

export function httpApiPage(): string {
  const subjects = new Map<string, AnyOperation[]>();
  for (const row of ALL_OPERATIONS) {
    const subject = row.path.split('/')[1]?.split(':')[0] ?? '';
    subjects.set(subject, [...(subjects.get(subject) ?? []), row]);
  }
  const parts = [...subjects].map(
    ([subject, rows]) => `## ${subject}\n\n${rows.map((row) => section(row)).join('\n')}`,
  );
  return `${[HEAD, ...parts].join('\n').trimEnd()}\n`;
}
