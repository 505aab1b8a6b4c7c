/** Sessions by the names that their clients write, and whose clients those are. */
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { type Session, writtenClientId } from '../protocols/mqtt/session.ts';
import { isTenantName, tenantOf } from '../security/tenants/tenants.ts';

export function sessionNamed({ sessions }: Mqtt, clientId: string, tenant = ''): Session | undefined {
  if (tenant !== '' && !isTenantName(tenant)) return undefined;
  const name = tenantOf(tenant).toName(clientId);
  return name === undefined ? undefined : sessions.get(name);
}

export const shownName = (session: Session) => ({
  clientId: writtenClientId(session),
  tenant: session.tenant.name || null,
});
