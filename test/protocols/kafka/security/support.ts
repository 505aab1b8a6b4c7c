/** What handlers of security and administration ask of the front-end, over settings that are durable at once. */
import type { Config, KafkaConfig } from '../../../../src/config/config.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { createSettings, type Settings } from '../../../../src/kernel/settings-table.ts';
import type { Done, StateLog } from '../../../../src/kernel/state/state-log.ts';
import { TableId } from '../../../../src/kernel/state/table.ts';
import type { Kafka } from '../../../../src/protocols/kafka/context.ts';
import type { HandlerTable } from '../../../../src/protocols/kafka/handlers.ts';
import type { Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import type { In, Out } from '../../../../src/protocols/kafka/schema/message.ts';
import type { Subject } from '../../../../src/protocols/kafka/security/authorizer.ts';
import { createSecurity, type SharedSecurity } from '../../../../src/protocols/kafka/security/security.ts';
import {
  createAuthentication,
  type ListenerAuthentication,
} from '../../../../src/security/authentication/authentication.ts';
import { isOpenListener } from '../../../../src/security/authentication/from-config.ts';
import { createAuthorization } from '../../../../src/security/authorization/authorization.ts';
import { configuredRules } from '../../../../src/security/authorization/configured-rules.ts';
import { createGuard } from '../../../../src/security/guard/guard.ts';
import type { Principal } from '../../../../src/security/security.ts';
import { type UserBench, userBench } from '../../../security/support.ts';
import type { ManualClock } from '../../../support/manual-clock.ts';

const loaded = await loadConfig({});
if (!loaded.ok) throw new Error('the defaults are refused');
export const defaults: Config = loaded.config;

/** A log in which every change is durable at once; `error` is what the next ones end with. */
export function immediateLog(): { readonly log: StateLog; error: Error | undefined; entries: Uint8Array[] } {
  const state = {
    error: undefined as Error | undefined,
    entries: [] as Uint8Array[],
    log: {
      add: (_table: number, entry: Uint8Array) => state.entries.push(entry),
      commit: (_level: string, done: Done) => done(state.error, state.error === undefined ? 0 : -1),
      refusal: () => undefined,
    } as unknown as StateLog,
  };
  return state;
}

type ApiName = keyof typeof Apis;
type Request<N extends ApiName> = Out<(typeof Apis)[N]['request']>;
type Answer<N extends ApiName> = In<(typeof Apis)[N]['response']>;

export interface Bench {
  readonly kafka: Kafka;
  readonly settings: Settings;
  readonly clock: ManualClock;
  readonly log: ReturnType<typeof immediateLog>;
  ask<N extends ApiName>(
    name: N,
    request: Partial<Request<N>>,
    who?: Subject,
    version?: number,
  ): Promise<Answer<N>>;
}

/** As the connection of somebody who has logged in is. */
export function subject(principal: string, remoteAddress: string, who: Partial<Principal> = {}): Subject {
  const userName = principal === 'User:ANONYMOUS' ? undefined : principal.slice('User:'.length);
  const identity: Principal = {
    tenant: '',
    userName,
    clientId: 'test',
    certificateName: undefined,
    roles: [],
    rules: [],
    isSuperuser: false,
    protocol: 'kafka',
    listener: 'kafka',
    remoteAddress,
    expiresAtMs: undefined,
    ...who,
  };
  return { principal, remoteAddress, identity };
}

export const admin = subject('User:admin', '10.0.0.1');
export const nobody = subject('User:nobody', '10.0.0.2');

/** The security of all protocols, over users whose hashes cost nothing. */
export function sharedSecurity(
  config: Config,
  { users, settings, clock }: UserBench,
  chain: ReadonlyMap<string, ListenerAuthentication> = new Map(),
): Omit<SharedSecurity, 'audit'> {
  const log = { info: () => {}, warn: () => {} };
  const limits = { timeoutMs: 5000, maxPending: 64 };
  return {
    users,
    authentication: createAuthentication({ listeners: chain, users, ...limits, clock, log }),
    authorization: createAuthorization({
      config: configuredRules(config.authorization),
      settings,
      isOpenListener: (name) => isOpenListener(config, name),
    }),
    guard: createGuard({ config: config.guard, tenants: config.tenants, settings, clock }),
    onUserChange: (listener) => users.onChange(listener),
  };
}

export function bench(
  handlers: HandlerTable,
  security: Partial<KafkaConfig['security']> = {},
  parts: Partial<Kafka> = {},
): Bench {
  const log = immediateLog();
  const settings = createSettings(TableId.KafkaSettings, 'kafka settings');
  settings.attach(log.log);
  const config: Config = {
    ...defaults,
    kafka: {
      ...defaults.kafka,
      security: { ...defaults.kafka.security, authorization: 'acl', superUsers: ['User:admin'], ...security },
    },
  };
  const people = userBench({ configured: config.kafka.security.users });
  const { clock } = people;
  const made = createSecurity({
    config,
    settings,
    shared: sharedSecurity(config, people),
    clock,
    log: { info: () => {}, warn: () => {} },
  });
  const kafka = {
    config,
    clock,
    settings,
    security: made,
    authorizer: made.authorizer,
    ...parts,
  } as unknown as Kafka;
  return {
    kafka,
    settings,
    clock,
    log,
    async ask(name, request, who = admin, version = 0) {
      const handler = handlers[name] as unknown as (kafka: Kafka, call: object) => unknown;
      return (await handler(kafka, { connection: who, version, clientId: 'test', request })) as never;
    },
  };
}
