/**
 * What happens to a message besides being routed: it is delayed, recognized as one that was there before, or, when
 * nobody can be given it, published again as a dead letter. The state of each is the kernel's; here it meets MQTT.
 */
import { type DeadLetterRules, type Death, deadLetterOf, wantsDeadLetter } from '../../kernel/dead-letter.ts';
import { type Deduplication, idKey, type StagedId } from '../../kernel/deduplication-table.ts';
import { type DelayFault, type DelayRequest, delayRequest } from '../../kernel/delayed/delay-request.ts';
import type { Delayed } from '../../kernel/delayed/delayed.ts';
import type { DiscardReason } from '../../kernel/log-queue/entries.ts';
import type { Message } from '../../kernel/message.ts';
import { TableId } from '../../kernel/state/table.ts';
import { userProperty } from '../../kernel/user-properties.ts';
import type { Tenant } from '../../security/tenants/tenants.ts';
import type { Mqtt } from './context.ts';
import type { Grave } from './durable/dead-letters.ts';
import { publication } from './durable/publication.ts';
import { type PublishOptions, publishMessage } from './publish-message.ts';
import { Routed } from './routed.ts';
import { ownerOf, takeOwner, withOwner } from './security/owner.ts';
import type { Session } from './session.ts';

export interface Policies {
  /** What a publisher asks for; undefined = now. */
  delayOf(topic: Uint8Array, properties: Uint8Array): DelayRequest | DelayFault | undefined;
  /** Keeps it until it is due; as below, when its identifier was seen before. */
  delay(message: Message, dueMs: number, publisher: Session | undefined, options: PublishOptions): void;
  /** Publishes, unless the message has an identifier that was seen before. */
  publishOnce(message: Message, publisher: Session | undefined, options: PublishOptions): void;
  /** Whether what is given up for this reason becomes a dead letter. */
  isBuried(reason: DiscardReason): boolean;
  /** To the dead-letter topic, in one change with its end where it waited. `done`: as durable as that topic asks for. */
  bury(grave: Grave, done?: Buried): void;
  /** Publishes delayed messages whose time has come, a bounded number. */
  publishDue(): void;
}

/** `error`: there is no dead letter. */
type Buried = (error: Error | undefined) => void;

const DUE_AT_ONCE = 256;

/** What was there before is acknowledged, but not ahead of the first one, which may still be on its way. */
function again(mqtt: Mqtt, message: Message, options: PublishOptions): void {
  publication(
    mqtt,
    message,
    (own) => {
      own.hasEntries = true;
      own.routed = Routed.Delivered;
      options.also?.(own, Routed.Delivered);
    },
    options,
  );
}

/** With names of the tenant's, and where the tenant finds it. */
function letterFor(
  tenant: Tenant,
  message: Message,
  death: Death,
  rules: DeadLetterRules,
): Message | undefined {
  const letter = deadLetterOf(
    { ...message, topic: tenant.fromTopic(message.topic) ?? message.topic },
    death,
    rules,
  );
  const topic = letter && tenant.toTopic(letter.topic);
  return letter && topic && { ...letter, topic };
}

function publishDead(mqtt: Mqtt, message: Message, grave: Grave, done: Buried | undefined): void {
  const { reason, clientId, group, deliveries, place } = grave;
  // The session, or the group, may have ended while it was read.
  if (place !== undefined && !place.isThere()) return;
  const atMs = mqtt.clock.wallMs();
  const death = { reason, client: clientId, atMs, deliveries, ...(group === undefined ? {} : { group }) };
  const letter = letterFor(grave.tenant, message, death, mqtt.config.deadLetter);
  if (letter === undefined) {
    place?.settle();
    mqtt.durable.commit();
    done?.(undefined);
    return;
  }
  mqtt.counters.deadLetters++;
  publishMessage(mqtt, letter, undefined, {
    also(own) {
      if (place === undefined) return;
      place.settle();
      own.hasEntries = true;
    },
    ...(done && { done: (_, error) => done(error) }),
  });
}

/** User properties that make a message the control plane's. */
export function policyKeys(config: Mqtt['config']): string[] {
  const { delay, deduplication } = config;
  return [delay.enabled ? delay.userProperty : '', deduplication.userProperty].filter((key) => key !== '');
}

export function createPolicies(mqtt: Mqtt, delayed: Delayed, seen: Deduplication): Policies {
  const { config, clock } = mqtt;
  const rules = {
    enabled: config.delay.enabled,
    userProperty: Buffer.from(config.delay.userProperty),
    maxDelaySeconds: config.delay.maxDelaySeconds,
  };

  const property = Buffer.from(config.deduplication.userProperty);
  const scopeOf = (message: Message, publisher: Session | undefined): Uint8Array => {
    const { scope } = config.deduplication;
    if (scope === 'topic') return message.topic;
    // Two tenants do not know of each other's identifiers.
    return Buffer.from((scope === 'client' ? publisher?.clientId : publisher?.tenant.name) ?? '');
  };

  const schedule = (message: Message, dueMs: number, options: PublishOptions): void => {
    let ids: readonly number[] = [];
    publication(
      mqtt,
      message,
      (own) => {
        const isVolatile = own.rule.storage === 'memory';
        const scheduled =
          own.refusal !== undefined && !isVolatile ? 'full' : delayed.schedule(message, dueMs, isVolatile);
        own.routed = scheduled === 'full' ? Routed.Refused : Routed.Delivered;
        if (scheduled !== 'full') {
          mqtt.counters.delayed++;
          if (!isVolatile) {
            mqtt.durable.log.add(TableId.Delayed, scheduled.entry);
            own.hasEntries = true;
            own.isDelayed = true;
          }
          ids = [scheduled.id];
        }
        options.also?.(own, own.routed);
      },
      {
        done(routed, error) {
          if (error !== undefined) delayed.ended(ids);
          else for (const id of ids) delayed.stored(id);
          options.done?.(routed, error);
        },
      },
    );
  };

  /** `go`, with the identifier in its change; nothing but the acknowledgement when that was seen before. */
  const once = (
    message: Message,
    publisher: Session | undefined,
    options: PublishOptions,
    go: (options: PublishOptions) => void,
  ): void => {
    const id = property.length === 0 ? undefined : userProperty(message.properties, property);
    if (id === undefined) {
      go(options);
      return;
    }
    const nowMs = clock.wallMs();
    const key = idKey(scopeOf(message, publisher), id);
    if (seen.check(key, nowMs) !== 'new') {
      mqtt.counters.duplicates++;
      again(mqtt, message, options);
      return;
    }
    let staged: StagedId | undefined;
    go({
      flowId: options.flowId,
      also(own, routed) {
        if (routed !== Routed.Refused) {
          staged = seen.stage(key, nowMs, own.rule.storage === 'memory');
          if (staged.entry.length > 0) {
            mqtt.durable.log.add(TableId.Deduplication, staged.entry);
            own.hasEntries = true;
          }
        }
        options.also?.(own, routed);
      },
      done(routed, error) {
        if (staged !== undefined) {
          if (error === undefined) seen.committed(staged);
          else seen.forgo(staged);
        }
        options.done?.(routed, error);
      },
    });
  };

  return {
    delayOf: (topic, properties) => delayRequest(topic, properties, rules),

    delay(asked, dueMs, publisher, options) {
      const owner = publisher && ownerOf(publisher);
      const message = owner === undefined ? asked : withOwner(asked, owner);
      if (message === undefined) {
        options.done?.(Routed.Refused, undefined);
        return;
      }
      once(message, publisher, options, (own) => schedule(message, dueMs, own));
    },

    publishOnce(message, publisher, options) {
      once(message, publisher, options, (own) => publishMessage(mqtt, message, publisher, own));
    },

    isBuried: (reason) => wantsDeadLetter(reason, config.deadLetter),

    bury(grave, done) {
      const { body } = grave;
      if (typeof body !== 'number') {
        publishDead(mqtt, body, grave, done);
        return;
      }
      const { store } = mqtt.durable;
      store
        .load([body])
        .then(() => {
          const message = store.get(body);
          if (message !== undefined) publishDead(mqtt, message, grave, done);
          else if (store.isLost(body)) grave.place?.settle();
          else {
            store.addReference(body);
            mqtt.policies.bury(grave, done);
          }
        })
        .catch((error: unknown) => {
          mqtt.counters.unreadableMessages++;
          mqtt.logger.error({ err: error }, 'a dead letter cannot be read');
        })
        .finally(() => {
          store.release(body);
          mqtt.turn.wake();
        });
    },

    publishDue() {
      const nowMs = clock.wallMs();
      for (let left = DUE_AT_ONCE; left > 0 && delayed.nextDueMs() <= nowMs; left--) {
        if (mqtt.durable.log.refusal() !== undefined) return;
        const { messages, entry, ids } = delayed.due(nowMs, 1);
        const [first] = messages;
        if (first === undefined) return;
        const { message, owner } = takeOwner(first.message);
        if (owner !== undefined && !mqtt.authorizer.mayStillPublish(owner, message.topic)) {
          mqtt.counters.publishesDenied++;
          if (entry !== undefined) mqtt.durable.log.add(TableId.Delayed, entry);
          mqtt.durable.log.commit(mqtt.config.storage.durability, () => delayed.ended(ids), true);
          continue;
        }
        const hasExpired = message.expiresAtMs !== 0 && message.expiresAtMs <= nowMs;
        if (hasExpired) mqtt.counters.droppedExpired++;
        // Gone here and published in one change.
        publishMessage(mqtt, message, undefined, {
          isForNobody: hasExpired,
          also(own) {
            if (entry === undefined) return;
            mqtt.durable.log.add(TableId.Delayed, entry);
            own.hasEntries = true;
          },
          done: () => delayed.ended(ids),
        });
      }
    },
  };
}
