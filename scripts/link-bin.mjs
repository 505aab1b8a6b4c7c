// Makes `npx robustmq …` work inside a clone: npx looks into node_modules/.bin before it asks a registry.
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const main = join(root, 'build/js/cli/main.js');
const bin = join(root, 'node_modules/.bin');
if (existsSync(main) && existsSync(join(root, 'node_modules'))) {
  chmodSync(main, 0o755);
  mkdirSync(bin, { recursive: true });
  if (process.platform === 'win32') {
    writeFileSync(join(bin, 'robustmq.cmd'), `@node "${main}" %*\r\n`);
  } else {
    rmSync(join(bin, 'robustmq'), { force: true });
    symlinkSync('../../build/js/cli/main.js', join(bin, 'robustmq'));
  }
}
