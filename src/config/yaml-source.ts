/** The configuration file: YAML 1.2 (JSON is a subset), with the position of every key and value. */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { type Collected, collect, nothingCollected, type Origin, type ValueTree } from './assignments.ts';
import type { Section } from './schema-kit.ts';

export const maxFileBytes = 1024 * 1024;
const maxAliases = 100;

export interface ConfigFile {
  /** As the user named it: it appears in messages. */
  readonly name: string;
  readonly text: string;
}

export function collectYaml(schema: Section, file: ConfigFile): Collected {
  const into = nothingCollected();
  const refuse = (place: string, reason: string): Collected => {
    into.problems.push({ place, path: '', reason });
    return into;
  };
  if (Buffer.byteLength(file.text) > maxFileBytes) return refuse(file.name, 'is larger than 1 MiB');

  const lines = new LineCounter();
  const placeAt = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file.name}:${line}:${col}`;
  };
  let document: Document.Parsed;
  let aliases = 0;
  try {
    // Duplicate keys are reported by the walk, which is linear and knows the key's path.
    document = parseDocument(file.text, {
      version: '1.2',
      schema: 'core',
      uniqueKeys: false,
      lineCounter: lines,
    });
    visit(document, {
      Alias: () => {
        aliases++;
      },
    });
  } catch {
    return refuse(file.name, 'is nested too deeply to be read');
  }
  for (const { code, pos, message } of [...document.errors, ...document.warnings]) {
    const [firstLine = message] = message.split(/ at line \d+|\n/);
    const reason = code === 'MULTIPLE_DOCS' ? 'has more than one document; one is read' : firstLine;
    into.problems.push({ place: placeAt(pos[0]), path: '', reason });
  }
  if (into.problems.length > 0 || document.contents === null) return into;

  if (aliases > maxAliases) return refuse(file.name, `has more than ${maxAliases} aliases`);
  collect(schema, treeOf(document, document.contents, placeAt), '', into);
  return into;
}

/**
 * Children are built when they are asked for: the walk follows the schema and so ends, whatever aliases refer to
 * (themselves included).
 */
function treeOf(
  document: Document.Parsed,
  node: Node | null,
  placeAt: (offset: number) => string,
): ValueTree {
  const originOf = (at: Node | null): Origin => ({ kind: 'file', place: placeAt(at?.range?.[0] ?? 0) });
  const origin = originOf(node);
  const target = isAlias(node) ? (node.resolve(document) ?? null) : node;
  if (isMap(target)) {
    return {
      origin,
      scalar: undefined,
      get entries() {
        return target.items.filter(isPair).map((pair) => {
          const key = pair.key as Node | null;
          const value = pair.value as Node | null;
          const keyOrigin = originOf(key);
          const name = isScalar(key) ? String(key.value) : '(not a plain key)';
          // An absent value has no position of its own: its key's is shown.
          const tree =
            value === null ? { origin: keyOrigin, scalar: null } : treeOf(document, value, placeAt);
          return { key: name, keyOrigin, value: tree };
        });
      },
    };
  }
  if (isSeq(target)) {
    return {
      origin,
      scalar: undefined,
      get items() {
        return target.items.map((item) => treeOf(document, item as Node, placeAt));
      },
    };
  }
  return { origin, scalar: isScalar(target) ? target.value : null };
}
