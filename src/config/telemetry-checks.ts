/** What of telemetry contradicts itself, and secrets that would travel where others can read them. */
import type { Config } from './config.ts';
import { isLoopback } from './security-checks.ts';

export function checkTelemetry(
  { telemetry, security }: Config,
  problem: (path: string, reason: string) => void,
): void {
  const { endpoint, headers, traces } = telemetry;
  if (endpoint === '') {
    if (traces.rules.length > 0)
      problem('telemetry.traces.rules', 'need telemetry.endpoint: who would take the traces');
    return;
  }
  const { protocol, hostname } = new URL(endpoint);
  const isPlain = protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, ''));
  if (isPlain && headers.length > 0 && !security.allowInsecure) {
    problem(
      'telemetry.headers',
      'would be readable on the way: take https for telemetry.endpoint, or set security.allowInsecure where the network is trusted',
    );
  }
  headers.forEach(({ name }, i) => {
    if (/^(?:host|content-type|content-length|connection|transfer-encoding)$/i.test(name)) {
      problem(`telemetry.headers.${i}.name`, `${name} is set by the broker`);
    }
  });
}
