/** Why somebody may do something, or may not. */
import type { RuleReference } from '../../security/authorization/rules.ts';
import type { Principal } from '../../security/security.ts';
import { found, named, OperationError, operation } from '../operation.ts';
import { boolean, list, nullable, object, oneOf, string } from '../schema.ts';

const text = (description: string) => string(description, { maxLength: 65_535 });

const sentence = ({ source, index, effect, filters }: RuleReference): string => {
  const where = source.kind === 'role' ? `role ${source.role}` : source.kind;
  return `${where}, rule ${index}: ${effect} ${filters.join(', ')}`;
};

export const aclOperations = {
  aclTest: operation({
    id: 'acl.test',
    verb: {
      words: 'acl test',
      examples: [
        'acl test --user alice --action publish --topic sensors/1',
        "acl test --user alice --action subscribe --topic 'sensors/#'",
        'acl test --user alice --action subscribe --topic sensors.1 --protocol kafka',
      ],
    },
    method: 'GET',
    path: '/acl/test',
    summary: 'Whether somebody may do something, and which rule decides.',
    scope: 'roles:read',
    audit: 'none',
    queryParameters: {
      user: text('User name; nobody where it is missing.'),
      clientId: text('Client identifier.'),
      certificateName: text('Common name of the certificate.'),
      action: oneOf(['publish', 'subscribe', 'manage'], 'What is to be done; `publish` where it is missing.'),
      topic: text('Topic, or topic filter for `subscribe`; of Kafka as its clients name it. Needed.'),
      protocol: oneOf(['mqtt', 'kafka', 'http'], 'Protocol; `mqtt` where it is missing.'),
      listener: text('Listener; that of the protocol where it is missing.'),
      address: text('Where it comes from; 127.0.0.1 where it is missing.'),
    },
    output: object({
      isAllowed: boolean('Whether it is.'),
      isPartial: boolean('Of a filter: whether some of what it matches is not delivered.'),
      reason: string('What decided: a rule, or why none did.'),
      rule: nullable(string('The rule that decided.')),
      considered: list(
        object({
          rule: string('A rule.'),
          isFitting: boolean('Whether it fits.'),
          why: string('Why, or why not.'),
        }),
        'All rules, in the order in which they are asked.',
        { maxItems: 100_000 },
      ),
    }),
    async run({ security }, input) {
      const { user, topic, action = 'publish', protocol = 'mqtt' } = input;
      if (topic === undefined) throw new OperationError(400, 'invalid-input', 'topic is needed');
      const known = user === undefined ? undefined : found(security.users.get(user), named('user', user));
      const principal: Principal = {
        tenant: known?.tenant ?? '',
        userName: user,
        clientId: input.clientId,
        certificateName: input.certificateName,
        roles: known?.roles ?? [],
        rules: [],
        isSuperuser: known?.isSuperuser ?? false,
        protocol,
        listener: input.listener ?? protocol,
        remoteAddress: input.address ?? '127.0.0.1',
        expiresAtMs: undefined,
      };
      const isFilter = action === 'subscribe' && protocol === 'mqtt';
      // Rules are about addresses: the topic `a.b` of Kafka is `a/b`.
      const address = protocol === 'kafka' ? topic.replaceAll('.', '/') : topic;
      const { decision, considered } = security.authorization.explain(principal, action, address, isFilter);
      return {
        isAllowed: decision.isAllowed,
        isPartial: decision.isPartial,
        reason: decision.reason,
        rule: decision.rule === undefined ? null : sentence(decision.rule),
        considered: considered.map(({ rule, isFitting, why }) => ({ rule: sentence(rule), isFitting, why })),
      };
    },
  }),
};
