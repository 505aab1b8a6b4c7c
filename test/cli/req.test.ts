/** Requests and their responses, against a node in this process. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { startTestNode, type TestNode } from '../e2e/support.ts';
import { testIo } from './support.ts';

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode({ 'storage.engine': 'memory', 'mqtt.responseInformation': 'answers/' });
});
afterAll(() => node.stop());

async function req(...argv: string[]) {
  const io = testIo();
  const code = await run(['req', '-H', '127.0.0.1', '-p', String(node.mqtt.port), ...argv], io);
  return { code, out: io.outText(), err: io.errText() };
}

const RESPONSE_TOPIC = 8;
const CORRELATION = 9;

/** Answers every request twice, and somebody else on the same topic in between. */
async function service(topic: string): Promise<void> {
  const server = await node.connect({ clientId: `service of ${topic}` });
  await server.subscribe([{ filter: topic, qos: 1 }]);
  void (async () => {
    const request = await server.expect('publish');
    const properties = new Map(request.properties as [number, unknown][]);
    const to = String(properties.get(RESPONSE_TOPIC));
    expect(to.startsWith('answers/')).toBe(true);
    const answer = (payload: string, correlation: unknown): Promise<number> =>
      server.publish({ topic: to, payload, qos: 1, properties: [[CORRELATION, correlation as Uint8Array]] });
    await answer(`first to ${String(request.payload)}`, properties.get(CORRELATION));
    await answer('for somebody else', Buffer.from('other'));
    await answer('second', properties.get(CORRELATION));
  })().catch(() => {});
}

describe('req', () => {
  it('prints the responses to its own request, on a topic below the one that the broker suggests', async () => {
    await service('services/a');
    expect(await req('services/a', 'hello', '-q', '1', '-n', '2')).toEqual({
      code: 0,
      out: 'first to hello\nsecond\n',
      err: '',
    });
  });

  it('ends with 6 when no response comes in time, and with 1 when nobody is there to give one', async () => {
    const silent = await node.connect({ clientId: 'silent' });
    await silent.subscribe([{ filter: 'services/silent', qos: 1 }]);
    expect(await req('services/silent', 'x', '-q', '1', '-t', '100ms')).toMatchObject({
      code: 6,
      err: 'robustmq: 0 of 1 responses came within 0.1 s\n',
    });
    expect(await req('services/none', 'x', '-q', '1')).toMatchObject({
      code: 1,
      err: 'robustmq: nobody subscribes to services/none\n',
    });
  });

  it('needs MQTT 5', async () => {
    expect((await req('a', 'x', '-V', '4')).code).toBe(2);
  });
});
