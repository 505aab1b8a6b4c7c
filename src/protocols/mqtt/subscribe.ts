/** SUBSCRIBE and UNSUBSCRIBE: each filter is judged by itself, one answer for all, then retained messages. */

import { TableId } from '../../kernel/state/table.ts';
import type { Tenant } from '../../security/tenants/tenants.ts';
import { type Grant, isPromise } from './auth.ts';
import {
  PacketType,
  type SubscribePacket,
  type SubscriptionRequest,
  type UnsubscribePacket,
} from './codec/packets.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { closeConnection } from './disconnect.ts';
import { encodeEntry } from './durable/session-entries.ts';
import { observed } from './observed.ts';
import { pump } from './pump.ts';
import { cancelRetained, queueRetained } from './retained-delivery.ts';
import { sendPacket } from './send-packet.ts';
import type { Session } from './session.ts';
import { drainSharedFor, forgetEmptyGroups } from './shared.ts';
import { stall } from './stall.ts';
import { packOptions } from './subscription-options.ts';
import { parseFilter } from './topic.ts';

type Decision = Grant | Promise<Grant>;

interface Asked {
  readonly request: SubscriptionRequest;
  readonly group: string | undefined;
  /** As the broker names it. */
  readonly filter: Uint8Array;
  /** Failure that is known without asking who the client is. */
  readonly failure: number | undefined;
}

interface RetainedDue {
  readonly filter: Uint8Array;
  readonly options: number;
}

export function handleSubscribe(mqtt: Mqtt, connection: Connection, packet: SubscribePacket): void {
  const { identity } = connection;
  if (identity === undefined) return;
  if (
    packet.properties.subscriptionIdentifier !== undefined &&
    !mqtt.config.mqtt.subscriptionIdentifiersAvailable
  ) {
    closeConnection(mqtt, connection, { reasonCode: ReasonCode.SubscriptionIdentifiersNotSupported });
    return;
  }
  const asked = packet.subscriptions.map((request) => parse(mqtt, connection.tenant, request));
  const decisions = asked.map(({ failure, filter, group }): Decision => {
    return failure === undefined && mqtt.authorizer.maySubscribe(identity, filter, group);
  });
  const finish = (allowed: readonly Grant[]): void => subscribe(mqtt, connection, packet, asked, allowed);
  if (decisions.some(isPromise)) stall(mqtt, connection, Promise.all(decisions), finish);
  else finish(decisions as Grant[]);
}

function parse(mqtt: Mqtt, tenant: Tenant, request: SubscriptionRequest): Asked {
  const { mqtt: config } = mqtt.config;
  const parsed = parseFilter(request.filter, config);
  if ('type' in parsed) {
    return { request, group: undefined, filter: request.filter, failure: parsed.reasonCode };
  }
  const { group, wildcard } = parsed;
  const filter = tenant.toFilter(parsed.filter);
  let failure: number | undefined;
  if (filter === undefined) failure = ReasonCode.TopicFilterInvalid;
  else if (group !== undefined && !config.sharedSubscriptionAvailable) {
    failure = ReasonCode.SharedSubscriptionsNotSupported;
  } else if (wildcard && !config.wildcardSubscriptionAvailable) {
    failure = ReasonCode.WildcardSubscriptionsNotSupported;
  }
  return { request, group, filter: filter ?? parsed.filter, failure };
}

function subscribe(
  mqtt: Mqtt,
  connection: Connection,
  packet: SubscribePacket,
  asked: readonly Asked[],
  allowed: readonly Grant[],
): void {
  const { session } = connection;
  if (session === undefined) return;
  const identifier = packet.properties.subscriptionIdentifier ?? 0;
  const retained: RetainedDue[] = [];
  const reasonCodes = asked.map((each, i) => {
    if (each.failure !== undefined) return each.failure;
    const grant = allowed[i] ?? false;
    if (grant === false) {
      if (connection.tenantCounts !== undefined) connection.tenantCounts.denied++;
      return ReasonCode.NotAuthorized;
    }
    // Before the subscription is there: no flow is made for it that does not ask.
    if (grant === 'partly') mqtt.access.narrow(session);
    return enter(mqtt, connection, session, each, identifier, retained);
  });
  whenDurable(mqtt, connection, session, () => {
    sendPacket(mqtt, connection, {
      type: PacketType.Suback,
      packetId: packet.packetId,
      reasonCodes,
      properties: {},
    });
    for (const { filter, options } of retained) queueRetained(session, filter, options, identifier);
    pump(mqtt, session);
  });
}

/** At once for a session that ends with its connection; else when the journal has what was changed. */
function whenDurable(mqtt: Mqtt, connection: Connection, session: Session, act: () => void): void {
  if (session.durable === undefined) {
    act();
    return;
  }
  mqtt.durable.table.touch(session);
  mqtt.durable.log.commit(
    mqtt.config.storage.durability,
    (error) => {
      if (connection.session !== session) return;
      if (error === undefined) act();
      else mqtt.fail(connection, ReasonCode.UnspecifiedError);
      mqtt.turn.wake();
    },
    true,
  );
}

function enter(
  mqtt: Mqtt,
  connection: Connection,
  session: Session,
  asked: Asked,
  identifier: number,
  retained: RetainedDue[],
): number {
  const { router } = mqtt;
  const { filter, group } = asked;
  const request = connection.isBridge ? { ...asked.request, noLocal: true } : asked.request;
  const qos = Math.min(request.qos, mqtt.config.mqtt.maxQos) as 0 | 1 | 2;
  const options = packOptions(request, qos);
  const result =
    group === undefined
      ? router.subscribe(session.number, filter, options, identifier)
      : router.subscribeShared(session.number, group, filter, options, identifier);
  if (result === 'full') return ReasonCode.QuotaExceeded;
  const isTooMany =
    result === 'new' &&
    (router.countOf(session.number) > mqtt.config.limits.maxSubscriptionsPerSession ||
      !mqtt.quotas.trySubscribe(session));
  if (isTooMany) {
    if (group === undefined) router.unsubscribe(session.number, filter);
    else router.unsubscribeShared(session.number, group, filter);
    return ReasonCode.QuotaExceeded;
  }
  if (result === 'new') mqtt.events.subscribed(observed(connection), Buffer.from(request.filter).toString());
  if (session.durable !== undefined) {
    const entry = encodeEntry.subscribe(session.serial, { group, filter }, options, identifier);
    mqtt.durable.log.add(TableId.Sessions, entry);
  }
  if (group !== undefined) {
    session.hasSharedSubscriptions = true;
    drainSharedFor(mqtt, session);
  } else if (request.retainHandling === 0 || (request.retainHandling === 1 && result === 'new')) {
    retained.push({ filter, options });
  }
  return qos;
}

export function handleUnsubscribe(mqtt: Mqtt, connection: Connection, packet: UnsubscribePacket): void {
  const { session } = connection;
  if (session === undefined) return;
  const { router } = mqtt;
  const reasonCodes = packet.filters.map((bytes) => {
    const parsed = parseFilter(bytes, mqtt.config.mqtt);
    if ('type' in parsed) return parsed.reasonCode;
    const { group } = parsed;
    const filter = connection.tenant.toFilter(parsed.filter);
    if (filter === undefined) return ReasonCode.TopicFilterInvalid;
    if (group === undefined) cancelRetained(session, filter);
    const existed =
      group === undefined
        ? router.unsubscribe(session.number, filter)
        : router.unsubscribeShared(session.number, group, filter);
    if (existed && session.durable !== undefined) {
      mqtt.durable.log.add(TableId.Sessions, encodeEntry.unsubscribe(session.serial, { group, filter }));
    }
    if (existed) {
      mqtt.quotas.unsubscribed(session);
      mqtt.events.unsubscribed(observed(connection), Buffer.from(bytes).toString());
    }
    if (group !== undefined && existed) forgetEmptyGroups(mqtt);
    return existed ? ReasonCode.Success : ReasonCode.NoSubscriptionExisted;
  });
  whenDurable(mqtt, connection, session, () => {
    sendPacket(mqtt, connection, {
      type: PacketType.Unsuback,
      packetId: packet.packetId,
      reasonCodes,
      properties: {},
    });
  });
}
