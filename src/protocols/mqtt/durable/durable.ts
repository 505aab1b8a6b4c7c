/**
 * The durable side of MQTT: sessions that outlive their connections, what waits for them and for shared groups, and the
 * changes of both in the state log. A session's promises (PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, and CONNACK
 * of a durable session) leave when what they say is as durable as the configuration asks for, never before.
 *
 * Not here: ephemeral sessions, whose deliveries are the data plane's; retained messages (kernel/retained.ts); the
 * journal, and what a body is (kernel/state, kernel/message-store).
 */
import type { Config } from '../../../config/config.ts';
import { createMessageStore, type MessageStore } from '../../../kernel/message-store/message-store.ts';
import type { ObjectCopies } from '../../../kernel/object-copies.ts';
import type { Router } from '../../../kernel/router.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { type Table, TableId } from '../../../kernel/state/table.ts';
import type { Session } from '../session.ts';
import type { SessionRegistry } from '../session-registry.ts';
import { createDeliveryOptions, type DeliveryOptions } from './delivery-options.ts';
import { createGroupQueues, type GroupQueues } from './group-queues.ts';
import { encodeEntry } from './session-entries.ts';
import { createSessionsTable, type SessionsTable } from './sessions-table.ts';
import { createTopicRules, type TopicRuleOf } from './topic-rules.ts';

export interface DurableTables {
  readonly store: MessageStore;
  readonly sessions: SessionsTable;
  readonly groups: GroupQueues;
  readonly options: DeliveryOptions;
  readonly all: readonly Table[];
  /** Before the first entry, after recovery. */
  attach(log: StateLog): void;
}

export interface Durable {
  readonly log: StateLog;
  readonly store: MessageStore;
  readonly table: SessionsTable;
  readonly groups: GroupQueues;
  readonly options: DeliveryOptions;
  ruleOf(topic: Uint8Array): TopicRuleOf;
  /** With its entry; false when it was settled before. */
  settle(session: Session, seq: number): boolean;
  /** The same for `count` in a row, none of which is settled. */
  settleRun(session: Session, seq: number, count: number): void;
  /** Ends a change that nobody waits for: settlements and their like. */
  commit(): void;
  /** Of messages whose topics have `storage: object`. */
  readonly copies: ObjectCopies;
}

export function createDurableTables(
  config: Config,
  router: Router,
  sessions: SessionRegistry,
): DurableTables {
  const { maxMessages, maxBytes } = config.storage.messages;
  const store = createMessageStore({ maxMessages, maxBytes });
  const options = createDeliveryOptions();
  let log: StateLog | undefined;
  const logOf = (): StateLog => {
    if (log === undefined) throw new Error('the state log is not open yet');
    return log;
  };
  const table = createSessionsTable({ sessions, router, store, options });
  const groups = createGroupQueues(store, logOf);
  return {
    store,
    sessions: table,
    groups,
    options,
    all: [store.table, table, groups],
    attach(opened) {
      log = opened;
      store.attach(opened);
      options.inUse = table.setsInUse;
      options.onNew = (index, set) => {
        opened.add(TableId.Sessions, encodeEntry.defineSet(index, set));
        table.touchSet(index);
      };
    },
  };
}

export function createDurable(
  config: Config,
  tables: DurableTables,
  log: StateLog,
  copies: ObjectCopies,
): Durable {
  const { store, sessions: table, groups, options } = tables;
  return {
    log,
    store,
    table,
    groups,
    options,
    ruleOf: createTopicRules(config),
    settle(session, seq) {
      if (!table.settle(session, seq)) return false;
      log.add(TableId.Sessions, encodeEntry.settle(session.serial, seq));
      return true;
    },
    settleRun(session, seq, count) {
      table.settleRun(session, seq, count);
      log.add(TableId.Sessions, encodeEntry.settleRun(session.serial, seq, count));
    },
    commit: () => log.commit('os', undefined, true),
    copies,
  };
}
