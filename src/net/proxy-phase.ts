import type net from 'node:net';
import type { TcpListenerConfig } from '../config/config.ts';
import { ListenError } from './bind.ts';
import { type Phase, peerOf, type Reception } from './listener.ts';
import { type Networks, parseNetworks } from './networks.ts';
import { parseProxyHeader } from './proxy-protocol.ts';
import type { Peer } from './socket-transport.ts';

/** Called with who is really there, and with what came behind the header. The socket is paused. */
export type ProxyContinuation = (phase: Phase, peer: Peer, early: Uint8Array) => void;

export type ProxyGate = (socket: net.Socket, reception: Reception, proceed: ProxyContinuation) => void;

/**
 * Where the PROXY protocol is configured it is demanded: a connection without a header, or from elsewhere than a trusted
 * proxy, is closed. Otherwise anybody could claim any address.
 */
export function createProxyGate(name: string, config: TcpListenerConfig): ProxyGate {
  const trusted = trustedNetworks(name, config);
  return (socket, reception, proceed) => {
    const phase = reception.beginPhase(socket, config.proxyTimeoutMs, 'no complete PROXY header in time');
    const direct = peerOf(socket);
    if (!trusted.includes(direct.address)) {
      phase.fail('PROXY header from an address outside proxyTrustedNetworks');
      return;
    }
    let received: Buffer = Buffer.alloc(0);
    const onEnd = (): void => phase.fail('closed before its PROXY header was complete');
    const onData = (chunk: Buffer): void => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const result = parseProxyHeader(received);
      if (result.status === 'more') return;
      socket.pause();
      socket.removeListener('data', onData);
      socket.removeListener('end', onEnd);
      if (result.status === 'error') {
        phase.fail(result.reason);
        return;
      }
      const peer: Peer = result.source === undefined ? direct : { ...direct, ...result.source };
      proceed(phase, peer, received.subarray(result.length));
    };
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.resume();
  };
}

function trustedNetworks(name: string, config: TcpListenerConfig): Networks {
  try {
    return parseNetworks(config.proxyTrustedNetworks);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ListenError(name, `Listener ${name}: listeners.${name}.proxyTrustedNetworks: ${reason}`);
  }
}
