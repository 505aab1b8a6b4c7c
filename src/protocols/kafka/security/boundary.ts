/**
 * Where names of clients become those of the broker, and back: once for each request and its answer, by what the messages say of
 * their fields. Handlers, tables and logs know the broker's names alone. What a client names that it cannot have is given a name that
 * nothing has, and comes back as it was written; what an answer has of others is left out of it.
 */
import { ownerOfKafkaTopic } from '../../../security/tenants/owners.ts';
import { tenantOf } from '../../../security/tenants/tenants.ts';
import type { Call, Handler } from '../handlers.ts';
import { type Api, Apis } from '../messages/apis.ts';
import { ConfigResource } from '../messages/configs.ts';
import { ZERO_UUID } from '../schema/fields.ts';
import type { In } from '../schema/message.ts';
import type { MapNames, NameMap } from '../schema/names.ts';
import type { Topic, TopicChange } from '../topics/topics.ts';
import { tenantNameOf } from './authorizer.ts';

/** Both ways, for who has the tenant. */
export interface Borders {
  readonly inward: NameMap;
  readonly outward: NameMap;
}

export interface Boundary {
  /** No tenant has a topic. */
  readonly isOpen: boolean;
  of(tenant: string): Borders;
}

interface KnownTopics {
  list(): Iterable<Topic>;
  onChange(callback: (topic: Topic, change: TopicChange) => void): () => void;
}

/** In front of what must not be found. Neither a topic nor a topic's id has it, and nothing of a tenant begins with it. */
const NOBODYS = '\0';
const veiled = (name: string): string => NOBODYS + name;
const isVeiled = (name: string): boolean => name.startsWith(NOBODYS);

const MAX_TENANTS = 1024;
const MAX_NAMES = 4096;
/** Longer ones are no topics. */
const MAX_NAME_CHARS = 249;

/** The same text for the same name, so that tables need not look at it twice. */
function remembered(make: (name: string) => string): (name: string) => string {
  const names = new Map<string, string>();
  return (name) => {
    if (name.length > MAX_NAME_CHARS) return make(name);
    let made = names.get(name);
    if (made === undefined) {
      if (names.size >= MAX_NAMES) names.clear();
      made = make(name);
      names.set(name, made);
    }
    return made;
  };
}

const withResources = (names: Omit<NameMap, 'configResource'>): NameMap => ({
  ...names,
  configResource(name, type) {
    if (type === ConfigResource.Topic) return names.topicName(name);
    return type === ConfigResource.Group ? names.groupId(name) : name;
  },
});

function bordersOf(tenantName: string, idOwners: ReadonlyMap<string, string>): Borders {
  const tenant = tenantOf(tenantName);
  const hasTenant = tenantName !== '';
  const topicPrefix = tenant.toKafkaTopic('');
  const prefix = tenant.toName('') ?? '';
  const toTopic = hasTenant
    ? remembered((name) => tenant.toKafkaTopic(name))
    : (name: string): string =>
        isVeiled(name) || tenant.fromKafkaTopic(name) === undefined ? veiled(name) : name;
  const isForeignId = (id: string): boolean => {
    if (id === ZERO_UUID || (idOwners.size === 0 && !hasTenant)) return false;
    const owner = idOwners.get(id);
    // Of those that are nobody's it is not known which there are.
    return hasTenant ? owner !== tenantName : owner !== undefined;
  };
  // The empty one stays what it is, so that it is refused as such.
  const toName = (name: string): string => (name === '' ? name : (tenant.toName(name) ?? veiled(name)));
  const fromName = (name: string): string | undefined => {
    if (name === '') return name;
    return isVeiled(name) ? name.slice(NOBODYS.length) : tenant.fromName(name);
  };
  return {
    inward: withResources({
      topicName: toTopic,
      topicId: (id) => (isForeignId(id) ? veiled(id) : id),
      groupId: toName,
      transactionalId: toName,
      message: (text) => text,
    }),
    outward: withResources({
      topicName(name) {
        if (name === '') return name;
        return isVeiled(name) ? name.slice(NOBODYS.length) : tenant.fromKafkaTopic(name);
      },
      topicId(id) {
        if (isVeiled(id)) return id.slice(NOBODYS.length);
        const owner = idOwners.get(id);
        return owner === undefined || owner === tenantName ? id : undefined;
      },
      groupId: fromName,
      transactionalId: fromName,
      message: (text) => (hasTenant ? text.replaceAll(topicPrefix, '').replaceAll(prefix, '') : text),
    }),
  };
}

export function createBoundary(topics: KnownTopics): Boundary {
  /** Of topics of tenants, by their ids. */
  const idOwners = new Map<string, string>();
  const know = ({ id, name }: Topic): void => {
    const { name: owner } = ownerOfKafkaTopic(name);
    if (owner !== '') idOwners.set(id, owner);
  };
  for (const topic of topics.list()) know(topic);
  topics.onChange((topic, change) => {
    if (change === 'deleted') idOwners.delete(topic.id);
    else know(topic);
  });
  const nobodys = bordersOf('', idOwners);
  const borders = new Map<string, Borders>();
  return {
    get isOpen() {
      return idOwners.size === 0;
    },
    of(tenant) {
      if (tenant === '') return nobodys;
      let found = borders.get(tenant);
      if (found === undefined) {
        if (borders.size >= MAX_TENANTS) borders.clear();
        found = bordersOf(tenant, idOwners);
        borders.set(tenant, found);
      }
      return found;
    },
  };
}

/** Their answers have nothing that the request has not named. */
const ECHOES: ReadonlySet<number> = new Set([Apis.produce.key, Apis.fetch.key, Apis.shareFetch.key]);

type Answer = In<Api['response']> | undefined;

/** The handler, with the names of the broker on the one side and those of the client on the other. */
export function bounded(api: Api, handler: Handler<Api>): Handler<Api> {
  const isEcho = ECHOES.has(api.key);
  return (kafka, call) => {
    const { version, request, connection } = call;
    const tenant = tenantNameOf(connection);
    // Most brokers: there is nothing to be found, and what could be spelled the authorizer refuses.
    if (isEcho && tenant === '' && kafka.boundary.isOpen) return handler(kafka, call);
    const mapRequest = api.request.mapNames(version);
    const mapAnswer = api.response.mapNames(version);
    if (mapRequest === undefined && mapAnswer === undefined) return handler(kafka, call);
    const { inward, outward } = kafka.boundary.of(tenant);
    const inner = mapRequest === undefined ? request : mapRequest(request, inward);
    const isSame = inner === request;
    const answer = handler(kafka, isSame ? call : { ...call, request: inner as Call<Api>['request'] });
    if (mapAnswer === undefined || (isSame && tenant === '' && isEcho)) return answer;
    if (answer instanceof Promise) return answer.then((value) => mapped(api, value, mapAnswer, outward));
    return mapped(api, answer, mapAnswer, outward);
  };
}

function mapped({ name }: Api, answer: Answer, map: MapNames<unknown>, outward: NameMap): Answer {
  if (answer === undefined) return undefined;
  const value = map(answer, outward) as Answer;
  if (value === undefined) throw new Error(`an answer to ${name} is about what is another's`);
  return value;
}
