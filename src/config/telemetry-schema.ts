/** The configuration of what is handed to a collector of OpenTelemetry. */
import { boolean, bytes, count, list, live, milliseconds, section, string } from './schema-kit.ts';
import { isFilter } from './storage-schema.ts';

const MiB = 1024 * 1024;

function isEndpoint(text: string): boolean {
  if (text === '') return true;
  try {
    const { protocol, username, password, search, hash } = new URL(text);
    const isHttp = protocol === 'https:' || protocol === 'http:';
    return isHttp && `${username}${password}${search}${hash}` === '';
  } catch {
    return false;
  }
}

const attributeName = string('', 'Name, such as `deployment.environment.name`.', {
  maxLength: 128,
  expected: 'a name of letters, digits, and . _ -',
  accepts: (text) => /^[\w.-]+$/.test(text),
});

export const telemetrySchema = section(
  'Metrics and traces for a collector of OpenTelemetry (OTLP over HTTP, JSON).',
  {
    endpoint: string(
      '',
      'Address of the collector, to which `/v1/metrics` and `/v1/traces` are added. Empty hands out nothing.',
      {
        maxLength: 2048,
        expected: 'an address such as https://collector.example.org:4318, without user, password or query',
        accepts: isEndpoint,
      },
    ),
    headers: live(
      list(
        section('A header of each request.', {
          name: string('', 'Name.', {
            maxLength: 128,
            expected: 'the name of a header',
            accepts: (text) => /^[\w!#$%&'*+.^`|~-]+$/.test(text),
          }),
          value: string('', 'Value.', {
            secret: true,
            maxLength: 8192,
            expected: 'printable characters of ASCII',
            accepts: (text) => /^[\x20-\x7e]*$/.test(text),
          }),
        }),
        'What the collector wants to see, such as `Authorization`.',
        32,
      ),
    ),
    attributes: list(
      section('An attribute of the resource.', {
        name: attributeName,
        value: string('', 'Value.', { maxLength: 1024 }),
      }),
      'What all of it says about this node, besides `service.name`, `service.version` and `service.instance.id`.',
      64,
    ),
    caFile: string(
      '',
      'Authorities that sign the certificate of the collector, PEM, in place of those of the system.',
      {
        expected: 'a path',
      },
    ),
    timeoutMs: milliseconds(10_000, 'Time for the answer to a request.', { min: 100, max: 60_000 }),
    maxQueueBytes: bytes(
      8 * MiB,
      'What waits for the collector, of metrics and traces each; what finds no room is dropped and counted.',
      { min: 64 * 1024, max: 256 * MiB },
    ),
    metrics: section('What `/metrics` shows.', {
      enabled: boolean(true, 'Whether it is handed out, where there is an `endpoint`.'),
      intervalMs: live(milliseconds(60_000, 'How often.', { min: 1000, max: 3_600_000 })),
    }),
    traces: section('Spans of messages.', {
      rules: list(
        section('Messages that are looked at; the first rule that fits decides.', {
          topic: string('#', 'Topics, as a filter of MQTT; topics of Kafka with `/` in place of `.`.', {
            maxLength: 65_535,
            expected: 'a topic filter',
            accepts: isFilter,
          }),
          clientId: string(
            '',
            'Client that published: an identifier, or the start of identifiers and a `*`. Empty is any.',
            {
              maxLength: 1024,
            },
          ),
          oneIn: count(
            1,
            'One message in so many is traced, where it does not say itself (`traceparent`) whether it is; 1 is each, 0 is none but those that say so.',
            { max: 1_000_000_000 },
          ),
        }),
        'Without any nothing is traced. Messages of a topic that a rule names are all decided in the control plane, without the flow cache; a rule with `clientId` costs only those clients that.',
        64,
      ),
      maxPerSecond: live(
        count(100, 'Most messages that are traced in a second; the others are not.', { min: 1, max: 10_000 }),
      ),
      intervalMs: live(milliseconds(5000, 'How often spans are handed out.', { min: 100, max: 60_000 })),
    }),
  },
);
