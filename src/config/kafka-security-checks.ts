/** What of the security of Kafka's protocol contradicts itself, or is probably not meant. */
import type { KafkaConfig } from './config.ts';

type Security = KafkaConfig['security'];

const MIN_SECRET_BYTES = 32;

export function checkKafkaSecurity(
  security: Security,
  problem: (path: string, reason: string) => void,
): void {
  const { mechanisms, oauth, users } = security;
  if (mechanisms.includes('OAUTHBEARER') && oauth.keys.length === 0) {
    problem('kafka.security.mechanisms', 'OAUTHBEARER needs kafka.security.oauth.keys to check tokens with');
  }
  users.forEach(({ name, password }, index) => {
    if (name === '') problem('kafka.security.users', `entry ${index} needs a name`);
    if (password === '') problem('kafka.security.users', `entry ${index} needs a password`);
    if (users.findIndex((other) => other.name === name) < index) {
      problem('kafka.security.users', `entry ${index} has the name of another`);
    }
  });
  oauth.keys.forEach(({ algorithm, file, secret }, index) => {
    const path = 'kafka.security.oauth.keys';
    if (algorithm === 'HS256') {
      if (Buffer.byteLength(secret) < MIN_SECRET_BYTES) {
        problem(path, `entry ${index} needs a secret of at least ${MIN_SECRET_BYTES} bytes`);
      }
    } else if (file === '') problem(path, `entry ${index} needs the file of a public key`);
  });
}

export function kafkaSecurityWarnings({ authorization, superUsers }: Security): string[] {
  if (authorization === 'none' || superUsers.length > 0) return [];
  return [
    'kafka.security.authorization is acl and there are no kafka.security.superUsers: where no access control list is set yet, nobody can set one.',
  ];
}
