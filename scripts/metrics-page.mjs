// Writes docs/metrics.md out of the catalogue of metrics.
import { writeFileSync } from 'node:fs';
import { register } from 'tsx/esm/api';

register();
const { metricsPage } = await import('../src/metrics/page.ts');
writeFileSync(new URL('../docs/metrics.md', import.meta.url), metricsPage());
