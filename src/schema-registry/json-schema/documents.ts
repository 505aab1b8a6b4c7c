/** Documents of JSON Schema: what stands at which address, and where a `$ref` leads. */
import { isArray, isObject, isText, type Json, type JsonObject } from '../json.ts';
import { InvalidSchema, type Referred } from '../schema-kind.ts';

export interface Documents {
  /** What `ref` leads to from within `from`; undefined for the schemas of schemas, which take any schema. */
  resolve(ref: string, from: JsonObject): Json | undefined;
  /** Whether keywords beside `$ref` count, which they do since draft 2019-09. */
  hasSiblings(of: JsonObject): boolean;
}

interface Resource {
  readonly address: string;
  readonly root: Json;
  readonly isModern: boolean;
  readonly anchors: Map<string, Json>;
}

/** Base of addresses of documents that have no `$id`. */
const BASE = 'schema:/';
const META = /^https?:\/\/json-schema\.org\//;
const MODERN = /^https?:\/\/json-schema\.org\/draft\/20(?:19|2\d)/;
/** What stands there is a value, whatever it looks like. */
const VALUES = new Set(['enum', 'const', 'default', 'examples', 'example']);

const absolute = (address: string, base: string): string =>
  URL.canParse(address, base) ? new URL(address, base).href : address;

export function createDocuments(
  main: Json,
  references: readonly (Omit<Referred, 'text'> & { readonly json: Json })[],
): Documents {
  const resources = new Map<string, Resource>();
  const owners = new Map<Json, Resource>();

  function addDocument(json: Json, address: string): void {
    const schema = isObject(json) ? json.get('$schema') : undefined;
    const isModern = isText(schema) && MODERN.test(schema);
    const resource: Resource = { address, root: json, isModern, anchors: new Map() };
    resources.set(address, resource);
    walk(json, resource);
  }

  function walk(json: Json, within: Resource): void {
    if (isArray(json)) {
      for (const item of json) walk(item, within);
      return;
    }
    if (!isObject(json)) return;
    const resource = resourceOf(json, within);
    owners.set(json, resource);
    for (const name of ['$anchor', '$dynamicAnchor']) {
      const anchor = json.get(name);
      if (isText(anchor)) resource.anchors.set(anchor, json);
    }
    for (const [name, member] of json) if (!VALUES.has(name)) walk(member, resource);
  }

  function resourceOf(json: JsonObject, within: Resource): Resource {
    const id = json.get('$id') ?? json.get('id');
    if (!isText(id) || id === '') return within;
    if (id.startsWith('#')) {
      within.anchors.set(id.slice(1), json);
      return within;
    }
    const [address = ''] = absolute(id, within.address).split('#');
    if (json === within.root) {
      const renamed = { ...within, address };
      resources.set(address, renamed);
      return renamed;
    }
    const resource: Resource = { address, root: json, isModern: within.isModern, anchors: new Map() };
    resources.set(address, resource);
    return resource;
  }

  for (const { name, json } of references) {
    addDocument(json, absolute(name, BASE));
    const resource = resources.get(absolute(name, BASE));
    if (resource !== undefined && !resources.has(name)) resources.set(name, resource);
  }
  addDocument(main, `${BASE}main`);

  return {
    resolve(ref, from) {
      const [address = '', fragment = ''] = ref.split('#', 2);
      const own = owners.get(from);
      const target = absolute(address, own?.address ?? BASE);
      const resource = address === '' ? own : (resources.get(target) ?? resources.get(address));
      if (resource === undefined) {
        if (META.test(target)) return undefined;
        throw new InvalidSchema(`there is nothing at ${JSON.stringify(ref)}`);
      }
      const found = within(resource, fragment);
      if (found === undefined) throw new InvalidSchema(`there is nothing at ${JSON.stringify(ref)}`);
      return found;
    },
    hasSiblings: (of) => owners.get(of)?.isModern === true,
  };
}

function within({ root, anchors }: Resource, fragment: string): Json | undefined {
  if (fragment === '') return root;
  if (!fragment.startsWith('/')) return anchors.get(fragment);
  let at: Json | undefined = root;
  for (const step of fragment.slice(1).split('/')) {
    const name = decoded(step).replaceAll('~1', '/').replaceAll('~0', '~');
    if (isObject(at)) at = at.get(name);
    else if (isArray(at)) at = /^\d{1,9}$/.test(name) ? at[Number(name)] : undefined;
    else return undefined;
  }
  return at;
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}
