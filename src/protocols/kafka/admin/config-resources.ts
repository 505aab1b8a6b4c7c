/** Configurations of what is no topic: brokers, their log, groups. */
import type { Edit } from '../../../kernel/settings-table.ts';
import { ownerOfName } from '../../../security/tenants/owners.ts';
import type { Caller, Kafka } from '../context.ts';
import type { Apis } from '../messages/apis.ts';
import { ConfigResource } from '../messages/configs.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import { tenantNameOf } from '../security/authorizer.ts';
import { type Answered, GOOD, refusalOf } from '../security/refusals.ts';
import { SettingKind } from '../security/setting-kinds.ts';
import { CLUSTER, Operation, ResourceType } from '../security/vocabulary.ts';
import { ConfigType, listOf } from '../topics/configs.ts';
import { type BrokerConfig, brokerConfigs } from './broker-configs.ts';
import { ConfigSource, valuesOf } from './broker-values.ts';
import { metricsConfigs, metricsEdit } from './client-metrics.ts';
import { GroupConfigName, groupConfig, groupConfigs, groupEdit } from './group-configs.ts';
import { type Scope, settingName } from './live-config.ts';

const ConfigOperation = { Set: 0, Delete: 1, Append: 2, Subtract: 3 } as const;

export type Described = In<
  (typeof Apis)['describeConfigs']['response']
>['results'][number]['configs'][number];

export interface Wanted {
  /** Null is all of them. */
  readonly keys: readonly string[] | null;
  readonly synonyms: boolean;
  readonly documentation: boolean;
}

export interface ConfigEdit {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

export interface Change {
  readonly edits: readonly ConfigEdit[];
  /** What is not named goes back to its default. */
  readonly replace: boolean;
  readonly validateOnly: boolean;
}

export interface Resource {
  readonly type: number;
  readonly name: string;
}

const LOGGER = 'root';
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const encoder = new TextEncoder();

const refused = (errorCode: ErrorCode, errorMessage: string): Answered => ({ errorCode, errorMessage });
const invalid = (errorMessage: string): Answered => refused(ErrorCode.INVALID_REQUEST, errorMessage);
const notAllowed = (errorCode: ErrorCode): Answered => refused(errorCode, 'it may not do this');

/** Where a request about a broker is meant for; a refusal where there is no such broker. */
function scopeOf({ broker }: Kafka, name: string): Scope | Answered {
  if (name === '') return 'cluster';
  return name === String(broker.nodeId) ? 'node' : invalid(`this is broker ${broker.nodeId}`);
}

function fault(
  kafka: Kafka,
  caller: Caller,
  { type, name }: Resource,
  operation: Operation,
): Answered | undefined {
  if (type === ConfigResource.Group) {
    if (name === '') return refused(ErrorCode.INVALID_GROUP_ID, 'a group has a name');
    const isAllowed = kafka.authorizer.allows(caller, operation, ResourceType.Group, name);
    return isAllowed ? undefined : notAllowed(ErrorCode.GROUP_AUTHORIZATION_FAILED);
  }
  const isOfBroker = type === ConfigResource.Broker || type === ConfigResource.BrokerLogger;
  if (!isOfBroker && type !== ConfigResource.ClientMetrics) {
    return invalid('resources of this type have no configuration here');
  }
  // They are the node's, and with it everybody's.
  const isAllowed =
    tenantNameOf(caller) === '' && kafka.authorizer.allows(caller, operation, ResourceType.Cluster, CLUSTER);
  if (!isAllowed) return notAllowed(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
  if (!isOfBroker) return name === '' ? invalid('a subscription has a name') : undefined;
  const scope = scopeOf(kafka, name);
  if (typeof scope === 'object') return scope;
  return type === ConfigResource.BrokerLogger && scope === 'cluster'
    ? invalid('a log is that of a broker')
    : undefined;
}

function describeBroker(kafka: Kafka, name: string, wanted: Wanted): Described[] {
  const isCluster = name === '';
  return [...brokerConfigs.values()].flatMap((each): Described[] => {
    if (wanted.keys !== null && !wanted.keys.includes(each.name)) return [];
    const values = valuesOf(kafka, each);
    // Of the whole cluster only what was set for it is shown.
    const first = isCluster ? values.find(({ source }) => source === ConfigSource.DynamicDefault) : values[0];
    if (first === undefined) return [];
    return [
      {
        name: each.name,
        value: each.isSensitive ? null : first.value,
        readOnly: each.change === undefined,
        isDefault: first.source === ConfigSource.Default,
        configSource: first.source,
        isSensitive: each.isSensitive,
        synonyms: wanted.synonyms && !each.isSensitive ? values.slice(values.indexOf(first)) : [],
        configType: each.type,
        documentation: wanted.documentation ? each.documentation : null,
      },
    ];
  });
}

function describeLogger({ logger }: Kafka, { keys, documentation }: Wanted): Described[] {
  if (keys !== null && !keys.includes(LOGGER)) return [];
  return [
    {
      name: LOGGER,
      value: logger.level.toUpperCase(),
      readOnly: false,
      isDefault: false,
      configSource: ConfigSource.DynamicLogger,
      isSensitive: false,
      synonyms: [],
      configType: ConfigType.String,
      documentation: documentation ? 'Least severe level that is logged, until the node ends.' : null,
    },
  ];
}

function describeGroup(kafka: Kafka, group: string, { keys, synonyms, documentation }: Wanted): Described[] {
  const set = kafka.groupConfigs.own(group);
  return groupConfigs
    .filter(({ name }) => keys?.includes(name) ?? true)
    .map((each) => {
      const own = set?.get(each.name);
      const usual = each.usual(kafka.config);
      const isOwn = own !== undefined;
      const ofBroker = each.synonym === undefined ? undefined : brokerConfigs.get(each.synonym);
      const brokerValues = ofBroker === undefined ? [] : valuesOf(kafka, ofBroker);
      const values = [
        ...(isOwn ? [{ name: each.name, value: own, source: ConfigSource.Group }] : []),
        ...brokerValues,
      ];
      return {
        name: each.name,
        value: own ?? usual,
        readOnly: false,
        isDefault: !isOwn,
        configSource: isOwn ? ConfigSource.Group : (brokerValues[0]?.source ?? ConfigSource.Default),
        isSensitive: false,
        synonyms: synonyms ? values : [],
        configType: each.type,
        documentation: documentation ? each.documentation : null,
      };
    });
}

function describeMetrics(kafka: Kafka, name: string, { keys, synonyms, documentation }: Wanted): Described[] {
  const values = kafka.clientMetrics.values(name);
  if (values === undefined) return [];
  return metricsConfigs
    .filter((each) => keys?.includes(each.name) ?? true)
    .map((each) => {
      const own = values[each.name];
      const value = own ?? each.usual;
      const configSource = own === undefined ? ConfigSource.Default : ConfigSource.ClientMetrics;
      return {
        name: each.name,
        value,
        readOnly: false,
        isDefault: own === undefined,
        configSource,
        isSensitive: false,
        synonyms: synonyms ? [{ name: each.name, value, source: configSource }] : [],
        configType: each.type,
        documentation: documentation ? each.documentation : null,
      };
    });
}

export function describeResource(kafka: Kafka, caller: Caller, resource: Resource, wanted: Wanted) {
  const wrong = fault(kafka, caller, resource, Operation.DescribeConfigs);
  if (wrong !== undefined) return { ...wrong, configs: [] };
  const { type, name } = resource;
  if (type === ConfigResource.Group) return { ...GOOD, configs: describeGroup(kafka, name, wanted) };
  if (type === ConfigResource.ClientMetrics)
    return { ...GOOD, configs: describeMetrics(kafka, name, wanted) };
  return {
    ...GOOD,
    configs:
      type === ConfigResource.Broker ? describeBroker(kafka, name, wanted) : describeLogger(kafka, wanted),
  };
}

/** A list as it counts for the scope, with something more or less in it. */
function changedList(kafka: Kafka, scope: Scope, each: BrokerConfig, isMore: boolean, value: string): string {
  const values = valuesOf(kafka, each);
  const first = values.find(({ source }) => scope === 'node' || source !== ConfigSource.DynamicBroker);
  const now = listOf(first?.value ?? '');
  const change = listOf(value);
  return isMore
    ? [...new Set([...now, ...change])].join()
    : now.filter((one) => !change.includes(one)).join();
}

function brokerEdit(kafka: Kafka, scope: Scope, { name, configOperation, value }: ConfigEdit): Edit | string {
  const known = brokerConfigs.get(name);
  if (known?.change === undefined) return `there is no configuration ${name} of brokers that can be changed`;
  const edit = { kind: SettingKind.BrokerConfig, name: settingName(scope, name) };
  if (configOperation === ConfigOperation.Delete) return { ...edit, value: undefined };
  if (value === null) return `${name} has no value`;
  const isSet = configOperation === ConfigOperation.Set;
  if (!isSet && known.type !== ConfigType.List) return `${name} is no list`;
  const isMore = configOperation === ConfigOperation.Append;
  const next = isSet ? value : changedList(kafka, scope, known, isMore, value);
  const reason = known.change.check(next);
  return reason === undefined ? { ...edit, value: encoder.encode(next) } : `${name} ${reason}`;
}

async function alterBroker(
  kafka: Kafka,
  name: string,
  { edits, replace, validateOnly }: Change,
): Promise<Answered> {
  const scope = scopeOf(kafka, name);
  if (typeof scope === 'object') return scope;
  for (const each of edits) {
    const known = brokerConfigs.get(each.name);
    if (known !== undefined && known.change === undefined) {
      return invalid(`${each.name} can be changed in the configuration of the node only`);
    }
    const edit = brokerEdit(kafka, scope, each);
    if (typeof edit === 'string') return refused(ErrorCode.INVALID_CONFIG, edit);
  }
  if (validateOnly) return GOOD;
  const outcome = await kafka.settings.change(() => {
    // Now that all changes before are in force: lists are changed where they stand.
    const wanted = edits
      .map((each) => brokerEdit(kafka, scope, each))
      .filter((each) => typeof each !== 'string');
    const named = new Set(wanted.map((edit) => edit.name));
    const others = [...kafka.settings.list(SettingKind.BrokerConfig)]
      .map(([each]) => each)
      .filter((each) => replace && each.startsWith(settingName(scope, '')) && !named.has(each));
    return [
      ...others.map((each) => ({ kind: SettingKind.BrokerConfig, name: each, value: undefined })),
      ...wanted,
    ];
  });
  return refusalOf(outcome);
}

function alterLogger(kafka: Kafka, { edits, replace, validateOnly }: Change): Answered {
  if (replace) return invalid('levels of logs are changed one by one');
  for (const { name, configOperation, value } of edits) {
    if (name !== LOGGER) return refused(ErrorCode.INVALID_CONFIG, `there is no log ${name}`);
    const isSet = configOperation === ConfigOperation.Set && value !== null && LEVELS.includes(value);
    if (!isSet)
      return refused(ErrorCode.INVALID_CONFIG, `the level of ${name} is set to one of ${LEVELS.join()}`);
    if (!validateOnly) kafka.logger.level = value.toLowerCase();
  }
  return GOOD;
}

/** The values that would be; a sentence where they cannot be. */
function editedMetrics(before: Readonly<Record<string, string>>, edits: readonly ConfigEdit[]) {
  const values = new Map(Object.entries(before));
  for (const { name, configOperation, value } of edits) {
    const known = metricsConfigs.find((each) => each.name === name);
    if (known === undefined) return `there is no configuration ${name} of client metrics`;
    if (configOperation === ConfigOperation.Delete) {
      values.delete(name);
      continue;
    }
    if (value === null) return `${name} has no value`;
    const now = listOf(values.get(name) ?? known.usual);
    const change = listOf(value);
    if (configOperation === ConfigOperation.Set) values.set(name, value);
    else if (known.type !== ConfigType.List) return `${name} is no list`;
    else if (configOperation === ConfigOperation.Append)
      values.set(name, [...new Set([...now, ...change])].join());
    else values.set(name, now.filter((each) => !change.includes(each)).join());
    const reason = known.check(values.get(name) ?? '');
    if (reason !== undefined) return `${name} ${reason}`;
  }
  return Object.fromEntries(values);
}

async function alterMetrics(
  kafka: Kafka,
  name: string,
  { edits, replace, validateOnly }: Change,
): Promise<Answered> {
  const before = () => (replace ? {} : (kafka.clientMetrics.values(name) ?? {}));
  const wanted = editedMetrics(before(), edits);
  if (typeof wanted === 'string') return refused(ErrorCode.INVALID_CONFIG, wanted);
  if (validateOnly) return GOOD;
  const outcome = await kafka.settings.change(() => {
    const values = editedMetrics(before(), edits);
    return typeof values === 'string' ? [] : [metricsEdit(name, values)];
  });
  return refusalOf(outcome);
}

/** Why a value that may be for some group cannot be now. */
function missingTopic({ topics }: Kafka, group: string, name: string, value: string): string | undefined {
  if (name !== GroupConfigName.deadLetterTopic || value === '') return undefined;
  if (topics.get(ownerOfName(group).toKafkaTopic(value)) !== undefined) return undefined;
  return `${name}: there is no topic ${value}`;
}

async function alterGroup(
  kafka: Kafka,
  group: string,
  { edits, replace, validateOnly }: Change,
): Promise<Answered> {
  const wanted: Edit[] = [];
  for (const { name, configOperation, value } of edits) {
    const known = groupConfig(name);
    if (known === undefined)
      return refused(ErrorCode.INVALID_CONFIG, `there is no configuration ${name} of groups`);
    if (configOperation === ConfigOperation.Delete) {
      wanted.push(groupEdit(group, name, undefined));
      continue;
    }
    if (configOperation !== ConfigOperation.Set)
      return refused(ErrorCode.INVALID_CONFIG, `${name} is no list`);
    if (value === null) return refused(ErrorCode.INVALID_CONFIG, `${name} has no value`);
    const reason = known.check(value);
    if (reason !== undefined) return refused(ErrorCode.INVALID_CONFIG, `${name} ${reason}`);
    const missing = missingTopic(kafka, group, name, value);
    if (missing !== undefined) return refused(ErrorCode.INVALID_CONFIG, missing);
    wanted.push(groupEdit(group, name, value));
  }
  if (validateOnly) return GOOD;
  const named = new Set(edits.map(({ name }) => name));
  const outcome = await kafka.settings.change(() => {
    const others = replace ? [...(kafka.groupConfigs.own(group)?.keys() ?? [])] : [];
    return [
      ...others.filter((name) => !named.has(name)).map((name) => groupEdit(group, name, undefined)),
      ...wanted,
    ];
  });
  return refusalOf(outcome);
}

export async function alterResource(
  kafka: Kafka,
  caller: Caller,
  resource: Resource,
  change: Change,
): Promise<Answered> {
  const wrong = fault(kafka, caller, resource, Operation.AlterConfigs);
  if (wrong !== undefined) return wrong;
  const names = change.edits.map(({ name }) => name);
  if (new Set(names).size < names.length) return invalid('a configuration is there twice');
  if (resource.type === ConfigResource.Broker) return alterBroker(kafka, resource.name, change);
  if (resource.type === ConfigResource.BrokerLogger) return alterLogger(kafka, change);
  if (resource.type === ConfigResource.ClientMetrics) return alterMetrics(kafka, resource.name, change);
  return alterGroup(kafka, resource.name, change);
}
