import { describe, expect, it } from 'vitest';
import { compileFormat } from '../../src/cli/message-format.ts';
import { targetFrom } from '../../src/cli/mqtt-target.ts';
import { run } from '../../src/cli/program.ts';
import { referencePage } from '../../src/config/describe.ts';
import { testIo } from './support.ts';

async function runs(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = testIo();
  const code = await run(argv, io);
  return { code, out: io.outText(), err: io.errText() };
}

describe('command line', () => {
  it.each([
    [['pubb'], 'Did you mean pub?'],
    [['pub', 't', 'x', '--qoss', '1'], 'Did you mean --qos?'],
    [['config', 'prnt'], 'Did you mean print?'],
    [['config', 'docs', 'mqtt.maxQoss'], 'did you mean mqtt.maxQos?'],
    [['pub', 't', 'x', '--property', 'content-typ=x'], 'did you mean content-type?'],
    [['pub', 't', 'x', '-q', '3'], 'Expected one of 0, 1, 2'],
    [['sub', 't', '-t', 'soon'], 'Expected a duration'],
    [['status', '--wait', 'soon'], 'Expected a duration'],
    [['pub', 't'], 'what to publish?'],
    [['pub', 'a/+', 'x'], 'a topic is not empty'],
    [['pub', 't', 'x', '--line'], 'give one of a payload'],
    [['pub', 't', 'x', '-V', '4', '--user-property', 'a=b'], 'properties need MQTT 5'],
    [['pub', 't', 'x', '--url', 'http://h'], '--url takes mqtt://'],
    [['pub', 't', 'x', '--url', 'mqtt://h', '--host', 'h'], 'give either --url or --host'],
    [['pub', 't', 'x', '--will-retain'], 'a will needs --will-topic'],
    [['sub', 't', '--no-clean'], 'needs --client-id'],
    [['sub', 't', '--format', '%y'], '--format has no %y'],
    [['sub', 't', '-V', '4', '--no-local'], 'need MQTT 5'],
    [['start', '--set', 'mqtt.maxQos=7'], 'expected one of 0, 1, 2'],
  ])('ends with 2 and says what is wrong: %j', async (argv, message) => {
    const { code, err } = await runs(...argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).not.toContain('    at ');
  });

  it('never repeats a password of a URL', async () => {
    const { err } = await runs('pub', 't', 'x', '--url', 'http://user:hunter2@h');
    expect(err).not.toContain('hunter2');
  });

  it('prints help and version on standard output', async () => {
    expect(await runs('--help')).toMatchObject({ code: 0, err: '' });
    expect((await runs('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await runs('version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('prints configuration, its sources, its reference and its schema', async () => {
    expect((await runs('config', 'print', '--set', 'mqtt.maxQos=1')).out).toContain('  maxQos: 1\n');
    expect((await runs('config', 'print', '--sources', '--set', 'mqtt.maxQos=1')).out).toMatch(
      /maxQos: 1 +# --set mqtt\.maxQos\n/,
    );
    expect((await runs('config', 'docs')).out).toBe(referencePage());
    expect(JSON.parse((await runs('config', 'schema')).out)).toHaveProperty('properties.mqtt');
    expect(await runs('config', 'validate')).toMatchObject({ code: 0, out: '' });
    expect(await runs('config', 'validate', '--set', 'x=1')).toMatchObject({ code: 2 });
  });

  it.each(['bash', 'zsh', 'fish'])('prints completion for %s with verbs, options and keys', async (shell) => {
    const { code, out } = await runs('completion', shell);
    expect(code).toBe(0);
    for (const word of ['start', 'retained-only', 'mqtt.maxPacketSize=']) expect(out).toContain(word);
  });
});

describe('address of the broker', () => {
  it.each([
    ['mqtt://h', { transport: 'tcp', host: 'h', port: 1883 }],
    ['mqtts://h:1', { transport: 'tls', host: 'h', port: 1 }],
    ['ws://h', { transport: 'ws', port: 8083, path: '/mqtt' }],
    ['wss://h/x?y=1', { transport: 'wss', port: 8084, path: '/x?y=1' }],
    ['mqtt://[::1]:1884', { transport: 'tcp', host: '::1', port: 1884 }],
    ['mqtt://us%40er:pa%3Ass@h', { username: 'us@er', password: 'pa:ss' }],
    ['mqtt+unix:///run/mqtt.sock', { transport: 'unix', path: '/run/mqtt.sock' }],
  ])('is read from %s', (url, target) => expect(targetFrom({ url })).toMatchObject(target));

  it('is the local broker by default, and its TLS port with certificates', () => {
    expect(targetFrom({})).toMatchObject({ transport: 'tcp', host: 'localhost', port: 1883 });
    expect(targetFrom({ ca: 'ca.pem' })).toMatchObject({ transport: 'tls', port: 8883 });
  });
});

describe('format of messages', () => {
  const at = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  const packet = {
    cmd: 'publish' as const,
    topic: 'a/b',
    payload: Buffer.from([0x68, 0x69, 0xff]),
    qos: 1 as const,
    retain: true,
    dup: false,
    messageId: 7,
  };

  it.each([
    ['%t|%q|%r|%d|%m|%l', 'a/b|1|1|0|7|3'],
    ['%x %X %b', '6869ff 6869FF aGn/'],
    ['%I %U', '2026-01-02T03:04:05.678Z 1767323045.678'],
    ['100%% \\t\\\\', '100% \t\\'],
    ['%C%R%D%E%F%S%P', ''],
  ])('%s', (format, text) => {
    expect(compileFormat(format)(packet, at).toString('latin1')).toBe(text);
  });

  it('ends in no lone %', () => expect(() => compileFormat('%t %')).toThrow('--format has no %'));

  it('keeps the bytes of the payload', () => {
    expect(compileFormat('%p')(packet, at)).toEqual(packet.payload);
  });

  it('says in JSON when the payload is not text', () => {
    expect(JSON.parse(compileFormat('%j')(packet, at).toString())).toMatchObject({ payloadBase64: 'aGn/' });
  });
});
