/** One address, written in the grammar of each protocol: levels apart by `/` in MQTT, by `.` in Kafka. */

/** The MQTT topic that is the same address as the topic of that legal name in Kafka. */
export const mqttAddress = (kafkaName: string): Uint8Array => Buffer.from(kafkaName.replaceAll('.', '/'));
