/** Configurations of the broker about connections: where it listens, how many there may be, who they are. */
import type { Config } from '../../../config/config.ts';
import { MAX_TOKEN_BYTES } from '../security/authentication.ts';
import { offeredMechanisms } from '../security/offered.ts';
import { ConfigType } from '../topics/config-kinds.ts';
import {
  type BrokerConfig,
  changeableNumber,
  fixed,
  INT_MAX,
  ofKafka,
  secret,
} from './broker-config-kinds.ts';

const { String: Text, Int, Long, List, Class } = ConfigType;
const NEWEST_TLS = 'TLSv1.3';

const listenerNames = (config: Config): ('kafka' | 'kafkas')[] =>
  (['kafka', 'kafkas'] as const).filter((name) => config.listeners[name].enabled);

const protocolOf = (config: Config, name: string): string => {
  const prefix = config.kafka.security.authentication === 'sasl' ? 'SASL_' : '';
  return `${prefix}${name === 'kafkas' ? 'SSL' : 'PLAINTEXT'}`;
};

const listeners = (config: Config): string =>
  listenerNames(config)
    .map((name) => {
      const { host, port } = config.listeners[name];
      return `${protocolOf(config, name)}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    })
    .join(',');

const advertised = (config: Config): string => {
  const { advertisedHost, advertisedPort } = config.kafka;
  if (advertisedHost === '') return listeners(config);
  return listenerNames(config)
    .map(
      (name) =>
        `${protocolOf(config, name)}://${advertisedHost}:${advertisedPort || config.listeners[name].port}`,
    )
    .join(',');
};

/** A name of a listener is that of its protocol. */
const protocolMap = (config: Config): string =>
  listenerNames(config)
    .map((name) => protocolOf(config, name))
    .map((name) => `${name}:${name}`)
    .join(',');

const mechanisms = (config: Config): string =>
  [...new Set(listenerNames(config).flatMap((name) => offeredMechanisms(config, name)))].join(',');

/** Where nothing limits them Kafka has its largest number. */
const limitOf = (count: number): number => (count === 0 ? INT_MAX : count);

const pathOr = (path: string): string | null => (path === '' ? null : path);

export const accessConfigs: readonly BrokerConfig[] = [
  fixed(
    'advertised.listeners',
    List,
    advertised,
    'Where clients find this node; without a setting what each of them dialled.',
  ),
  fixed(
    'authorizer.class.name',
    Text,
    ({ kafka }) => (kafka.security.authorization === 'acl' ? 'acl' : ''),
    'What decides who may do what.',
  ),
  fixed(
    'connection.failed.authentication.delay.ms',
    Int,
    ofKafka((kafka) => kafka.security.failureDelayMs),
    'A client that could not log in hears of it this much later.',
  ),
  changeableNumber(
    'connections.max.idle.ms',
    Long,
    'maxIdleMs',
    [1000, INT_MAX],
    'After this long without a request a connection is closed.',
  ),
  fixed(
    'connections.max.reauth.ms',
    Long,
    ofKafka((kafka) => kafka.security.sessionMs),
    'How long a log-in counts; 0 is for ever.',
  ),
  fixed('listener.security.protocol.map', Text, protocolMap, 'A name of a listener is that of its protocol.'),
  fixed('listeners', List, listeners, 'Where this node listens.'),
  fixed(
    'max.connection.creation.rate',
    Int,
    ({ limits }) => limitOf(limits.maxConnectionsPerSecond),
    'Most new connections per second, of all protocols.',
  ),
  fixed('max.connections', Int, ({ limits }) => limits.maxConnections, 'Most connections, of all protocols.'),
  fixed(
    'max.connections.per.ip',
    Int,
    ({ guard }) => limitOf(guard.address.maxConnections),
    'Most connections of an address, of all protocols; of IPv6 the first 64 bits count.',
  ),
  fixed('principal.builder.class', Class, null, 'Principals are users, or what certificates say.'),
  fixed(
    'queued.max.request.bytes',
    Long,
    ofKafka((kafka) => kafka.maxInFlightBytes),
    'Memory of all requests that are arriving or under way; who brings more is disconnected.',
  ),
  fixed('sasl.enabled.mechanisms', List, mechanisms, 'Ways to log in, of all listeners.'),
  secret('sasl.jaas.config', 'See kafka.security.users.'),
  fixed(
    'sasl.oauthbearer.clock.skew.seconds',
    Int,
    ofKafka(({ security }) => Math.floor(security.oauth.clockSkewMs / 1000)),
    'By how much clocks may differ where a token says from when or until when it counts.',
  ),
  fixed(
    'sasl.oauthbearer.expected.audience',
    List,
    ofKafka(({ security }) => security.oauth.audience || null),
    'For whom a token must be; without a value for anybody.',
  ),
  fixed(
    'sasl.oauthbearer.expected.issuer',
    Text,
    ofKafka(({ security }) => security.oauth.issuer || null),
    'Who must have issued a token; without a value anybody with a key.',
  ),
  fixed(
    'sasl.oauthbearer.sub.claim.name',
    Text,
    ofKafka(({ security }) => security.oauth.principalClaim),
    'What in a token is the name of the user.',
  ),
  fixed('sasl.server.max.receive.size', Int, MAX_TOKEN_BYTES, 'Most bytes of a step of a log-in.'),
  fixed(
    'socket.request.max.bytes',
    Int,
    ofKafka((kafka) => kafka.maxRequestBytes),
    'Largest request.',
  ),
  fixed(
    'ssl.client.auth',
    Text,
    ({ listeners: { kafkas } }) =>
      ({ none: 'none', request: 'requested', require: 'required' })[kafkas.tls.clientCertificate],
    'Whether clients present a certificate.',
  ),
  fixed(
    'ssl.enabled.protocols',
    List,
    ({ listeners: { kafkas } }) => [...new Set([kafkas.tls.minVersion, NEWEST_TLS])].join(','),
    'Versions of TLS that are accepted.',
  ),
  fixed(
    'ssl.keystore.location',
    Text,
    ({ listeners: { kafkas } }) => pathOr(kafkas.tls.certFile),
    'The certificates of the listener with TLS.',
  ),
  secret('ssl.keystore.password', 'See listeners.kafkas.tls.'),
  fixed('ssl.keystore.type', Text, 'PEM', 'Certificates and keys are PEM.'),
  fixed(
    'ssl.truststore.location',
    Text,
    ({ listeners: { kafkas } }) => pathOr(kafkas.tls.caFile),
    'Authorities that sign certificates of clients.',
  ),
  fixed('ssl.truststore.type', Text, 'PEM', 'Certificates are PEM.'),
  fixed(
    'super.users',
    Text,
    ofKafka(({ security }) => security.superUsers.join(';')),
    'Principals who may do everything.',
  ),
];
