/**
 * Node's side of the demo page: the files that the WebSocket listener serves, read once at start. Only what is in
 * the list made then can be asked for; no path of a request ever reaches the file system.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Page {
  readonly type: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface DemoPagesOptions {
  /** Where the listener takes upgrades. */
  readonly webSocketPath?: string;
  /** The compiled `browser` folder. */
  readonly directory?: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/**
 * Everything from this origin and nothing else; 'self' covers the WebSocket to the same host and port.
 * 'wasm-unsafe-eval' lets WebAssembly be compiled, and no script from a string.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
};

/** The page at `/`, its files under `/assets/`; undefined for every other path, and for all while nothing is built. */
export function demoPages(options: DemoPagesOptions = {}): (path: string) => Page | undefined {
  const directory = options.directory ?? compiledDirectory();
  const pages = new Map<string, Page>();
  if (directory !== undefined) {
    for (const folder of ['', 'page/']) {
      for (const entry of readdirSync(join(directory, folder), { withFileTypes: true })) {
        const { name } = entry;
        // What a link leads to is not part of the package.
        if (!entry.isFile()) continue;
        const type = TYPES[extname(name)];
        if (type === undefined) continue;
        const body = readFileSync(join(directory, folder, name));
        if (folder + name === 'page/index.html') {
          pages.set('/', { type, body: withPath(body, options.webSocketPath ?? '/mqtt'), headers: HEADERS });
        } else pages.set(`/assets/${folder}${name}`, { type, body, headers: HEADERS });
      }
    }
  }
  return (path) => pages.get(path);
}

function withPath(html: Buffer, path: string): Uint8Array {
  const escaped = path.replace(/[&"<>]/g, (character) => `&#${character.charCodeAt(0)};`);
  return Buffer.from(html.toString('utf8').replace('content="/mqtt"', () => `content="${escaped}"`));
}

/** Beside the command's folder once built; from the sources, where the build puts it. */
function compiledDirectory(): string | undefined {
  return ['../browser', '../../build/js/browser']
    .map((relative) => fileURLToPath(new URL(relative, import.meta.url)))
    .find(
      (directory) =>
        existsSync(join(directory, 'page/page.js')) && existsSync(join(directory, 'page/index.html')),
    );
}
