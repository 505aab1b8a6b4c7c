/** The configuration of listeners for HTTP: administration, metrics, health, the schema registry. */
import { isIP } from 'node:net';
import { boolean, count, forNewConnections, list, string } from './schema-kit.ts';

const HOST_NAME = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i;
const isHost = (text: string): boolean => isIP(text) !== 0 || HOST_NAME.test(text);

export const httpListener = (enabled: boolean, port: number) => ({
  enabled: boolean(enabled, 'Whether it listens.'),
  host: string('127.0.0.1', 'Address to bind; `0.0.0.0` or `::` for every interface.', {
    expected: 'an IP address or host name',
    maxLength: 253,
    accepts: isHost,
  }),
  port: count(port, 'Port; 0 takes any free one.', { max: 65_535 }),
  backlog: count(128, 'Connections the kernel holds before they are accepted.', { min: 1, max: 65_535 }),
  maxConnections: forNewConnections(
    count(256, 'Connections at the same time; more are closed.', { min: 1, max: 65_535 }),
  ),
  allowedHosts: list(
    string('', 'Host', { expected: 'a host name without a port', maxLength: 253, accepts: isHost }),
    'Names by which browsers and tools may address it (`Host`), besides `localhost` and IP addresses.',
    64,
  ),
});
