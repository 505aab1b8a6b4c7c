import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoutes } from '../../src/admin/http-routes.ts';
import { openApi } from '../../src/admin/openapi.ts';
import { ALL_OPERATIONS } from '../../src/admin/operations.ts';
import { type ApiDocument, referencePage, referenceRoute } from '../../src/admin/reference-page.ts';

let server: http.Server;
let url: string;
beforeAll(async () => {
  server = http.createServer(
    createRoutes({
      api: async () => {},
      version: '1.2.3',
      health: () => ({ status: 'green', problems: [] }),
      isServing: () => true,
      routes: [referenceRoute('1.2.3')],
      onDefect: (error) => {
        throw error;
      },
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/docs`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const hashOf = (text: string | undefined): string =>
  `'sha256-${createHash('sha256')
    .update(text ?? '')
    .digest('base64')}'`;

describe('the page of the HTTP API', () => {
  it('has every operation once, with its path, its scope and what it takes', async () => {
    const page = await (await fetch(url)).text();
    const ids = [...page.matchAll(/<article id="([^"]+)"/g)].map(([, id]) => id);
    expect(ids.sort()).toEqual(ALL_OPERATIONS.map(({ id }) => id).sort());
    for (const { id, path, scope, queryParameters, pathParameters } of ALL_OPERATIONS) {
      const from = page.indexOf(`<article id="${id}"`);
      const text = page.slice(from, page.indexOf('</article>', from));
      const wanted = [`/api/v1${path}`, scope, ...Object.keys({ ...queryParameters, ...pathParameters })];
      for (const each of wanted) expect([id, text.includes(`<code>${each}</code>`)]).toEqual([id, true]);
    }
    expect(page).toContain('<meta name="viewport"');
  });

  it('runs under a policy that allows exactly what is in it, and loads nothing', async () => {
    const answer = await fetch(url);
    const policy = answer.headers.get('content-security-policy') ?? '';
    const page = await answer.text();
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    const directives = Object.fromEntries(
      policy.split('; ').map((each) => [each.slice(0, each.indexOf(' ')), each.slice(each.indexOf(' ') + 1)]),
    );
    expect(directives['default-src']).toBe("'none'");
    expect(directives['style-src']).toBe(hashOf(/<style>([\s\S]*?)<\/style>/.exec(page)?.[1]));
    expect(directives['script-src']).toBe(hashOf(/<script>([\s\S]*?)<\/script>/.exec(page)?.[1]));
    expect(page.match(/<(?:script|style)\b/g)).toEqual(['<style', '<script']);
    expect(page).not.toMatch(/\s(?:on\w+|style|src)=|@import|url\(/);
    const links = [...page.matchAll(/href="([^"]*)"/g)].map(([, to = '']) => to);
    expect(links.filter((to) => !to.startsWith('#'))).toEqual(['/api/v1/openapi.json']);
  });

  it('leads only to what is there', async () => {
    const page = await (await fetch(url)).text();
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    for (const [, to = ''] of page.matchAll(/href="#([^"]*)"/g)) {
      expect([to, ids.has(decodeURIComponent(to))]).toEqual([to, true]);
    }
  });

  it('escapes whatever the description says (item 45)', () => {
    const evil = `<img src=x onerror="alert(1)">'&\``;
    const schema = {
      type: evil,
      description: evil,
      enum: undefined,
      properties: { [evil]: { enum: [evil] } },
    };
    const page = referencePage({
      info: { title: evil, version: evil },
      paths: {
        [`/${evil}`]: {
          [evil]: {
            operationId: evil,
            summary: evil,
            tags: [evil],
            parameters: [{ name: evil, in: evil, required: true, description: evil, schema }],
            requestBody: { content: { [evil]: { schema } } },
            responses: { [evil]: { description: evil, content: { [evil]: { schema } } } },
            'x-scope': evil,
            'x-audit': evil,
          },
        },
      },
    });
    const tagsOf = (text: string): Set<string> => new Set(text.toLowerCase().match(/<[a-z!/][a-z]*/g));
    const ours = tagsOf(referencePage(openApi('1') as unknown as ApiDocument));
    for (const tag of tagsOf(page)) expect([tag, ours.has(tag)]).toEqual([tag, true]);
    // Behind an escaped quotation mark it is a part of a value.
    expect(page).not.toContain('onerror="');
  });

  it('comes packed to those who take that, and to nobody else', async () => {
    const plain = await fetch(url, { headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    const packed = await fetch(url, { headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(Number(packed.headers.get('content-length'))).toBeLessThan(100_000);
    expect(await packed.text()).toBe(await plain.text());
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
  });
});
