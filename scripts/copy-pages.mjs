// Puts the files of the demo page that tsc does not emit next to the compiled scripts.
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const from = join(root, 'src/browser/page');
const to = join(root, 'build/js/browser/page');
mkdirSync(to, { recursive: true });
for (const name of readdirSync(from)) {
  if (['.html', '.css', '.svg'].includes(extname(name))) cpSync(join(from, name), join(to, name));
}
cpSync(join(root, 'build/frames.wasm'), join(root, 'build/js/browser/frames.wasm'));
