import type { Principal } from '../../src/security/security.ts';

export const principal = (about: Partial<Principal> = {}): Principal => ({
  tenant: '',
  userName: 'ann',
  clientId: 'client-1',
  certificateName: undefined,
  roles: [],
  rules: [],
  isSuperuser: false,
  protocol: 'mqtt',
  listener: 'mqtt',
  remoteAddress: '192.0.2.1',
  expiresAtMs: undefined,
  ...about,
});
