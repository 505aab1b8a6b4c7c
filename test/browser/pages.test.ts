import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoPages } from '../../src/browser/pages.ts';

const source = fileURLToPath(new URL('../../src/browser/', import.meta.url));
let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'pages-'));
  mkdirSync(join(directory, 'page'));
  for (const name of ['index.html', 'page.css', 'icon.svg'])
    cpSync(join(source, 'page', name), join(directory, 'page', name));
  for (const name of ['client.js', 'client.js.map', 'frames.wasm', 'page/page.js'])
    writeFileSync(join(directory, name), `// ${name}`);
  symlinkSync('/etc/passwd', join(directory, 'linked.js'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('demo pages', () => {
  it('serves the page and its files with their types and a policy that allows only this origin', () => {
    const pages = demoPages({ directory });
    expect(pages('/')?.type).toBe('text/html; charset=utf-8');
    expect(pages('/assets/page/page.js')).toMatchObject({ type: 'text/javascript; charset=utf-8' });
    expect(pages('/assets/page/page.css')?.type).toContain('text/css');
    expect(pages('/assets/client.js')).toBeDefined();
    const policy = pages('/')?.headers['Content-Security-Policy'] ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self' 'wasm-unsafe-eval';");
    expect(policy.replace("'wasm-unsafe-eval'", '')).not.toMatch(/unsafe|http|\*/);
    expect(pages('/assets/frames.wasm')?.type).toBe('application/wasm');
  });

  it('serves nothing that is not in its list (item 44)', () => {
    const pages = demoPages({ directory });
    for (const path of [
      '',
      '/assets/',
      '/assets/pages.js',
      '/assets/client.js.map',
      '/assets/../pages.js',
      '/etc/passwd',
      '/index.html',
      '/__proto__',
      '/assets/linked.js',
      '/assets/..%2f..%2fetc/passwd',
      '/assets/%2e%2e/pages.js',
      '/assets/client.js\0',
      '/assets//client.js',
      '/.env',
    ]) {
      expect(pages(path), path).toBeUndefined();
    }
  });

  it('tells the page where the WebSocket is', () => {
    const html = Buffer.from(demoPages({ directory, webSocketPath: '/"$&<x' })('/')?.body ?? '').toString();
    expect(html).toContain('content="/&#34;$&#38;&#60;x"');
  });

  it('has nothing inline and nothing from elsewhere, so the policy holds (item 45)', () => {
    const html = readFileSync(join(source, 'page/index.html'), 'utf8');
    expect(html).not.toMatch(/ style=| on\w+=|<script(?![^>]*src=)|<style|https?:/);
  });

  it('is made of scripts that need nothing from Node', () => {
    for (const name of [
      ...readdirSync(source),
      ...readdirSync(join(source, 'page')).map((file) => `page/${file}`),
    ]) {
      if (!name.endsWith('.ts') || name === 'pages.ts') continue;
      const text = readFileSync(join(source, name), 'utf8');
      const imports = [...text.matchAll(/from '([^']+)'/g)].map((match) => match[1] ?? '');
      for (const path of imports) expect(path, name).toMatch(/^\.\.?\/[\w-]+\.ts$/);
    }
  });
});
