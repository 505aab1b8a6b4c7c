/**
 * PUBLISH (section 3.3). The data plane decodes what fits its window; this decoder serves larger packets, clients, and
 * as the second opinion that the data plane's scanner is tested against.
 */
import { isUtf8 } from 'node:buffer';
import { topicNameFault } from '../topic.ts';
import { decodeProperties } from './decode-properties.ts';
import { PacketType, type PublishPacket, type PublishProperties, type Qos } from './packets.ts';
import type { PacketReader } from './reader.ts';
import { ReasonCode, type Sender } from './reason-codes.ts';

const EMPTY = new Uint8Array(0);

export function decodePublish(reader: PacketReader, flags: number, sender: Sender): PublishPacket {
  const qos = (flags >> 1) & 0x03;
  const dup = (flags & 0x08) !== 0;
  if (qos === 3) reader.malformed('QoS 3', { v5: 'MQTT-3.3.1-4' });
  if (dup && qos === 0) reader.malformed('DUP with QoS 0', { v5: 'MQTT-3.3.1-2' });
  const topic = reader.utf8('Topic name', { v5: 'MQTT-3.3.2-1' });
  const packetId = qos > 0 ? reader.packetId({ v5: 'MQTT-2.2.1-3', v3: 'MQTT-2.3.1-1' }) : 0;
  const { properties, messageProperties } =
    reader.version === 5
      ? decodeProperties<PublishProperties>(reader, PacketType.Publish)
      : { properties: {}, messageProperties: EMPTY };
  checkTopic(reader, topic, properties);
  if (sender === 'client' && properties.subscriptionIdentifiers !== undefined) {
    reader.protocolError('Subscription identifier in a PUBLISH from a client', { v5: 'MQTT-3.3.4-6' });
  }
  const payload = reader.rest();
  return {
    type: PacketType.Publish,
    ...{ dup, qos: qos as Qos, retain: (flags & 0x01) !== 0, packetId, topic, payload },
    ...{ properties, messageProperties },
    payloadNotUtf8: properties.payloadFormatIndicator === 1 && !isUtf8(payload),
  };
}

function checkTopic(reader: PacketReader, topic: Uint8Array, properties: PublishProperties): void {
  if (reader.fault !== undefined) return;
  const alias = properties.topicAlias;
  if (alias !== undefined && alias > reader.limits.topicAliasMaximum) {
    reader.fail(ReasonCode.TopicAliasInvalid, 'Topic alias above the announced maximum', {
      v5: 'MQTT-3.3.2-9',
    });
  } else if (topic.length === 0 && reader.version === 5) {
    // Whether the alias is known is the connection's to say.
    if (alias === undefined) {
      reader.protocolError('Neither topic name nor topic alias', { v5: 'MQTT 5.0 section 3.3.2.1' });
    }
  } else {
    const fault = topicNameFault(topic, reader.limits);
    if (fault !== undefined) reader.fail(fault.reasonCode, fault.message, fault);
  }
}
