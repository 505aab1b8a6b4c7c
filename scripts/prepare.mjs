// Runs at `npm install`: builds, and makes `npx robustmq …` in a clone answer at once.
//
// npx sees that this very package has that command and, the first time, links the package into its cache, which runs
// `prepare` again; two first calls at the same time would get in each other's way. So the first call is made here,
// once, and the nested run does nothing.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

if (process.env.ROBUSTMQ_PREPARING === undefined) {
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  const run = (args, stdio) =>
    spawnSync('npm', args, {
      cwd,
      stdio,
      shell: process.platform === 'win32',
      timeout: 120_000,
      env: { ...process.env, ROBUSTMQ_PREPARING: '1' },
    });
  const { status } = run(['run', 'build'], 'inherit');
  if (status !== 0) process.exit(status ?? 1);
  // A failure here costs nothing but the head start.
  run(['exec', '--yes=false', '--', 'robustmq', 'version'], 'ignore');
}
