/**
 * Requests of administration to the handlers that Kafka's clients reach as well, so that both are checked and done by the
 * same code. Who may ask was decided by the scope of the operation; the principal is of a type that no log-in gives.
 */
import { OperationError } from '../admin/operation.ts';
import type { Caller, Kafka } from '../protocols/kafka/context.ts';
import { handlers } from '../protocols/kafka/dispatch.ts';
import {
  type ApiName,
  type ApiTable,
  type Call,
  type Handler,
  ownMemory,
} from '../protocols/kafka/handlers.ts';
import { Apis } from '../protocols/kafka/messages/apis.ts';
import { ErrorCode, errorName } from '../protocols/kafka/messages/errors.ts';
import type { In } from '../protocols/kafka/schema/message.ts';

const administrator: Caller = {
  listener: '',
  remoteAddress: '',
  endpoint: { host: '', port: 0 },
  principal: 'Administrator:',
  identity: undefined,
  meter: undefined,
  authentication: {
    admits: () => false,
    isDeciding: false,
    isThrough: false,
    isRaw: false,
    handshake: () => ({ errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] }),
    authenticate: () => Promise.reject(new Error('administration does not log in here')),
    authenticateRaw: async () => undefined,
  },
  isClosed: false,
  onClose: () => () => {},
  mute() {},
  end() {},
};

const allowed: Kafka['authorizer'] = {
  isEnabled: false,
  allows: () => true,
  denies: () => false,
  allowedOperations: () => 0,
  allowsAny: () => true,
  onChange: () => () => {},
};

export async function ask<N extends ApiName>(
  kafka: Kafka,
  name: N,
  version: number,
  request: Call<ApiTable[N]>['request'],
): Promise<In<ApiTable[N]['response']>> {
  const handler = handlers[name] as Handler<ApiTable[N]> | undefined;
  const call: Call<ApiTable[N]> = {
    connection: administrator,
    version,
    clientId: null,
    request,
    memory: ownMemory(),
  };
  const answer = await handler?.({ ...kafka, authorizer: allowed }, call);
  if (answer === undefined) throw new Error(`${Apis[name].name} gives no answer`);
  return answer;
}

const STATUS: ReadonlyMap<number, number> = new Map([
  [ErrorCode.INVALID_TOPIC_EXCEPTION, 400],
  [ErrorCode.INVALID_PARTITIONS, 400],
  [ErrorCode.INVALID_CONFIG, 400],
  [ErrorCode.INVALID_REQUEST, 400],
  [ErrorCode.INVALID_GROUP_ID, 400],
  [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 404],
  [ErrorCode.GROUP_ID_NOT_FOUND, 404],
]);

/** Rejects where the answer has an error; everything that is neither wrong nor missing is a conflict. */
export function expectDone(
  answer: { readonly errorCode: number; readonly errorMessage?: string | null | undefined } | undefined,
  what: string,
): void {
  if (answer === undefined) throw new Error(`${what}: no answer`);
  const { errorCode, errorMessage } = answer;
  if (errorCode === ErrorCode.NONE) return;
  const kind = errorName(errorCode).toLowerCase().replaceAll('_', '-');
  throw new OperationError(STATUS.get(errorCode) ?? 409, kind, `${what}: ${errorMessage ?? kind}`);
}
