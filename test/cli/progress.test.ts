import { expect, it } from 'vitest';
import { createProgress } from '../../src/cli/progress.ts';
import { testIo } from './support.ts';

function progress(isLive: boolean, total: number | undefined, unit?: string) {
  const io = testIo();
  io.err.isTTY = isLive;
  let nowMs = 0;
  const shown = createProgress(io, {
    what: 'copied',
    total,
    ...(unit === undefined ? {} : { unit }),
    nowMs: () => nowMs,
  });
  return {
    io,
    end: shown.end,
    add(more: number, afterMs: number): void {
      nowMs += afterMs;
      shown.add(more);
    },
  };
}

it('is one line that changes for people, and gone in the end', () => {
  const { io, add, end } = progress(true, 4096);
  add(1024, 250);
  add(1024, 10);
  add(1024, 250);
  end('done');
  expect(io.errText()).toBe(
    '\rcopied: 1.0 KiB of 4.0 KiB (25 %)\u001b[K\rcopied: 3.0 KiB of 4.0 KiB (75 %)\u001b[K\r\u001b[Kdone\n',
  );
});

it('is nothing for others but the last word', () => {
  const { io, add, end } = progress(false, undefined, 'records');
  for (let i = 0; i < 25; i++) add(1, 1000);
  end('done');
  expect(io.errText()).toBe('done\n');
});
