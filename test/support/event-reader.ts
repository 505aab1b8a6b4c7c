import { once } from 'node:events';
import http from 'node:http';
import { type ServerSentEvent, serverSentEvents } from '../../src/cli/server-sent-events.ts';

export interface EventReader {
  readonly response: http.IncomingMessage;
  /** The next event; undefined at the end. */
  next(): Promise<ServerSentEvent | undefined>;
  /** What the next event says, which has to be one that is not about the stream itself. */
  data(): Promise<Record<string, unknown>>;
  close(): void;
}

/** Follows a stream of events as a client that reads what it asks for and no more. */
export async function followEvents(options: http.RequestOptions): Promise<EventReader> {
  const request = http.request({ agent: false, ...options }).end();
  request.on('error', () => {});
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.on('error', () => {});
  const events = serverSentEvents(response);
  const next = async (): Promise<ServerSentEvent | undefined> => {
    const { value, done } = await events.next();
    return done === true ? undefined : value;
  };
  return {
    response,
    next,
    async data() {
      const event = await next();
      if (event?.event !== 'message') throw new Error(`expected what happens, got ${JSON.stringify(event)}`);
      return JSON.parse(event.data) as Record<string, unknown>;
    },
    close: () => request.destroy(),
  };
}
