/** Connected clients of all protocols. */
import { setImmediate as turn } from 'node:timers/promises';
import type { ClientFilter, ClientsView, ClientView } from '../admin/operations/clients.ts';
import type { KafkaConnection } from '../protocols/kafka/connection.ts';
import type { KafkaFrontEnd } from '../protocols/kafka/front-end.ts';
import { ReasonCode } from '../protocols/mqtt/codec/reason-codes.ts';
import type { Connection } from '../protocols/mqtt/connection.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { closeConnection } from '../protocols/mqtt/disconnect.ts';
import type { Session } from '../protocols/mqtt/session.ts';
import { MAX_PAGE_CHARACTERS, pageOf, STEP, wholeNumber } from './pages.ts';
import { sessionNamed, shownName } from './session-names.ts';
import { protocolOf } from './sessions.ts';

const MQTT = 'mqtt:';
const OF_TENANT = /^mqtt@([^:]+):(.*)$/s;
const KAFKA = 'kafka:';
const KAFKA_USER = 'User:';
const ANONYMOUS = 'ANONYMOUS';

function idOf(session: Session): string {
  const { clientId, tenant } = shownName(session);
  return tenant === null ? `${MQTT}${clientId}` : `mqtt@${tenant}:${clientId}`;
}

function mqttClient({ dataPlane }: Mqtt, connection: Connection): ClientView | undefined {
  const { session, transport, identity, connectedAtMs, slot } = connection;
  if (session === undefined || !connection.isOpen) return undefined;
  return {
    id: idOf(session),
    ...shownName(session),
    protocol: protocolOf(connection),
    listener: transport.listener,
    address: transport.remoteAddress,
    port: transport.remotePort,
    userName: identity?.userName ?? null,
    connectedAtMs,
    pendingBytes: dataPlane.heldBytes(slot),
  };
}

function kafkaUser({ principal }: KafkaConnection): string | null {
  const name = principal.startsWith(KAFKA_USER) ? principal.slice(KAFKA_USER.length) : principal;
  return name === '' || name === ANONYMOUS ? null : name;
}

const kafkaClient = (connection: KafkaConnection): ClientView => ({
  id: `${KAFKA}${connection.number}`,
  clientId: connection.clientId,
  tenant: connection.identity?.tenant || null,
  protocol: 'Kafka',
  listener: connection.listener,
  address: connection.remoteAddress,
  port: connection.remotePort,
  userName: kafkaUser(connection),
  connectedAtMs: connection.connectedAtMs,
  pendingBytes: connection.pendingBytes,
});

function fits(client: ClientView, { listener, user, tenant, address, prefix }: ClientFilter): boolean {
  return (
    (listener === undefined || client.listener === listener) &&
    (user === undefined || client.userName === user) &&
    (tenant === undefined || client.tenant === tenant) &&
    (address === undefined || client.address === address) &&
    (prefix === undefined || (client.clientId ?? '').startsWith(prefix))
  );
}

export function clientsView(mqtt: Mqtt, kafka: KafkaFrontEnd | undefined): ClientsView {
  const mqttById = (id: string): Connection | undefined => {
    const [, tenant, named] = OF_TENANT.exec(id) ?? [];
    const clientId = named ?? (id.startsWith(MQTT) ? id.slice(MQTT.length) : id);
    const connection = sessionNamed(mqtt, clientId, tenant)?.connection;
    return connection?.isOpen === true ? connection : undefined;
  };
  const kafkaById = (id: string): KafkaConnection | undefined => {
    if (!id.startsWith(KAFKA)) return undefined;
    for (const each of kafka?.connections() ?? []) if (`${KAFKA}${each.number}` === id) return each;
    return undefined;
  };

  return {
    async list({ limit, after, ...filter }) {
      const items: ClientView[] = [];
      let characters = 0;
      const isFull = (): boolean => items.length >= limit || characters >= MAX_PAGE_CHARACTERS;
      const [, behind] = after?.startsWith(KAFKA) ? after.split(':') : [];
      if (behind === undefined && filter.protocol !== 'kafka') {
        const at = (slot: number): ClientView | undefined => {
          const connection = mqtt.connections[slot];
          const client = connection && mqttClient(mqtt, connection);
          return client !== undefined && fits(client, filter) ? client : undefined;
        };
        const page = await pageOf(
          [{ end: () => mqtt.connections.length, at }],
          { limit, ...(after === undefined ? {} : { after }) },
          ({ clientId }) => clientId?.length ?? 0,
        );
        if (page.next !== undefined) return page;
        items.push(...page.items);
      }
      if (filter.protocol === 'mqtt') return { items };
      let last = behind === undefined ? 0 : wholeNumber(behind);
      let looked = 0;
      // A connection that goes while this waits for its turn is not met again: numbers only grow.
      for (const connection of kafka?.connections() ?? []) {
        if (++looked % STEP === 0) await turn();
        if (connection.number <= last) continue;
        const client = kafkaClient(connection);
        if (!fits(client, filter)) continue;
        if (isFull()) return { items, next: `${KAFKA}${last}` };
        items.push(client);
        characters += client.clientId?.length ?? 0;
        last = connection.number;
      }
      return { items };
    },
    get(id) {
      const connection = mqttById(id);
      if (connection !== undefined) return mqttClient(mqtt, connection);
      const other = kafkaById(id);
      return other && kafkaClient(other);
    },
    kick(id) {
      const connection = mqttById(id);
      if (connection !== undefined) {
        closeConnection(mqtt, connection, { reasonCode: ReasonCode.AdministrativeAction });
        mqtt.turn.wake();
        return true;
      }
      const other = kafkaById(id);
      other?.destroy();
      return other !== undefined;
    },
  };
}
