/** Requests about the SCRAM credentials of users. Passwords are not among them, and nothing secret is ever answered. */
import {
  credentialOf,
  digestBytes,
  MAX_ITERATIONS,
  MIN_ITERATIONS,
  type ScramMechanism,
  scramMechanisms,
} from '../../../security/scram/scram.ts';
import type { User, Users } from '../../../security/users/users.ts';
import type { Caller, Kafka } from '../context.ts';
import type { Handler, HandlerTable } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { tenantNameOf } from './authorizer.ts';
import { type Answered, GOOD, refusalOf } from './refusals.ts';
import { CLUSTER, Operation, ResourceType } from './vocabulary.ts';

const MAX_USER_LENGTH = 1024;
const MAX_SALT_BYTES = 1024;
const MIN_SALT_BYTES = 8;

/** As the protocol numbers them, from 1 on. */
const mechanismOf = (number: number): ScramMechanism | undefined => scramMechanisms[number - 1];
const numberOf = (mechanism: ScramMechanism): number => scramMechanisms.indexOf(mechanism) + 1;

const answer = (errorCode: ErrorCode, errorMessage: string | null = null): Answered => ({
  errorCode,
  errorMessage,
});
const noMechanism = answer(ErrorCode.UNSUPPORTED_SASL_MECHANISM, 'there is no such mechanism');
const unacceptable = (why: string): Answered => answer(ErrorCode.UNACCEPTABLE_CREDENTIAL, why);

const ofConfiguration = unacceptable('the user stands in the configuration, and is changed there');
const administered = unacceptable('the user is administered elsewhere');
const PAGE = 1000;
const ANONYMOUS = 'User:ANONYMOUS';

/**
 * The users are those of all protocols: whoever may do everything in Kafka must not become an administrator of the node by
 * giving one a new password. Without access control lists only users whom Kafka's clients have made are theirs.
 */
function isOurs({ authorizer }: Kafka, caller: Caller, user: User | undefined): boolean {
  if (user === undefined || user.isSuperuser) return user === undefined;
  const tenant = tenantNameOf(caller);
  if (tenant !== '' && user.tenant !== tenant) return false;
  if (authorizer.isEnabled) return true;
  return !user.hasPassword && user.roles.length === 0 && user.tenant === tenant;
}

/** Also where there are no access control lists, who has shown nothing makes and sees no users. */
const isRefused = (kafka: Kafka, caller: Caller, operation: Operation): boolean =>
  caller.principal === ANONYMOUS ||
  !kafka.authorizer.allows(caller, operation, ResourceType.Cluster, CLUSTER);

/** Users with credentials that were set, by name. */
function* credentialled(kafka: Kafka, caller: Caller): Iterable<User> {
  const { users } = kafka.security;
  let after: string | undefined = '';
  while (after !== undefined) {
    const page: ReturnType<Users['list']> = users.list({ after, limit: PAGE });
    yield* page.users.filter((user) => user.scram.length > 0 && isOurs(kafka, caller, user));
    after = page.next;
  }
}

type Request = Parameters<Handler<(typeof Apis)['alterUserScramCredentials']>>[1]['request'];

function nameFault(name: string): Answered | undefined {
  if (name === '') return unacceptable('the user has no name');
  return name.length > MAX_USER_LENGTH ? unacceptable('the name of the user is too long') : undefined;
}

function upsertionFault({
  name,
  mechanism,
  iterations,
  salt,
  saltedPassword,
}: Request['upsertions'][number]) {
  const known = mechanismOf(mechanism);
  if (known === undefined) return noMechanism;
  if (iterations < MIN_ITERATIONS) return unacceptable('too few iterations');
  if (iterations > MAX_ITERATIONS) return unacceptable('too many iterations');
  if (salt.length < MIN_SALT_BYTES || salt.length > MAX_SALT_BYTES)
    return unacceptable('the salt is too short or long');
  if (saltedPassword.length !== digestBytes(known))
    return unacceptable('the salted password has another length');
  return nameFault(name);
}

export const alterUserScramCredentials: Handler<(typeof Apis)['alterUserScramCredentials']> = async (
  kafka,
  { connection, request },
) => {
  const { deletions, upsertions } = request;
  const users = [...new Set([...deletions, ...upsertions].map(({ name }) => name))];
  if (isRefused(kafka, connection, Operation.Alter)) {
    const refused = answer(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    return { throttleTimeMs: 0, results: users.map((user) => ({ user, ...refused })) };
  }
  const faults = new Map<string, Answered>();
  const seen = new Set<string>();
  for (const { name, mechanism } of [...deletions, ...upsertions]) {
    const key = `${mechanism} ${name}`;
    if (seen.has(key)) faults.set(name, answer(ErrorCode.DUPLICATE_RESOURCE, 'a credential is there twice'));
    seen.add(key);
  }
  const note = (name: string, fault: Answered | undefined): void => {
    if (fault !== undefined && !faults.has(name)) faults.set(name, fault);
  };
  for (const each of upsertions) note(each.name, upsertionFault(each));
  for (const { name, mechanism } of deletions) {
    note(name, mechanismOf(mechanism) === undefined ? noMechanism : nameFault(name));
  }
  const known = kafka.security.users;
  const outcome = await known.editScram(() => {
    for (const name of users) {
      const user = known.get(name);
      if (user?.isConfigured === true) note(name, ofConfiguration);
      else if (!isOurs(kafka, connection, user)) note(name, administered);
    }
    for (const { name, mechanism } of deletions) {
      const found = mechanismOf(mechanism);
      const own = known.get(name)?.scram ?? [];
      if (found !== undefined && !own.some((each) => each.mechanism === found)) {
        note(name, answer(ErrorCode.RESOURCE_NOT_FOUND, 'there is no such credential'));
      }
    }
    return [
      ...deletions.map(({ name, mechanism }) => ({ name, mechanism, credential: undefined })),
      ...upsertions.map(({ name, mechanism, iterations, salt, saltedPassword }) => ({
        name,
        mechanism,
        // The request's memory must not live as long as the credential.
        credential: credentialOf(
          mechanismOf(mechanism) ?? 'SCRAM-SHA-256',
          salt.slice(),
          iterations,
          saltedPassword,
        ),
      })),
    ]
      .filter(({ name }) => !faults.has(name))
      .map(({ name, mechanism, credential }) => ({
        userName: name,
        mechanism: mechanismOf(mechanism) ?? 'SCRAM-SHA-256',
        credential,
        tenant: tenantNameOf(connection),
      }));
  });
  const result = refusalOf(outcome);
  return { throttleTimeMs: 0, results: users.map((user) => ({ user, ...(faults.get(user) ?? result) })) };
};

export const describeUserScramCredentials: Handler<(typeof Apis)['describeUserScramCredentials']> = (
  kafka,
  { connection, request },
) => {
  if (isRefused(kafka, connection, Operation.Describe)) {
    return { throttleTimeMs: 0, ...answer(ErrorCode.CLUSTER_AUTHORIZATION_FAILED), results: [] };
  }
  const known = kafka.security.users;
  const asked = (request.users ?? []).map(({ name }) => name);
  const users =
    asked.length === 0
      ? Array.from(credentialled(kafka, connection), ({ name }) => name)
      : [...new Set(asked)];
  return {
    throttleTimeMs: 0,
    ...GOOD,
    results: users.map((user) => {
      if (asked.indexOf(user) !== asked.lastIndexOf(user)) {
        const twice = answer(ErrorCode.DUPLICATE_RESOURCE, 'the user is there twice');
        return { user, ...twice, credentialInfos: [] };
      }
      const found = known.get(user);
      const credentials = isOurs(kafka, connection, found) ? (found?.scram ?? []) : [];
      if (credentials.length === 0) {
        const nobody = answer(ErrorCode.RESOURCE_NOT_FOUND, 'the user has no credentials');
        return { user, ...nobody, credentialInfos: [] };
      }
      const infos = credentials.map(({ mechanism, iterations }) => ({
        mechanism: numberOf(mechanism),
        iterations,
      }));
      return { user, ...GOOD, credentialInfos: infos };
    }),
  };
};

export const scramHandlers = {
  alterUserScramCredentials,
  describeUserScramCredentials,
} satisfies HandlerTable;
