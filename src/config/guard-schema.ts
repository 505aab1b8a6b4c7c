/** The configuration of who is kept out, how much anybody gets, and what is noted of administration. */
import {
  bytes,
  choice,
  count,
  forNewConnections,
  list,
  live,
  milliseconds,
  section,
  string,
} from './schema-kit.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const limit = (what: string) => count(0, `${what}; 0 is no limit.`);
const byteRate = (whose: string) => bytes(0, `Bytes received per second, of ${whose}; 0 is no limit.`);

const messageRates = (whose: string) => ({
  maxMessagesPerSecond: limit(`Messages received per second, of ${whose}`),
  maxBytesPerSecond: byteRate(whose),
});
const doors = (whose: string) => ({
  maxConnections: limit(`Connections at once, of ${whose}`),
  maxConnectionsPerSecond: limit(`New connections per second, of ${whose}`),
});

export const guardSchema = section(
  'Who is kept out, and how much anybody gets. What is above a rate waits.',
  {
    maxBans: count(10_000, 'Bans that administrators may set.', { min: 1, max: 100_000 }),
    flapping: live(
      section('Clients that come and go all the time are banned for a while.', {
        maxDisconnects: count(0, 'Disconnects in `window` that bring a ban; 0 is never.', { max: 1_000_000 }),
        windowMs: milliseconds(MINUTE_MS, 'In which time.', { min: 1000, max: DAY_MS }),
        banMs: milliseconds(5 * MINUTE_MS, 'How long they are kept out.', { min: 1000, max: 30 * DAY_MS }),
        maxClients: count(65_536, 'Clients watched at once; the first seen is forgotten.', {
          min: 1,
          max: 1_000_000,
        }),
      }),
    ),
    logIn: section('Log-ins that fail.', {
      maxFailures: count(
        5,
        'Failures in `window` after which a user name is not tried for `lock`; 0 is never.',
        {
          max: 1_000_000,
        },
      ),
      maxFailuresPerAddress: count(
        100,
        'The same for an address, behind which there may be many clients; 0 is never.',
        { max: 1_000_000 },
      ),
      windowMs: live(milliseconds(5 * MINUTE_MS, 'In which time.', { min: 1000, max: DAY_MS })),
      lockMs: live(milliseconds(10 * MINUTE_MS, 'How long.', { min: 1000, max: 30 * DAY_MS })),
      maxTracked: count(65_536, 'Names with a counter of their own; further ones share some.', {
        min: 1,
        max: 1_000_000,
      }),
    }),
    client: forNewConnections(section('Each connection.', messageRates('a connection'))),
    address: section('Each address that clients come from; of IPv6 the first 64 bits.', doors('an address')),
    listeners: list(
      section('A listener.', {
        listener: string('', 'Its key under `listeners`.', { maxLength: 64 }),
        ...doors('the listener'),
        ...messageRates('all of the listener'),
      }),
      'Listeners with limits of their own.',
      64,
    ),
    user: live(
      section('Each user.', {
        maxSessions: limit('Sessions'),
        maxSubscriptions: limit('Subscriptions, of all sessions'),
        maxRetained: limit('Retained messages'),
      }),
    ),
    maxUsers: count(1_000_000, 'Users who have sessions, subscriptions or retained messages.', { min: 1 }),
  },
);

const tenantLimits = {
  maxConnections: limit('Connections at once'),
  maxSessions: limit('Sessions'),
  maxSubscriptions: limit('Subscriptions'),
  maxRetained: limit('Retained messages'),
  maxTopics: limit('Topics of Kafka'),
  maxPartitions: limit('Partitions of all its topics of Kafka'),
  ...messageRates('all of the tenant'),
};

export const tenantsSchema = section('Tenants: who is of one, its credential says.', {
  maxTenants: count(1000, 'Tenants that have anything at the same time.', { min: 1, max: 100_000 }),
  maxLabels: count(100, 'Tenants with a label of their own in metrics; the rest is `other`.', {
    max: 10_000,
  }),
  limits: section('Each tenant that is not in `list`.', tenantLimits),
  list: list(
    section('A tenant.', {
      name: string('', 'Name.', {
        maxLength: 63,
        expected: 'small letters, digits and hyphens',
        accepts: (text) => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text),
      }),
      ...tenantLimits,
    }),
    'Tenants with limits of their own.',
    1024,
  ),
});

export const auditSchema = section('The log of what administrators do, in `dataDir`.', {
  maxFileBytes: bytes(16 * MiB, 'A file is closed at this size.', { min: 64 * KiB, max: 1024 * MiB }),
  maxFiles: count(16, 'Files kept; the oldest give way.', { min: 2, max: 10_000 }),
  onFailure: choice(['refuse', 'continue'], 'refuse', 'What becomes of a change that cannot be noted there.'),
});
