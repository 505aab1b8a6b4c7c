/** A node that asks who clients are, with users and rules of the test. */
import type { NodeDependencies } from '../../../../src/node.ts';
import { closeConnection } from '../../../../src/protocols/mqtt/disconnect.ts';
import { endSession } from '../../../../src/protocols/mqtt/lifecycle.ts';
import { Secret } from '../../../../src/security/secret.ts';
import type { Rule } from '../../../../src/security/security.ts';
import type { Access } from '../../../../src/security/users/users.ts';
import { startTestNode, type TestNode } from '../../../e2e/support.ts';
import { RawClient } from '../../../support/raw-client.ts';
import * as wire from '../../../support/wire.ts';

export const PASSWORD = 'correct horse';

export interface SecureNode extends TestNode {
  /** Everybody's password is the same. */
  user(name: string, access?: Access): Promise<void>;
  rules(rules: readonly Rule[], noMatch?: 'auto' | 'deny' | 'allow'): Promise<void>;
  /** As this user, who is made if need be; fails where CONNECT is refused. */
  as(name: string, options?: wire.ConnectOptions): Promise<RawClient>;
  /** Ends all sessions and forgets what is retained; users stay. */
  reset(): Promise<void>;
  /** The reason in CONNACK. */
  refusal(options: wire.ConnectOptions): Promise<number>;
}

type Settings = Readonly<Record<string, string | number | boolean>>;

export async function startSecureNode(
  settings: Settings = {},
  services: Partial<NodeDependencies> = {},
): Promise<SecureNode> {
  const test = await startTestNode(
    {
      'security.authentication.authenticators': 'database,scram',
      'security.authentication.anonymous': 'refuse',
      'security.passwords.scryptLogCost': 10,
      ...settings,
    },
    services,
  );
  const { users, authorization } = test.node.security;
  const user = async (name: string, access: Access = {}): Promise<void> => {
    const made = await users.create({ name, password: new Secret(PASSWORD), ...access });
    if (!made.isDone) throw new Error(made.reason);
  };
  return {
    ...test,
    user,
    async rules(rules, noMatch = 'deny') {
      authorization.reload({ noMatch, wideSubscriptions: 'refuse', rules });
      await nextTurn();
    },
    async as(name, options = {}) {
      if (users.get(name) === undefined) await user(name);
      const client = await test.connect({
        clientId: name,
        username: name,
        password: PASSWORD,
        ...options,
      });
      const { connack } = client;
      if (connack?.reason !== 0) throw new Error(`${name} is refused: 0x${connack?.reason.toString(16)}`);
      return client;
    },
    async reset() {
      const { context } = test.node.mqtt;
      for (const connection of [...context.connections]) {
        if (connection === undefined) continue;
        closeConnection(context, connection, { reasonCode: 0, silent: true, discardsWill: true });
      }
      for (const session of [...context.sessions.all()]) {
        session.will = undefined;
        endSession(context, session);
      }
      const { messages } = context.retained.page(Buffer.from('#'), undefined, 1000);
      for (const message of messages) context.retained.set({ ...message, payload: new Uint8Array(0) });
      await nextTurn();
    },
    async refusal(options) {
      const client = await RawClient.open(test.mqtt, options.version ?? 5, String(options.clientId ?? ''));
      client.send(wire.connect(options));
      const { reason } = await client.expect('connack');
      if (reason !== 0) await client.closed();
      client.socket.destroy();
      return reason;
    },
  };
}

export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export const allow = (filters: readonly string[], about: Partial<Rule> = {}): Rule => ({
  effect: 'allow',
  actions: ['publish', 'subscribe'],
  filters,
  ...about,
});

export const deny = (filters: readonly string[], about: Partial<Rule> = {}): Rule => ({
  ...allow(filters, about),
  effect: 'deny',
});
