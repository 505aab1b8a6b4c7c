/** A Kafka client that says exactly what a test wants, in any version, and hears what came back. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Api } from '../../src/protocols/kafka/messages/apis.ts';
import { encodeRequest, responseBodyAt } from '../../src/protocols/kafka/messages/frame.ts';
import type { In, Out } from '../../src/protocols/kafka/schema/message.ts';
import { WireWriter } from '../../src/protocols/kafka/schema/writer.ts';

export interface KafkaClient {
  readonly socket: Socket;
  /** The request of an API as bytes, with its length. */
  frame<A extends Api>(api: A, version: number, value: In<A['request']>, correlationId?: number): Buffer;
  send(bytes: Uint8Array): void;
  /** The next frame that comes, without its length. */
  receive(): Promise<Buffer>;
  read<A extends Api>(api: A, version: number, frame: Buffer): Out<A['response']>;
  call<A extends Api>(api: A, version: number, value: In<A['request']>): Promise<Out<A['response']>>;
  /** Resolves when the broker has closed the connection; with all that came before. */
  closed(): Promise<Buffer>;
  close(): void;
}

export async function openKafkaClient(port: number, clientId = 'raw'): Promise<KafkaClient> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.setNoDelay(true);
  const writer = new WireWriter();
  let buffered = Buffer.alloc(0);
  let isEnded = false;
  let wake = (): void => {};
  let nextCorrelation = 1;
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    wake();
  });
  for (const event of ['end', 'error', 'close']) {
    socket.on(event, () => {
      isEnded = true;
      wake();
    });
  }
  const change = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });

  const client: KafkaClient = {
    socket,
    frame(api, version, value, correlationId = nextCorrelation++) {
      return Buffer.concat(encodeRequest(writer, api, version, { correlationId, clientId }, value));
    },
    send: (bytes) => void socket.write(bytes),
    async receive() {
      for (;;) {
        const length = buffered.length >= 4 ? buffered.readInt32BE(0) : Number.POSITIVE_INFINITY;
        if (buffered.length >= 4 + length) {
          const frame = Buffer.from(buffered.subarray(4, 4 + length));
          buffered = buffered.subarray(4 + length);
          return frame;
        }
        if (isEnded) throw new Error('the broker has closed the connection');
        await change();
      }
    },
    read(api, version, frame) {
      const decoded = api.response.decode(version, frame, responseBodyAt(api, version, frame));
      if (decoded.fault !== undefined) throw new Error(`${decoded.fault.reason} at ${decoded.fault.path}`);
      if (decoded.end !== frame.length) throw new Error(`${frame.length - decoded.end} bytes too many`);
      return decoded.value as never;
    },
    async call(api, version, value) {
      client.send(client.frame(api, version, value));
      return client.read(api, version, await client.receive());
    },
    async closed() {
      while (!isEnded) await change();
      return buffered;
    },
    close: () => void socket.destroy(),
  };
  return client;
}
