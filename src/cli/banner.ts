/** What `start` says once everything listens: where, how to publish, where the data are. */
import { resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import type { ListenerAddress, RunningListener } from '../node.ts';

const schemes: ReadonlyMap<string, string> = new Map([
  ['mqtt', 'mqtt'],
  ['mqtts', 'mqtts'],
  ['ws', 'ws'],
  ['wss', 'wss'],
  ['unix', 'mqtt+unix'],
]);

/** A URL that the project's own client takes. */
export function listenerUrl(config: Config, { name, address }: RunningListener): string {
  const scheme = schemes.get(name) ?? name;
  if ('path' in address) return `${scheme}://${address.path}`;
  const path = name === 'ws' || name === 'wss' ? config.listeners[name].path : '';
  return `${scheme}://${hostOf(address)}:${address.port}${path}`;
}

function hostOf({ host }: Extract<ListenerAddress, { host: string }>): string {
  if (host === '0.0.0.0' || host === '::' || host === '127.0.0.1') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

export function banner(version: string, config: Config, listeners: readonly RunningListener[]): string {
  const rows = listeners.map((listener) => `  ${listener.name.padEnd(9)}${listenerUrl(config, listener)}`);
  const lines = ['', `  RobustMQ ${version}`, '', ...rows];
  const page = listeners.find(({ name }) => name === 'ws');
  if (page !== undefined && 'port' in page.address && config.listeners.ws.demoPage) {
    lines.push(`  ${'page'.padEnd(9)}http://${hostOf(page.address)}:${page.address.port}/`);
  }
  lines.push(`  ${'data'.padEnd(9)}${resolve(config.dataDir)}`, ...tryIt(config, listeners), '');
  return `${lines.join('\n')}\n`;
}

function tryIt(config: Config, listeners: readonly RunningListener[]): string[] {
  const listener =
    listeners.find(({ name }) => name === 'mqtt') ?? listeners.find(({ name }) => name !== 'unix');
  if (listener === undefined) return [];
  const usual = 'port' in listener.address && listener.name === 'mqtt' && listener.address.port === 1883;
  const where = usual ? '' : ` --url ${listenerUrl(config, listener)}`;
  return [
    '',
    `  try      npx robustmq sub 'demo/#' -v${where}`,
    `           npx robustmq pub demo/hello 'Hello, world'${where}`,
  ];
}
