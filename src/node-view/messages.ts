/** Messages that administrators publish: on the way that those of clients go. */
import type { SecurityParts } from '../admin/node-view.ts';
import { OperationError } from '../admin/operation.ts';
import type { MessagesView, NewMessage } from '../admin/operations/messages.ts';
import { encodeMessageProperties } from '../protocols/mqtt/codec/encode-publish.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { toMessage } from '../protocols/mqtt/inbound.ts';
import { Routed } from '../protocols/mqtt/routed.ts';
import { topicNameFault } from '../protocols/mqtt/topic.ts';
import type { Principal } from '../security/security.ts';
import { checkJournal } from './changes.ts';

const invalid = (message: string): OperationError => new OperationError(400, 'invalid-input', message);
const BROKER = -1;
const MAX_TEXT_BYTES = 65_535;
/** Half of a character of UTF-16, which UTF-8 cannot say. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whom rules are asked about: the user as it is now, or somebody who may do everything. */
export function principalOf(
  { users }: Pick<SecurityParts, 'users'>,
  { user: userName, tenant }: { readonly user: string | undefined; readonly tenant: string },
): Principal {
  const user = userName === undefined ? undefined : users.get(userName);
  return {
    tenant,
    userName,
    clientId: undefined,
    certificateName: undefined,
    roles: user?.roles ?? [],
    rules: [],
    isSuperuser: userName === undefined || user?.isSuperuser === true,
    protocol: 'http',
    listener: 'http',
    remoteAddress: '',
    expiresAtMs: undefined,
  };
}

function propertiesOf(message: NewMessage): Uint8Array {
  const { contentType, responseTopic, correlationData, userProperties } = message;
  const texts = [contentType, ...userProperties.flatMap(({ name, value }) => [name, value])];
  for (const text of texts) {
    if (text === undefined) continue;
    if (text.includes('\0') || LONE_SURROGATE.test(text) || Buffer.byteLength(text) > MAX_TEXT_BYTES) {
      throw invalid('a property has a character that MQTT does not take, or is too long');
    }
  }
  if (correlationData !== undefined && correlationData.length > MAX_TEXT_BYTES) {
    throw invalid('the correlation data are too long');
  }
  if (responseTopic !== undefined) {
    const fault = topicNameFault(Buffer.from(responseTopic));
    if (fault !== undefined) throw invalid(`responseTopic: ${fault.message}`);
  }
  return encodeMessageProperties({
    payloadFormatIndicator: message.isText ? 1 : undefined,
    contentType,
    responseTopic: responseTopic === undefined ? undefined : Buffer.from(responseTopic),
    correlationData,
    userProperties: userProperties.map(({ name, value }) => [name, value]),
  });
}

export function messagesView(mqtt: Mqtt, security: SecurityParts): MessagesView {
  const { config, clock, policies } = mqtt;
  return {
    async publish(asked, by) {
      if (by.tenant !== '') {
        throw new OperationError(403, 'forbidden', 'users of tenants publish with their own clients');
      }
      const properties = propertiesOf(asked);
      if (asked.topic.includes('\0') || LONE_SURROGATE.test(asked.topic))
        throw invalid('topic: not UTF-8 without NUL');
      const wanted = policies.delayOf(Buffer.from(asked.topic), properties);
      if (wanted !== undefined && 'fault' in wanted) throw invalid(`a delayed message: ${wanted.fault}`);
      const topic = Uint8Array.from(wanted?.topic ?? Buffer.from(asked.topic));
      const fault = topicNameFault(topic, config.mqtt);
      if (fault !== undefined) throw invalid(`topic: ${fault.message}`);
      if (asked.qos > config.mqtt.maxQos) throw invalid(`qos: at most ${config.mqtt.maxQos} here`);
      if (asked.retain && !config.mqtt.retainAvailable) throw invalid('retain: not here');
      if (topic.length + asked.payload.length + properties.length > config.mqtt.maxPacketBytes) {
        throw new OperationError(413, 'message-too-large', `at most ${config.mqtt.maxPacketBytes} bytes`);
      }
      const isDisabled = by.user !== undefined && security.users.get(by.user)?.isDisabled === true;
      if (isDisabled || !security.authorization.mayPublish(principalOf(security, by), topic)) {
        throw new OperationError(403, 'forbidden', 'rules do not allow to publish to this topic');
      }
      checkJournal(mqtt);
      const delayMs = (wanted?.delaySeconds ?? 0) * 1000;
      const inbound = {
        topic,
        payload: Uint8Array.from(asked.payload),
        properties: wanted?.properties ?? properties,
        qos: asked.qos,
        retain: asked.retain,
        packetId: 0,
        topicAlias: 0,
        expirySeconds: asked.expirySeconds,
        payloadNotUtf8: false,
        isRecorded: false,
      };
      const message = toMessage(inbound, topic, BROKER, clock, delayMs, config.mqtt.maxMessageExpirySeconds);
      const routed = await new Promise<Routed>((resolve, reject) => {
        const done = (outcome: Routed, error: Error | undefined): void => {
          if (error === undefined) resolve(outcome);
          else reject(new OperationError(409, 'journal-failed', `the message is not kept: ${error.message}`));
        };
        if (delayMs > 0) policies.delay(message, clock.wallMs() + delayMs, undefined, { done });
        else policies.publishOnce(message, undefined, { done });
        mqtt.turn.wake();
      });
      if (routed === Routed.Refused) {
        throw new OperationError(409, 'no-room', 'whoever is to keep the message has no room for it');
      }
      if (delayMs > 0) return 'delayed';
      return routed === Routed.Delivered ? 'delivered' : 'no-subscribers';
    },
  };
}
