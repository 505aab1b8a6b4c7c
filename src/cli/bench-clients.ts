/** The connections of `robustmq bench`: what all have in common comes from the options of `pub` and `sub`, and `{i}` tells them apart. */
import { randomBytes } from 'node:crypto';
import { isIP, Socket } from 'node:net';
import { generate } from 'mqtt-packet';
import type { Endpoint } from '../load/connection.ts';
import type { Clients } from '../load/load.ts';
import type { Io } from './io.ts';
import { connectPacket } from './mqtt-client.ts';
import { type ConnectionOptions, clientOptions } from './mqtt-options.ts';
import { openStream, type Target } from './mqtt-target.ts';

export const numbered = (text: string, index: number | string): string =>
  text.replaceAll('{i}', String(index));

/** A name is looked up once, or it would be the resolver that is measured. */
async function endpointFor(target: Target, timeoutMs: number): Promise<Endpoint> {
  const { transport, host, port, path } = target;
  if (transport === 'unix') return { path };
  if (transport !== 'tcp') return { dial: () => openStream(target, timeoutMs) };
  if (isIP(host) !== 0) return { host, port };
  const probe = await openStream(target, timeoutMs);
  const address = probe instanceof Socket ? probe.remoteAddress : undefined;
  probe.destroy();
  return { host: address ?? host, port };
}

/** `hasRoles`: publishers and subscribers are told apart in identifiers. */
export async function benchClients(options: ConnectionOptions, hasRoles: boolean, io: Io): Promise<Clients> {
  const client = await clientOptions(options, io);
  const endpoint = await endpointFor(client.target, client.connectTimeoutMs);
  const own = client.clientId ?? `bench-${randomBytes(2).toString('hex')}-{i}`;
  const nameOf = (role: string, index: number): string => {
    const text = hasRoles ? `${role.charAt(0)}${index}` : String(index);
    return own.includes('{i}') ? numbered(own, text) : `${own}-${text}`;
  };
  return {
    version: client.version,
    endpointOf: () => endpoint,
    connectPacketOf: (role, index) =>
      generate(
        connectPacket({
          ...client,
          clientId: nameOf(role, index),
          username: client.username === undefined ? undefined : numbered(client.username, index),
        }),
        { protocolVersion: client.version },
      ),
    nameOf,
    keepAliveSeconds: client.keepAliveSeconds,
    connectTimeoutMs: client.connectTimeoutMs,
  };
}
