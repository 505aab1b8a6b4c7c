/** Resolves when something listens on a port of loopback; for programs that do not say when they do. */
import { once } from 'node:events';
import { connect } from 'node:net';

const RETRY_MS = 20;

export async function untilListening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    } finally {
      socket.destroy();
    }
  }
}
