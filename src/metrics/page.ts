/** The page of documentation that the catalogue is. */
import { CATALOGUE } from './catalogue.ts';

interface DetailedSeries {
  readonly name: string;
  readonly help: string;
}

/** `families`: of /metrics/detailed, which are described where they are read. */
export function metricsPage(
  families: readonly { readonly labels: readonly string[]; readonly series: readonly DetailedSeries[] }[],
): string {
  const detailed = families.flatMap(({ labels, series }) =>
    series.map(
      ({ name, help }) => `| \`${name}\` | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
    ),
  );
  const rows = CATALOGUE.map(({ name, type, labels, help }) => {
    const names = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${names} | ${help} |`;
  });
  return `# Metrics

<!-- Written by \`node scripts/metrics-page.mjs\`; do not edit. -->

\`GET /metrics\` on the listeners of administration (port 18083) gives them as Prometheus reads them. Where only this machine reaches the
listener nobody is asked who they are; elsewhere it needs the scope \`metrics:read\`, which every viewer has: an API key as bearer, or a
user name and password (\`basic_auth\`).

\`\`\`yaml
scrape_configs:
  - job_name: robustmq
    static_configs: [{ targets: ['localhost:18083'] }]
    # authorization: { credentials_file: /etc/prometheus/robustmq.key }    # an API key, where it is needed
\`\`\`

[alerts.yaml](grafana/alerts.yaml) are rules for Prometheus, of which one goes by the name of that job; [dashboard.json](grafana/dashboard.json) is
for Grafana, whose data source has to know the interval of scraping where it is not 15 s.

Names and labels stay; more may come. Labels come out of fixed lists: no client, topic or address is ever one. Counters do not fall while the
process runs. Times are seconds, sizes bytes. Values are read when they are asked for; counting costs the broker nothing that it would not do
anyway.

A histogram has \`_bucket\` (with \`le\`), \`_sum\` and \`_count\`; its bounds are 1, 2 and 5 in each power of ten from 10 µs to 10 s, the same
for all. \`robustmq_publish_to_deliver_seconds\` is a sample, one read of a socket or one publication in 31: its \`_count\` is no
number of messages. A part that has not been used yet (an API of Kafka, a route of HTTP) has no lines.

\`\`\`
histogram_quantile(0.99, sum by (le) (rate(robustmq_publish_to_deliver_seconds_bucket[5m])))
\`\`\`

## Single objects

\`GET /metrics/detailed?family=session,queue&match=orders*&limit=5000\` has figures of single sessions, queues, groups and topics, for those
who ask for them. It always asks who you are, and needs the scope of each family besides \`metrics:read\` (\`sessions:read\` and so on), which
every viewer has. \`match\` is a name, or the start of names and a \`*\`. Where more than \`limit\` objects match (5000 where it is missing, at
most 20000) it answers 422 and shows none, so that no dashboard adds up a part: narrow it, or raise the limit. One request at a time is
answered.

| name | labels | meaning |
|---|---|---|
${detailed.join('\n')}

## All metrics

| name | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}
