/** Names of topics: which there can be, and which are one address with which MQTT topic. */
import { kafkaTopicAsWritten } from '../../../security/tenants/owners.ts';

const LEGAL = /^[a-zA-Z0-9._-]{1,249}$/;

/** Why a client cannot name a topic so; undefined when it can. */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'the name of a topic is empty';
  if (name === '.' || name === '..') return `a topic cannot be named "${name}"`;
  if (name.length > 249) return `the name of a topic has ${name.length} characters, and 249 are allowed`;
  return LEGAL.test(name)
    ? undefined
    : `the name of a topic has characters other than letters, digits, '.', '_' and '-'`;
}

/** The same of a name as the broker has it: what a tenant's clients write of it is looked at. */
export const topicNameFault = (name: string): string | undefined => nameFault(kafkaTopicAsWritten(name));

/** Metrics of Kafka's tools write both as the same: names that differ in them only are refused. */
export const collisionKey = (name: string): string => name.replaceAll('.', '_');

/** Kept for what the protocol's own tools expect under these names. */
export const INTERNAL_TOPICS = ['__consumer_offsets', '__transaction_state', '__share_group_state'] as const;

export const isInternalName = (name: string): boolean => INTERNAL_TOPICS.some((each) => each === name);
