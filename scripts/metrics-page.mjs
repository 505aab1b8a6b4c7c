// Writes docs/metrics.md out of the catalogue of metrics and the families of /metrics/detailed.
import { writeFileSync } from 'node:fs';
import { register } from 'tsx/esm/api';

register();
const { metricsPage } = await import('../src/metrics/page.ts');
const { FAMILIES } = await import('../src/admin/detailed-metrics.ts');
writeFileSync(new URL('../docs/metrics.md', import.meta.url), metricsPage(Object.values(FAMILIES)));
