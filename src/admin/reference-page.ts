/**
 * The page of the HTTP API for people, made of the same description that programs read (openapi.ts): one file without anything
 * that is loaded from elsewhere, for which no policy has to be relaxed. All text of the description is escaped.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { API_PREFIX } from './http-api.ts';
import { exact, type Route } from './http-routes.ts';
import { openApi } from './openapi.ts';
import { SCRIPT, STYLE } from './reference-assets.ts';
import type { JsonSchema } from './schema.ts';

const TAGS_FIRST = ['health', 'status', 'node', 'config'];
const MAX_DEPTH = 6;

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>;

interface Described {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>;
  readonly 'x-scope': string;
  readonly 'x-audit': string;
}

export interface ApiDocument {
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (each) => ENTITIES[each] ?? '');
/** Descriptions mark what is written literally with backquotes. */
const prose = (text = ''): string => escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
const code = (text: string): string => `<code>${escaped(text)}</code>`;

function typeOf(schema: JsonSchema): string {
  const { type, enum: choices, anyOf, items, minimum, maximum, maxLength } = schema;
  if (Array.isArray(choices)) return choices.map((each) => code(String(each))).join(', ');
  if (Array.isArray(anyOf)) return (anyOf as JsonSchema[]).map(typeOf).join(' or ');
  if (type === 'array') return `list of ${typeOf((items ?? {}) as JsonSchema)}`;
  const has = (bound: unknown): bound is number =>
    typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  const range = [has(minimum) ? `from ${minimum}` : '', has(maximum) ? `to ${maximum}` : ''].join(' ').trim();
  const length = has(maxLength) && maxLength < 100_000 ? `at most ${maxLength} characters` : '';
  return [escaped(String(type ?? 'anything')), range, length].filter((each) => each !== '').join(', ');
}

interface Row {
  readonly name: string;
  readonly note: string;
  readonly schema: JsonSchema;
}

/** Fields of an object, and of those in it, by their place. */
function rowsOf(schema: JsonSchema, at: string, depth = 0): Row[] {
  if (depth === MAX_DEPTH) return [];
  const { properties, required = [], items, anyOf, additionalProperties } = schema;
  if (Array.isArray(anyOf)) return (anyOf as JsonSchema[]).flatMap((each) => rowsOf(each, at, depth));
  if (typeof items === 'object' && items !== null) return rowsOf(items as JsonSchema, `${at}[]`, depth + 1);
  const rows: Row[] = [];
  for (const [name, child] of Object.entries((properties ?? {}) as Readonly<Record<string, JsonSchema>>)) {
    const place = at === '' ? name : `${at}.${name}`;
    const note = (required as readonly string[]).includes(name) ? '' : 'optional';
    rows.push({ name: place, note, schema: child }, ...rowsOf(child, place, depth + 1));
  }
  if (typeof additionalProperties === 'object' && additionalProperties !== null) {
    const place = at === '' ? '*' : `${at}.*`;
    const child = additionalProperties as JsonSchema;
    rows.push({ name: place, note: '', schema: child }, ...rowsOf(child, place, depth + 1));
  }
  return rows;
}

function table(title: string, rows: readonly Row[]): string {
  if (rows.length === 0) return '';
  const lines = rows.map(({ name, note, schema }) => {
    const about = [prose(schema.description as string | undefined), escaped(note)].filter(
      (each) => each !== '',
    );
    return `<tr><td>${code(name)}</td><td>${typeOf(schema)}</td><td>${about.join(' · ')}</td></tr>`;
  });
  return `<h3>${title}</h3><div class="wide"><table><tr><th>Name</th><th>Type</th><th>Meaning</th></tr>${lines.join('')}</table></div>`;
}

function contentTable(title: string, content: Content | undefined): string {
  return Object.entries(content ?? {})
    .map(([type, { schema }]) => table(`${title} (${code(type)})`, rowsOf(schema, '')))
    .join('');
}

const parameterRow = ({ name, in: where, required, description, schema }: Parameter): Row => ({
  name,
  note: required ? `in the ${where}` : `in the ${where}, optional`,
  schema: description === undefined ? schema : { ...schema, description },
});

const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function example(method: string, path: string, { requestBody }: Described): string {
  const body = requestBody === undefined ? '' : " -H 'Content-Type: application/json' -d @body.json";
  const verb = method === 'GET' ? '' : ` -X ${method}`;
  const url = shellQuoted(`http://localhost:18083${path}`);
  return `<pre><code>${escaped(`curl${verb} -H "Authorization: Bearer $ROBUSTMQ_API_KEY"${body} ${url}`)}</code></pre>`;
}

function article(method: string, path: string, described: Described): string {
  const { operationId, summary, parameters, requestBody, responses } = described;
  const found = [method, path, operationId, summary, described['x-scope']].join(' ').toLowerCase();
  const answers = Object.entries(responses).filter(([status]) => status !== 'default');
  const audited =
    described['x-audit'] === 'none' ? '' : `, noted in the audit log (${code(described['x-audit'])})`;
  return [
    `<article id="${escaped(operationId)}" class="${escaped(method)}" data-find="${escaped(found)}"><details><summary>`,
    `<b>${escaped(method)}</b>${code(path)}<span>${prose(summary)}</span></summary><div class="body">`,
    `<p>Operation ${code(operationId)}, needs the scope ${code(described['x-scope'])}${audited}. <a href="#${encodeURIComponent(operationId)}">Link</a></p>`,
    table('Parameters', parameters.map(parameterRow)),
    contentTable('Body', requestBody?.content),
    ...answers.map(([status, { content }]) => contentTable(`Answer ${escaped(status)}`, content)),
    `<h3>Example</h3>${example(method, path, described)}</div></details></article>`,
  ].join('');
}

export function referencePage({ info, paths }: ApiDocument): string {
  const byTag = new Map<string, string[]>();
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, described] of Object.entries(methods)) {
      const tag = described.tags[0] ?? 'other';
      byTag.set(tag, [...(byTag.get(tag) ?? []), article(method.toUpperCase(), path, described)]);
    }
  }
  const rankOf = (tag: string): number => (TAGS_FIRST.indexOf(tag) + 1 || TAGS_FIRST.length + 1) - 1;
  const tags = [...byTag.keys()].sort((a, b) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1));
  const title = `${info.title} ${info.version}`;
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>${escaped(title)}</title><style>${STYLE}</style></head><body><header><h1>${escaped(title)}</h1>`,
    `<p>Bodies and answers are JSON. What goes wrong is a problem as RFC 9457 has it, with a <code>type</code> that stays the same. Lists take <code>limit</code> and <code>cursor</code>. The same for programs: <a href="${API_PREFIX}/openapi.json">openapi.json</a>.</p>`,
    '</header>',
    `<nav aria-label="Subjects"><ul>${tags.map((tag) => `<li><a href="#tag-${encodeURIComponent(tag)}">${escaped(tag)}</a></li>`).join('')}</ul></nav><main>`,
    '<div class="find" hidden><input type="search" placeholder="Find: a word, a path, a scope" aria-label="Find operations"></div>',
    ...tags.map(
      (tag) =>
        `<section id="tag-${escaped(tag)}"><h2>${escaped(tag)}</h2>${(byTag.get(tag) ?? []).join('')}</section>`,
    ),
    `</main><script>${SCRIPT}</script></body></html>\n`,
  ].join('');
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Exactly the style and the script that are in the page may run. */
const POLICY = [
  "default-src 'none'",
  `style-src ${hashOf(STYLE)}`,
  `script-src ${hashOf(SCRIPT)}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Made when somebody asks for the first time, and once. */
export function referenceRoute(version: string): Route {
  let pages: { readonly plain: Buffer; readonly packed: Buffer } | undefined;
  return exact(`${API_PREFIX}/docs`, (request, response) => {
    if (pages === undefined) {
      const plain = Buffer.from(referencePage(openApi(version) as unknown as ApiDocument));
      pages = { plain, packed: gzipSync(plain) };
    }
    const isPacked = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    const body = isPacked ? pages.packed : pages.plain;
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-length': body.byteLength,
      'content-security-policy': POLICY,
      'cache-control': 'no-cache',
      vary: 'accept-encoding',
      ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
    });
    response.end(body);
  });
}
