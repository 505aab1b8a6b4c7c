import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ALL_OPERATIONS } from '../../src/admin/operations.ts';
import { httpApiPage } from '../../src/admin/page.ts';

it('documents every operation (else: node scripts/http-api-page.mjs)', () => {
  const page = httpApiPage();
  expect(readFileSync(new URL('../../docs/http-api.md', import.meta.url), 'utf8')).toBe(page);
  for (const { method, path } of ALL_OPERATIONS) expect(page).toContain(`### ${method} ${path}\n`);
});
