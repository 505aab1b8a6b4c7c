// Writes docs/http-api.md out of the table of operations.
import { writeFileSync } from 'node:fs';
import { register } from 'tsx/esm/api';

register();
const { httpApiPage } = await import('../src/admin/page.ts');
writeFileSync(new URL('../docs/http-api.md', import.meta.url), httpApiPage());
