import type { TcpListenerConfig, UnixListenerConfig } from '../config/config.ts';
import { type Listener, type ListenerContext, openListener, peerOf } from './listener.ts';
import { createProxyGate } from './proxy-phase.ts';

export async function startTcpListener(
  name: string,
  config: TcpListenerConfig,
  context: ListenerContext,
): Promise<Listener> {
  const gate = config.proxyProtocol ? createProxyGate(name, config) : undefined;
  return openListener(
    {
      name,
      kind: 'tcp',
      target: { host: config.host, port: config.port, backlog: config.backlog },
      arrived(socket, reception) {
        if (gate === undefined) {
          reception.handOver(socket, peerOf(socket), true);
          return;
        }
        gate(socket, reception, (phase, peer, early) => {
          phase.finish();
          reception.handOver(socket, peer, true, early);
        });
      },
    },
    context,
  );
}

export function startUnixListener(
  name: string,
  config: UnixListenerConfig,
  context: ListenerContext,
): Promise<Listener> {
  const nobody = { address: '', port: 0, certificate: undefined, localAddress: '', localPort: 0 };
  return openListener(
    {
      name,
      kind: 'unix',
      target: { path: config.path },
      arrived: (socket, reception) => reception.handOver(socket, nobody, true),
    },
    context,
  );
}
