/** Configurations to begin with: what differs from the defaults for a purpose, written as a file with comments. */

export const PROFILES = ['dev', 'edge', 'prod'] as const;
export type Profile = (typeof PROFILES)[number];

const SCHEMA_LINE = `# robustmq config docs KEY explains a key, robustmq config validate checks the file,
# robustmq config schema > robustmq.schema.json is for the editor:
# yaml-language-server: $schema=./robustmq.schema.json
`;

const dev = `# RobustMQ for development: this machine alone can reach it, nobody needs a password.
${SCHEMA_LINE}
dataDir: ./robustmq-data

logging:
  level: debug

storage:
  # An acknowledgement means that the operating system has it: fast, and safe from a crash of the broker, not of the machine.
  durability: os

listeners:
  mqtt:
    port: 1883
  ws:
    port: 8083
  kafka:
    port: 9092
  http:
    port: 18083
`;

const edge = `# RobustMQ on a small machine at the edge: little memory, devices on the local network log in with a password.
# Make users with: robustmq user create NAME --password-file FILE
${SCHEMA_LINE}
dataDir: /var/lib/robustmq

listeners:
  mqtt:
    # Every interface. Without TLS passwords can be read on their way: a network that you trust, or listeners.mqtts.
    host: 0.0.0.0
  ws:
    enabled: false
  kafka:
    enabled: false
  http:
    # For the verbs of the command line the control socket in dataDir is enough.
    enabled: false

security:
  authentication:
    authenticators: [database]

authorization:
  # What no rule allows is refused; roles of users have rules as well.
  noMatch: deny
  rules:
    - effect: allow
      actions: [publish, subscribe]
      filters: ['devices/\${username}/#']

dataplane:
  memorySize: 64MiB

limits:
  maxConnections: 1000
  memoryWatermarkSize: 192MiB

mqtt:
  maxHeldSize: 1MiB
  queue:
    maxMessages: 1000
    maxSize: 8MiB
  retained:
    maxMessages: 10000
    maxSize: 16MiB
`;

const prod = `# RobustMQ in production: TLS on every listener that others reach, log-in for everybody, acknowledged means on disk.
# Make users with: robustmq user create NAME --password-file FILE
${SCHEMA_LINE}
node:
  name: robustmq-1

dataDir: /var/lib/robustmq

logging:
  format: json

listeners:
  mqtt:
    # For this machine alone.
    host: 127.0.0.1
  mqtts:
    host: 0.0.0.0
    tls:
      certFile: /etc/robustmq/server.pem
      keyFile: /etc/robustmq/server.key
  ws:
    enabled: false
  kafka:
    enabled: false
  kafkas:
    host: 0.0.0.0
    tls:
      certFile: /etc/robustmq/server.pem
      keyFile: /etc/robustmq/server.key
  http:
    # Metrics and administration for this machine; listeners.https is for others.
    host: 127.0.0.1

security:
  authentication:
    authenticators: [database]

kafka:
  security:
    authentication: sasl

authorization:
  # What no rule allows is refused; roles of users have rules as well.
  noMatch: deny
  rules: []

guard:
  flapping:
    # A client that disconnects so often within a minute is kept out for five.
    maxDisconnects: 30
  client:
    maxMessagesPerSecond: 0

storage:
  # An acknowledgement means that the disk has it.
  durability: sync

limits:
  maxConnections: 100000
  connectTimeout: 10s
`;

const TEXTS: Readonly<Record<Profile, string>> = { dev, edge, prod };

export const profileText = (profile: Profile): string => TEXTS[profile];
