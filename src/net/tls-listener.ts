import type { TlsListenerConfig } from '../config/config.ts';
import { type Listener, type ListenerContext, openListener, peerOf } from './listener.ts';
import { createProxyGate } from './proxy-phase.ts';
import { createTlsGate } from './tls-gate.ts';

export async function startTlsListener(
  name: string,
  config: TlsListenerConfig,
  context: ListenerContext,
): Promise<Listener> {
  const proxyGate = config.proxyProtocol ? createProxyGate(name, config) : undefined;
  const tlsGate = createTlsGate(name, config, 'mqtt', context);
  const timeoutMs = config.tls.handshakeTimeoutMs;
  const timeoutReason = 'no complete TLS handshake in time';
  return openListener(
    {
      name,
      kind: 'tls',
      target: { host: config.host, port: config.port, backlog: config.backlog },
      reload: tlsGate.reload,
      arrived(raw, reception) {
        const proceed: Parameters<typeof tlsGate.enter>[3] = (phase, socket, peer) => {
          phase.finish();
          reception.handOver(socket, peer, false);
        };
        if (proxyGate === undefined) {
          const phase = reception.beginPhase(raw, timeoutMs, timeoutReason);
          tlsGate.enter(phase, peerOf(raw), undefined, proceed);
          return;
        }
        proxyGate(raw, reception, (phase, peer, early) => {
          phase.limit(timeoutMs, timeoutReason);
          tlsGate.enter(phase, peer, early, proceed);
        });
      },
    },
    context,
  );
}
