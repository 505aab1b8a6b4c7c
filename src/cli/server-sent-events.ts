/** Server-sent events out of the bytes of an answer, as far as the broker writes them. */
export interface ServerSentEvent {
  /** 'message' where it says nothing else. */
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

/** Far above what the broker puts into one. */
const MAX_CHARACTERS = 16 * 1024 * 1024;

/** `bytes` may end anywhere, between the bytes of a character too. */
export async function* serverSentEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of bytes) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > MAX_CHARACTERS) throw new Error('an event without an end');
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
      const event = eventOf(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (event !== undefined) yield event;
    }
  }
}

/** Undefined: a comment, or a word about reconnecting. */
function eventOf(block: string): ServerSentEvent | undefined {
  let event = 'message';
  let id: string | undefined;
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') event = value;
    else if (field === 'id') id = value;
    else if (field === 'data') data.push(value);
  }
  return data.length === 0 ? undefined : { event, id, data: data.join('\n') };
}
