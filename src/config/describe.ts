/** The schema and loaded values in forms for people and editors: reference page, JSON Schema, printed values. */
import type { Normalized, Origin } from './assignments.ts';
import { environmentName } from './overrides.ts';
import { schema } from './schema.ts';
import { type Effect, fieldOf, type Leaf, type SchemaNode, type Section, writtenName } from './schema-kit.ts';
import { formatNumber, rangeOf } from './values.ts';

export interface DescribedKey {
  readonly path: string;
  readonly node: Leaf;
  readonly effect: Effect;
}

/** Every key that holds a value, in the order of the schema. */
export function keys(node: Section = schema, path = '', above: Effect = 'restart'): DescribedKey[] {
  return Object.entries(node.fields).flatMap(([name, child]) => {
    const childPath = path === '' ? writtenName(name) : `${path}.${writtenName(name)}`;
    const effect = child.effect ?? above;
    return child.kind === 'section'
      ? keys(child, childPath, effect)
      : [{ path: childPath, node: child, effect }];
  });
}

const masked = '********';

/** A value as a user may write it in YAML; secrets are masked. */
export function writtenValue(node: Leaf, value: Normalized): string {
  switch (node.kind) {
    case 'number':
      return formatNumber(node, Number(value));
    case 'list': {
      const items = Array.isArray(value) ? value : [];
      return `[${items.map((item) => (node.item.kind === 'section' ? writtenEntry(node.item, item) : writtenValue(node.item, item))).join(', ')}]`;
    }
    case 'string': {
      if (node.secret && value !== '') return masked;
      const text = String(value);
      return /^[\w./][\w./@-]*$/.test(text) && !isYamlWord(text) ? text : JSON.stringify(text);
    }
    default:
      return String(value);
  }
}

function isYamlWord(text: string): boolean {
  return !Number.isNaN(Number(text)) || /^(?:true|false|null|\.inf|\.nan)$/i.test(text);
}

function writtenEntry(node: Section, value: Normalized): string {
  const parts = Object.entries(node.fields).map(([name, child]) => {
    const own = fieldValue(value, name) ?? '';
    return `${writtenName(name)}: ${child.kind === 'section' ? writtenEntry(child, own) : writtenValue(child, own)}`;
  });
  return `{ ${parts.join(', ')} }`;
}

function fieldValue(value: unknown, name: string): Normalized | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as { readonly [field: string]: Normalized })[name];
}

/** The value of a key in a configuration, as a user may write it; secrets are masked. */
export function printedValue(config: object, path: string): string {
  let node: SchemaNode = schema;
  let value: unknown = config;
  for (const key of path.split('.')) {
    const field: { name: string; node: SchemaNode } | undefined =
      node.kind === 'section' ? fieldOf(node, key) : undefined;
    if (field === undefined) return '';
    node = field.node;
    value = fieldValue(value, field.name) ?? '';
  }
  return node.kind === 'section' ? '' : writtenValue(node, value as Normalized);
}

/**
 * The effective configuration as YAML that can be read again. With `origins` each line says where its value
 * comes from.
 */
export function printConfig(
  config: object,
  origins: ReadonlyMap<string, Origin> | undefined,
  root: Section = schema,
): string {
  const lines: { text: string; note: string }[] = [];
  const walk = (node: Section, value: unknown, path: string, indent: string): void => {
    for (const [name, child] of Object.entries(node.fields)) {
      const key = writtenName(name);
      const childPath = path === '' ? key : `${path}.${key}`;
      const childValue = fieldValue(value, name) ?? '';
      if (child.kind === 'section') {
        lines.push({ text: `${indent}${key}:`, note: '' });
        walk(child, childValue, childPath, `${indent}  `);
      } else {
        const text = `${indent}${key}: ${writtenValue(child, childValue)}`;
        lines.push({ text, note: origins?.get(childPath)?.place ?? '' });
      }
    }
  };
  walk(root, config, '', '');
  if (origins === undefined) return `${lines.map((line) => line.text).join('\n')}\n`;
  const width = Math.min(60, Math.max(...lines.map((line) => line.text.length)));
  return `${lines.map(({ text, note }) => (note === '' ? text : `${text.padEnd(width)}  # ${note}`)).join('\n')}\n`;
}

function typeOf(node: Leaf): string {
  switch (node.kind) {
    case 'boolean':
      return 'boolean';
    case 'choice':
      return node.choices.map((one) => `\`${one}\``).join(', ');
    case 'string':
      return node.expected;
    case 'list':
      return node.item.kind === 'section'
        ? `list of { ${Object.entries(node.item.fields)
            .map(([name]) => writtenName(name))
            .join(', ')} }`
        : 'list';
    case 'number': {
      const unit = { count: 'number', ms: 'duration', s: 'duration', bytes: 'size' }[node.unit];
      const bounded = node.min !== 0 || node.max !== Number.MAX_SAFE_INTEGER;
      const words = Object.keys(node.words).map((word) => `\`${word}\``);
      return [unit, ...words].join(' or ') + (bounded ? `, ${rangeOf(node)}` : '');
    }
  }
}

const introduction = `# Configuration

<!-- Written by \`robustmq config docs\` from src/config/schema.ts; change it there. -->

Every key has a default, so that no file is needed. What is set wins in this order, highest first:

1. the command line: \`--set mqtt.maxQos=1\` (any key, any number of times), \`--data-dir DIR\`
2. the environment: \`ROBUSTMQ__MQTT__MAX_QOS=1\` (sections separated by two underscores)
3. the file of \`--config FILE\`: YAML 1.2, at most 1 MiB
4. the default

Values: durations \`500ms\`, \`30s\`, \`1h30m\`, \`7d\`; sizes \`512B\`, \`64KB\` (1000), \`10MiB\` (1024); a plain number counts in the
key's base unit, which is bytes for sizes, milliseconds for durations, and seconds where the table says so. In the environment
and on the command line a list is \`a,b,c\`, and a section or a list of sections is JSON.

An unknown key or a wrong value stops the start and names its place, the key and the nearest valid one. \`robustmq config validate\`
checks without starting, \`robustmq config print --sources\` shows the values in effect and where each comes from, and
\`robustmq config schema\` prints a JSON Schema for editors. \`robustmq config diff\` shows what a running broker would be told anew.

\`robustmq reload\`, SIGHUP and \`POST /api/v1/config:reload\` read all of these sources again. The last column says when a change
counts: at once, for connections made from then on, or after a restart. One wrong value and nothing changes: what is in effect
stays, and is never replaced by a default. Certificates, files of passwords and of keys are read again as well.

\`\`\`yaml
security:
  authentication:
    authenticators: [database, scram]
listeners:
  mqtts:
    host: 0.0.0.0
    tls:
      certFile: /etc/robustmq/server.pem
      keyFile: /etc/robustmq/server.key
mqtt:
  maxPacketSize: 256KiB
  maxSessionExpiry: 7d
limits:
  connectTimeout: 10s
\`\`\`
`;

/** The reference page, or the part of it at or below `path`. */
export function referencePage(path?: string): string {
  const effects = new Map(keys().map((key) => [key.path, key.effect]));
  if (path === undefined) return `${introduction}${sectionPage(schema, '', 1, effects)}`;
  const found = lookUp(path);
  if (found === undefined) return '';
  if (found.kind === 'section') return sectionPage(found, path, 1, effects).trimStart();
  return `${tableOf([[path, found]], effects)}\n\nEnvironment: \`${environmentName(path)}\`\n`;
}

type Effects = ReadonlyMap<string, Effect>;

function sectionPage(node: Section, path: string, level: number, effects: Effects): string {
  const heading =
    path === '' ? '## Top level' : `${'#'.repeat(Math.min(4, level))} \`${path}\`\n\n${node.description}`;
  const at = (name: string): string => (path === '' ? writtenName(name) : `${path}.${writtenName(name)}`);
  const rows: [string, Leaf][] = [];
  const below: string[] = [];
  for (const [name, child] of Object.entries(node.fields)) {
    if (child.kind === 'section') below.push(sectionPage(child, at(name), level + 1, effects));
    else rows.push([at(name), child]);
  }
  return `\n${heading}\n${rows.length === 0 ? '' : `\n${tableOf(rows, effects)}\n`}${below.join('')}`;
}

const EFFECT_TEXT: Readonly<Record<Effect, string>> = {
  live: 'at once',
  'new-connections': 'new connections',
  restart: 'restart',
};

function tableOf(rows: readonly (readonly [string, Leaf])[], effects: Effects): string {
  const lines = rows.map(([path, node]) => {
    const plain = node.kind === 'number' && node.unit === 's' ? ' A plain number is in seconds.' : '';
    const value = writtenValue(node, node.fallback);
    return `| \`${path}\` | ${typeOf(node)} | \`${value}\` | ${node.description}${plain} | ${EFFECT_TEXT[effects.get(path) ?? 'restart']} |`;
  });
  return `| key | value | default | meaning | a change counts |\n|---|---|---|---|---|\n${lines.join('\n')}`;
}

/** The schema's node at a key, or undefined. */
export function lookUp(path: string): Leaf | Section | undefined {
  let node: SchemaNode = schema;
  for (const key of path.split('.')) {
    if (node.kind !== 'section') return undefined;
    const entry: [string, SchemaNode] | undefined = Object.entries(node.fields).find(
      ([name]) => writtenName(name) === key,
    );
    if (entry === undefined) return undefined;
    node = entry[1];
  }
  return node;
}

/** JSON Schema (2020-12) of the configuration file, for completion in editors. */
export function jsonSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'RobustMQ',
    ...jsonSchemaOf(schema),
  };
}

function jsonSchemaOf(node: SchemaNode): object {
  const { description } = node;
  switch (node.kind) {
    case 'section': {
      const properties = Object.entries(node.fields).map(([name, child]) => [
        writtenName(name),
        jsonSchemaOf(child),
      ]);
      return {
        description,
        type: ['object', 'null'],
        properties: Object.fromEntries(properties),
        additionalProperties: false,
      };
    }
    case 'boolean':
      return { description, type: 'boolean', default: node.fallback };
    case 'choice':
      return { description, enum: [...node.choices], default: node.fallback };
    case 'list':
      return {
        description,
        type: 'array',
        items: jsonSchemaOf(node.item),
        maxItems: node.maxItems,
        default: [],
      };
    case 'string':
      return { description, type: 'string', maxLength: node.maxLength, default: node.fallback };
    case 'number': {
      const range = { minimum: node.min, maximum: node.max };
      const fallback = node.unit === 'count' ? node.fallback : formatNumber(node, node.fallback);
      if (node.unit === 'count') return { description, type: 'integer', ...range, default: fallback };
      return { description, anyOf: [{ type: 'integer', ...range }, { type: 'string' }], default: fallback };
    }
  }
}
