/** Which mechanisms a listener offers: what the configuration allows, of what there is somebody to decide about. */
import type { Config, KafkaConfig } from '../../../config/config.ts';
import { authenticationOf } from '../../../config/security-checks.ts';
import { type ScramMechanism, scramMechanisms } from '../../../security/scram/scram.ts';

export type MechanismName = 'PLAIN' | ScramMechanism | 'OAUTHBEARER';

const ALL: readonly MechanismName[] = ['PLAIN', ...scramMechanisms, 'OAUTHBEARER'];
const ASKED_BY_PASSWORD = new Set(['database', 'file', 'jwt', 'http']);

export const allowedMechanisms = ({ mechanisms }: KafkaConfig['security']): readonly MechanismName[] =>
  mechanisms.length === 0 ? ALL : mechanisms;

/** Of a listener without authenticators. */
export const ownMechanisms = (own: KafkaConfig['security'], hasKeys: boolean): readonly MechanismName[] =>
  allowedMechanisms(own).filter((each) => each !== 'OAUTHBEARER' || hasKeys);

/** What authenticators decide about. */
export const chainMechanisms = (
  authenticators: readonly string[],
  hasKeys: boolean,
): readonly MechanismName[] => [
  ...(authenticators.some((each) => ASKED_BY_PASSWORD.has(each)) ? (['PLAIN'] as const) : []),
  ...(authenticators.includes('scram') ? scramMechanisms : []),
  ...(hasKeys || authenticators.includes('jwt') ? (['OAUTHBEARER'] as const) : []),
];

export function offeredMechanisms(config: Config, listener: string): readonly MechanismName[] {
  const own = config.kafka.security;
  if (own.authentication === 'none') return [];
  const hasKeys = own.oauth.keys.length > 0;
  const { authenticators } = authenticationOf(config.security.authentication, listener);
  if (authenticators.length === 0) return ownMechanisms(own, hasKeys);
  const allowed = allowedMechanisms(own);
  return chainMechanisms(authenticators, hasKeys).filter((each) => allowed.includes(each));
}
