/** The configuration of what clients may do: rules over addresses, for every protocol. */
import { isNetwork } from './network-text.ts';
import { filterProblem } from './rule-filter.ts';
import { choice, list, live, section, string } from './schema-kit.ts';

const MAX_RULES = 10_000;
const MAX_NAMES = 1024;

const name = (description: string) =>
  string('', description, {
    maxLength: 1024,
    expected: 'text without U+0000',
    accepts: (text) => text !== '' && !text.includes('\0'),
  });
const names = (of: string, description: string) =>
  list(name(of), `${description}; empty is everybody.`, MAX_NAMES);

const rule = section('A rule. All of its conditions must fit.', {
  effect: choice(['allow', 'deny'], 'deny', 'What it does; what one rule denies no other allows.'),
  actions: list(
    choice(['publish', 'subscribe', 'manage'], 'publish', 'Action'),
    'What it is about; `manage` is to create, change and delete, of Kafka topics for instance.',
    3,
  ),
  filters: list(
    string('', 'Filter', {
      maxLength: 65_535,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
      expected: 'a topic filter, in which a level may be ${clientid}, ${username}, ${certname} or ${tenant}',
      accepts: (text) => filterProblem(text) === undefined,
    }),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
    'Topic filters; `a.b` of Kafka is `a/b`. `${clientid}`, `${username}`, `${certname}` and `${tenant}` are one level each.',
    MAX_NAMES,
  ),
  users: names('User name', 'Users'),
  clientIds: names('Client identifier', 'Client identifiers'),
  roles: names('Role', 'Roles, of which one is enough'),
  tenants: names('Tenant', 'Tenants'),
  clients: choice(['any', 'anonymous', 'named'], 'any', 'Clients without or with a user name.'),
  protocols: list(choice(['mqtt', 'kafka', 'http'], 'mqtt', 'Protocol'), 'Protocols; empty is all.', 3),
  listeners: names('Listener', 'Listeners, by their keys under `listeners`'),
  networks: list(
    string('', 'Network', { expected: 'an IP address or a network such as 10.0.0.0/8', accepts: isNetwork }),
    'Addresses and networks that clients come from; empty is all.',
    MAX_NAMES,
  ),
});

export const authorizationSchema = live(
  section('What clients may do.', {
    noMatch: choice(
      ['auto', 'deny', 'allow'],
      'auto',
      'What no rule is about: `auto` refuses it, except to anonymous clients of listeners that only this machine reaches.',
    ),
    wideSubscriptions: choice(
      ['refuse', 'narrow'],
      'refuse',
      'A subscription wider than what is allowed: refused, or granted for the part that is.',
    ),
    rules: list(rule, 'Rules, besides those of roles and of credentials.', MAX_RULES),
  }),
);
