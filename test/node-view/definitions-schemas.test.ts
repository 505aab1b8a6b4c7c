/** Schemas of the registry as definitions, from one node to another. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, startViewed, type ViewedNode } from './support.ts';

const nodes: ViewedNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
});

type Json = Record<string, unknown>;
interface Registry {
  readonly view: ViewedNode;
  ask(method: string, path: string, body?: unknown): Promise<Json>;
}

async function start(settings: Json = {}): Promise<Registry> {
  const view = await startViewed({
    'storage.engine': 'memory',
    'listeners.http.enabled': true,
    'listeners.http.port': 0,
    ...(settings as Record<string, string>),
  });
  nodes.push(view);
  const address = view.node.listeners.find(({ name }) => name === 'http')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no HTTP listener');
  const { port } = address;
  return {
    view,
    async ask(method, path, body) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return (await answer.json()) as Json;
    },
  };
}

const avro = (name: string, ...fields: string[]): string =>
  JSON.stringify({
    type: 'record',
    name,
    fields: fields.map((field) => ({ name: field, type: ['null', 'string'], default: null })),
  });
const ORDER = JSON.stringify({ type: 'record', name: 'Order', fields: [{ name: 'by', type: 'Person' }] });

/** Two versions, one that refers to another, a deleted one, a context, settings, an identifier that is gone. */
async function filled(): Promise<Registry> {
  const registry = await start();
  const { ask } = registry;
  await ask('POST', '/subjects/people/versions', { schema: avro('Person', 'name') });
  await ask('PUT', '/config/people', { compatibility: 'FULL_TRANSITIVE' });
  await ask('POST', '/subjects/people/versions', {
    schema: avro('Person', 'name', 'city'),
    metadata: { properties: { owner: 'sales' } },
  });
  const references = [{ name: 'Person', subject: 'people', version: 1 }];
  await ask('POST', '/subjects/orders/versions', { schema: ORDER, references });
  await ask('POST', '/subjects/old/versions', { schema: avro('Old') });
  await ask('DELETE', '/subjects/old');
  await ask('POST', '/subjects/:.lab:things/versions', { schema: '{"type":"string"}', schemaType: 'JSON' });
  await ask('POST', '/subjects/gone/versions', { schema: avro('Gone') });
  await ask('DELETE', '/subjects/gone');
  await ask('DELETE', '/subjects/gone?permanent=true');
  await ask('PUT', '/config', { compatibility: 'FORWARD' });
  await ask('PUT', '/mode/orders', { mode: 'READONLY' });
  return registry;
}

const exported = async ({ view }: Registry): Promise<Json> =>
  (await view.get('/definitions?only=schemaContexts,schemas,schemaSettings')).body;
const taken = ({ view }: Registry, definitions: unknown, how: object = {}): Promise<Answer> =>
  view.post('/definitions:import', { definitions, ...how });
const steps = ({ body }: Answer): string[] =>
  (body.steps as { section: string; name: string; action: string; reason: string }[])
    .filter(({ action }) => action !== 'same')
    .map(({ section, name, action, reason }) => `${action} ${section} ${name}${reason && `: ${reason}`}`);

describe('definitions of schemas', () => {
  it('keep identifiers, versions, references, deletions and settings in an empty registry', async () => {
    const old = await filled();
    const document = await exported(old);
    expect(document).toMatchObject({
      schemaContexts: [
        { context: '.', highestId: 5 },
        { context: '.lab', highestId: 1 },
      ],
      schemas: [
        { subject: ':.lab:things', version: 1, id: 1, type: 'JSON' },
        { subject: 'old', version: 1, id: 4, deleted: true },
        { subject: 'orders', id: 3, references: [{ name: 'Person', subject: 'people', version: 1 }] },
        { subject: 'people', version: 1, id: 1 },
        { subject: 'people', version: 2, id: 2, metadata: { properties: { owner: 'sales' } } },
      ],
      schemaSettings: [
        { scope: '', compatibility: 'FORWARD' },
        { scope: 'orders', mode: 'READONLY' },
        { scope: 'people', compatibility: 'FULL_TRANSITIVE' },
      ],
    });
    const other = await start();
    expect(steps(await taken(other, document, { dryRun: true })).length).toBe(10);
    expect(await other.ask('GET', '/subjects')).toEqual([]);
    expect((await taken(other, document)).status).toBe(200);
    expect(await exported(other)).toEqual(document);
    expect(steps(await taken(other, document))).toEqual([]);
    for (const path of ['/schemas/ids/3', '/subjects/people/versions/2', '/config/people', '/mode/orders']) {
      expect(await other.ask('GET', path)).toEqual(await old.ask('GET', path));
    }
    expect(await other.ask('GET', '/subjects')).toEqual([':.lab:things', 'orders', 'people']);
    expect(await other.ask('POST', '/subjects/new/versions', { schema: avro('New') })).toMatchObject({
      id: 6,
    });
    expect(await other.ask('POST', '/subjects/people/versions', { schema: avro('Another') })).toMatchObject({
      error_code: 40901,
    });
  });

  it('in a registry with others say what is in conflict, and change nothing or what was asked for', async () => {
    const document = await exported(await filled());
    const used = await start();
    await used.ask('POST', '/subjects/people/versions', { schema: avro('Person', 'name') });
    await used.ask('POST', '/subjects/other/versions', { schema: avro('Other') });
    const before = await exported(used);
    const refused = await taken(used, document);
    expect(refused.status).toBe(409);
    expect(refused.body.detail).toMatch(/people v2": its identifier 2 is that of another schema/);
    expect(await exported(used)).toEqual(before);
    // Identifiers are in records: no policy gives one to another schema.
    expect((await taken(used, document, { onConflict: 'replace' })).status).toBe(409);
    await used.ask('DELETE', '/subjects/other');
    await used.ask('DELETE', '/subjects/other?permanent=true');
    await used.ask('PUT', '/config', { compatibility: 'NONE' });
    expect(steps(await taken(used, document, { dryRun: true }))).toContain(
      'conflict schemaSettings : it is there, and different',
    );
    expect((await taken(used, document, { onConflict: 'skip' })).status).toBe(200);
    expect(await used.ask('GET', '/config')).toMatchObject({ compatibilityLevel: 'NONE' });
    expect((await taken(used, document, { onConflict: 'replace' })).status).toBe(200);
    expect(await exported(used)).toEqual(document);
  });

  it('take their place as a whole with replace, and the identifier that was there is not given again', async () => {
    const used = await start();
    await used.ask('POST', '/subjects/a/versions', { schema: avro('A', 'x') });
    await used.ask('POST', '/subjects/b/versions', { schema: avro('B', 'x') });
    const document = await exported(used);
    const schemas = document.schemas as Json[];
    const swapped = schemas.map((each, i) => ({ ...each, id: 2 - i }));
    expect((await taken(used, { ...document, schemas: swapped }, { onConflict: 'replace' })).status).toBe(
      200,
    );
    expect(await used.ask('GET', '/subjects/a/versions/1')).toMatchObject({ id: 2, schema: avro('A', 'x') });
    const lone = schemas.slice(0, 1).map((each) => ({ ...each, id: 9 }));
    expect((await taken(used, { ...document, schemas: lone }, { onConflict: 'replace' })).status).toBe(200);
    expect(await used.ask('GET', '/schemas/ids/2')).toMatchObject({ error_code: 40403 });
    expect(await used.ask('POST', '/subjects/c/versions', { schema: avro('C') })).toMatchObject({ id: 10 });
  });

  it.each<[string, (schema: Json) => Json, RegExp]>([
    ['no schema', (each) => ({ ...each, schema: '{"type":"recor' }), /orders v1".*/],
    [
      'a reference to nothing',
      (each) => ({ ...each, references: [{ name: 'Person', subject: 'x', version: 1 }] }),
      /there is no schema of subject "x"/,
    ],
    ['an odd guid', (each) => ({ ...each, guid: 'me' }), /guid must be/],
    ['a name that is none', (each) => ({ ...each, subject: '__GLOBAL' }), /not a valid/],
    ['an identifier of two', (each) => ({ ...each, id: 1 }), /identifier 1 is that of another/],
  ])('with %s refuse the document', async (_what, change, reason) => {
    const node = await start();
    const people = {
      subject: 'people',
      version: 1,
      id: 1,
      guid: '00000000-0000-8000-8000-000000000001',
      type: 'AVRO',
      schema: avro('Person'),
      references: [],
      deleted: false,
    };
    const order = {
      ...people,
      subject: 'orders',
      id: 2,
      guid: '00000000-0000-8000-8000-000000000002',
      schema: ORDER,
      references: [{ name: 'Person', subject: 'people', version: 1 }],
    };
    const document = (schemas: Json[]): Json => ({ format: 'robustmq-definitions', version: 1, schemas });
    const answer = await taken(node, document([people, change(order)]), { onConflict: 'replace' });
    expect(String(answer.body.detail)).toMatch(reason);
    expect([400, 409]).toContain(answer.status);
    expect(await node.ask('GET', '/subjects?deleted=true')).toEqual([]);
    expect((await taken(node, document([people, order]))).status).toBe(200);
  });

  it('are refused by a node without a registry, and not there where it never kept any', async () => {
    const document = await exported(await filled());
    const without = await start({ 'schemaRegistry.enabled': false });
    expect((await taken(without, document)).body.detail).toMatch(/this node has no schema registry/);
    expect(Object.keys(await exported(without))).toEqual(['format', 'version']);
  });
});
