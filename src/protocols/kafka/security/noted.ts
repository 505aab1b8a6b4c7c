/**
 * What administrators change through Kafka is in the audit log before it is made, and with its outcome before it is answered.
 * Of those who may change nothing of what they ask for a bounded number of lines is written.
 */
import { AuditUnavailable } from '../../../security/audit/audit.ts';
import type { AuditEvent } from '../../../security/audit/entry.ts';
import type { Caller, Kafka } from '../context.ts';
import type { ApiName, Handler } from '../handlers.ts';
import type { Api } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { NameMap } from '../schema/names.ts';
import { tenantNameOf } from './authorizer.ts';
import { CLUSTER, Operation, ResourceType } from './vocabulary.ts';

type Target = readonly [Operation, ResourceType, string];

interface Asked {
  readonly topics?: readonly { readonly name?: string | null; readonly topicId?: string }[];
  readonly topicNames?: readonly string[];
  readonly resources?: readonly { readonly resourceType: number; readonly resourceName: string }[];
  readonly groupsNames?: readonly string[];
  readonly groupId?: string;
  readonly validateOnly?: boolean;
}

const TOPIC_CONFIG = 2;
const cluster = (operation: Operation): Target[] => [[operation, ResourceType.Cluster, CLUSTER]];

function topicsOf({ topics }: Kafka, asked: Asked): string[] {
  const named = (asked.topics ?? []).map(
    ({ name, topicId }) => name ?? (topicId === undefined ? '' : (topics.byId(topicId)?.name ?? '')),
  );
  return [...named, ...(asked.topicNames ?? [])];
}

const ofTopics =
  (operation: Operation) =>
  (kafka: Kafka, asked: Asked): Target[] =>
    topicsOf(kafka, asked).map((name) => [operation, ResourceType.Topic, name]);

const ofConfigs = (_kafka: Kafka, { resources = [] }: Asked): Target[] =>
  resources.flatMap(({ resourceType, resourceName }): Target[] =>
    resourceType === TOPIC_CONFIG
      ? [[Operation.AlterConfigs, ResourceType.Topic, resourceName]]
      : [...cluster(Operation.AlterConfigs), [Operation.AlterConfigs, ResourceType.Group, resourceName]],
  );

const ofGroups =
  (operation: Operation) =>
  (_kafka: Kafka, { groupsNames = [], groupId }: Asked): Target[] =>
    [...groupsNames, ...(groupId === undefined ? [] : [groupId])].map((name) => [
      operation,
      ResourceType.Group,
      name,
    ]);

/** What each of them is about; whoever may nothing of it is refused by its handler. */
const CHANGES: Readonly<Partial<Record<ApiName, (kafka: Kafka, asked: Asked) => Target[]>>> = {
  createTopics: (kafka, asked) => [...cluster(Operation.Create), ...ofTopics(Operation.Create)(kafka, asked)],
  deleteTopics: ofTopics(Operation.Delete),
  createPartitions: ofTopics(Operation.Alter),
  deleteRecords: ofTopics(Operation.Delete),
  alterConfigs: ofConfigs,
  incrementalAlterConfigs: ofConfigs,
  deleteGroups: ofGroups(Operation.Delete),
  offsetDelete: ofGroups(Operation.Delete),
  alterShareGroupOffsets: ofGroups(Operation.Read),
  deleteShareGroupOffsets: ofGroups(Operation.Delete),
  createAcls: () => cluster(Operation.Alter),
  deleteAcls: () => cluster(Operation.Alter),
  alterClientQuotas: () => cluster(Operation.AlterConfigs),
  alterUserScramCredentials: () => cluster(Operation.Alter),
  updateFeatures: () => cluster(Operation.Alter),
};

const REFUSALS: ReadonlySet<number> = new Set([
  ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  ErrorCode.GROUP_AUTHORIZATION_FAILED,
  ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
]);
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ErrorCode).map(([name, code]) => [code, name]),
);
const MAX_DEPTH = 5;

/** Of an answer, wherever they stand in it. */
function errorsIn(answer: unknown, found: Set<number> = new Set(), depth = 0): Set<number> {
  if (typeof answer !== 'object' || answer === null || answer instanceof Uint8Array || depth > MAX_DEPTH) {
    return found;
  }
  const { errorCode } = answer as { readonly errorCode?: unknown };
  if (typeof errorCode === 'number' && errorCode !== ErrorCode.NONE) found.add(errorCode);
  for (const each of Object.values(answer)) errorsIn(each, found, depth + 1);
  return found;
}

function outcomeOf(answer: unknown): Pick<AuditEvent, 'result' | 'reason'> {
  const errors = [...errorsIn(answer)];
  if (errors.length === 0) return { result: 'ok' };
  const reason = errors.map((code) => NAMES.get(code) ?? String(code)).join(', ');
  return { result: errors.every((code) => REFUSALS.has(code)) ? 'refused' : 'failed', reason };
}

const TELLING = /pass|secret|jaas|token|credential|private|key/i;

/** As the client has written it: the entry says whose it is. */
function asWritten(value: unknown, names: NameMap): unknown {
  if (typeof value === 'string') return names.message(value);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((each) => asWritten(each, names));
  return Object.fromEntries(Object.entries(value).map(([field, each]) => [field, asWritten(each, names)]));
}

/** Values of settings whose names tell that they are secret, whether there are such settings or not. */
function withoutSecrets(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  const entries = Object.entries(value);
  const { name } = value as { readonly name?: unknown };
  const isSecret = typeof name === 'string' && TELLING.test(name);
  return Object.fromEntries(
    entries.map(([field, each]) => [field, isSecret && field === 'value' ? '***' : withoutSecrets(each)]),
  );
}

const eventOf = ({ boundary }: Kafka, name: ApiName, caller: Caller, request: unknown) => {
  const tenant = tenantNameOf(caller);
  const input = withoutSecrets(request);
  return {
    user: caller.identity?.userName,
    tenant,
    via: 'kafka',
    remoteAddress: caller.remoteAddress,
    operation: `kafka.${name}`,
    input: tenant === '' ? input : asWritten(input, boundary.of(tenant).outward),
  };
};

const REFUSALS_PER_SECOND = 10;
const refusalsNoted = new WeakMap<Kafka, { sinceMs: number; count: number }>();

function mayNoteRefusal(kafka: Kafka): boolean {
  const nowMs = kafka.clock.monotonicMs();
  const known = refusalsNoted.get(kafka);
  if (known === undefined || nowMs - known.sinceMs >= 1000) {
    refusalsNoted.set(kafka, { sinceMs: nowMs, count: 1 });
    return true;
  }
  return known.count++ < REFUSALS_PER_SECOND;
}

/** The handler as it is served. */
export function noted(name: ApiName, handler: Handler<Api>): Handler<Api> {
  const targetsOf = CHANGES[name];
  if (targetsOf === undefined) return handler;
  return async (kafka, call) => {
    const { connection } = call;
    const request = call.request as Asked;
    if (request.validateOnly === true) return handler(kafka, call);
    const mayDoSome = targetsOf(kafka, request).some(([operation, type, resource]) =>
      kafka.authorizer.allows(connection, operation, type, resource),
    );
    const event = eventOf(kafka, name, connection, request);
    const run = async () => handler(kafka, call);
    if (!mayDoSome) {
      const answer = await run();
      if (mayNoteRefusal(kafka)) await kafka.audit.note({ ...event, ...outcomeOf(answer) });
      return answer;
    }
    try {
      return await kafka.audit.change(event, run, outcomeOf);
    } catch (error) {
      if (!(error instanceof AuditUnavailable)) throw error;
      // Each answer would say it in its own way; a client that is let go tries again.
      connection.end('what it changes cannot be noted in the audit log');
      return undefined;
    }
  };
}
