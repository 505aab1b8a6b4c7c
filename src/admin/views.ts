/**
 * What an operator sees of a node. Times are milliseconds since the Unix epoch, sizes are bytes; every field is always
 * there, null where it has no value. These names are what scripts rely on: a field may be added, none changes.
 */
import { boolean, type Infer, integer, list, nullable, object, oneOf, string } from './schema.ts';

/** Bytes in JSON: `value` when they are text, `valueBase64` when not; neither where there is no value. */
const valueForms = { value: string('Value, when it is text.'), valueBase64: string('Otherwise in base64.') };
const property = object({ name: string('Name.') }, valueForms);
export type PropertyView = Infer<typeof property>;
export const propertiesView = list(property, 'Properties of the message, user properties among them.');

/** What the node hands over of a message; how it is shown is decided in operations.ts. */
export interface MessageContent {
  readonly properties: readonly Property[];
  readonly payload: Uint8Array;
}
export interface Property {
  readonly name: string;
  readonly value: string | Uint8Array | null;
}

export const healthView = object({
  status: oneOf(
    ['green', 'yellow', 'red'],
    'Green: all is well. Yellow: serving with restrictions. Red: not serving.',
  ),
  problems: list(string('A sentence.'), 'What is wrong, the gravest first.'),
});
export type Health = Infer<typeof healthView>;

export const statusView = object({
  version: string('Version of the program.'),
  nodeId: string('Identity of the data directory.'),
  processId: integer('Process.'),
  dataDir: string('Data directory.'),
  startedAtMs: integer('Start of the process.'),
  health: healthView,
  connections: integer('Connected clients.'),
  sessions: integer('Sessions, connected or not.'),
  subscriptions: integer('Subscriptions of all sessions.'),
  waitingMessages: integer(
    'Messages that wait in queues or are in flight, each once however many wait for it.',
  ),
  retainedMessages: integer('Retained messages.'),
  delayedMessages: integer('Messages that wait for their time.'),
  streams: integer('Streams.'),
  publishesReceived: integer('Messages that MQTT clients have published since the start.'),
  publishesSent: integer('Messages that were sent to MQTT clients since the start.'),
  residentBytes: integer('Memory of the process.'),
  journal: object({
    engine: string('What is under the journal.'),
    durability: string('What an acknowledgement means where no rule says otherwise.'),
    startPosition: integer('First position.'),
    endPosition: integer('Behind the last acknowledged entry.'),
    segments: integer('Segments.'),
    storedBytes: integer('Bytes on the disk.'),
    pendingBytes: integer('Waiting to be written.'),
    isFull: boolean('Whether publishers are refused for want of space.'),
    failure: nullable(string('Why nothing can be written any more.')),
  }),
  views: object({
    engine: nullable(string('What holds the views; null when there are none.')),
    position: nullable(
      integer('Position of the journal from which a start replays; null without complete views.'),
    ),
  }),
});
export type Status = Infer<typeof statusView>;

/** Whose names something has. */
export const tenantField = nullable(string('Tenant; null without one.'));

const sessionFields = {
  clientId: string('Client identifier.'),
  tenant: tenantField,
  isConnected: boolean('Whether a client is connected.'),
  isDurable: boolean('Whether it outlives its connection.'),
  protocol: string('Protocol; its version while a client is connected.'),
  address: nullable(string('Address of the client; null when not connected.')),
  connectedAtMs: nullable(integer('Since when the client is connected; null when it is not.')),
  disconnectedAtMs: nullable(integer('Since when it is not; null when it is.')),
  expirySeconds: nullable(integer('How long it outlives its connection; null is for ever.')),
  expiresAtMs: nullable(integer('When it ends if nobody connects.')),
  subscriptions: integer('Number of its subscriptions.'),
  waiting: integer('Messages that wait to be sent.'),
  inFlight: integer('Messages sent and not yet acknowledged.'),
  waitingBytes: integer('Bytes of what is kept for it, in flight or not.'),
};

export const subscriptionFields = {
  filter: string('Topic filter, with `$share/group/` where it is shared.'),
  qos: integer('Maximum QoS.', { max: 2 }),
  noLocal: boolean('Leaves out what the client publishes itself.'),
  retainAsPublished: boolean('Keeps the RETAIN flag.'),
  retainHandling: integer('When retained messages are sent.', { max: 2 }),
  subscriptionId: nullable(integer('Subscription identifier.')),
};

export const sessionSummary = object(sessionFields);
export type SessionSummary = Infer<typeof sessionSummary>;

export const sessionDetail = object({
  ...sessionFields,
  userName: nullable(string('User name; null without one, or when not connected.')),
  keepAliveSeconds: nullable(integer('Keep alive; null when not connected.')),
  receiveMaximum: nullable(integer('Messages that the client takes at once; null when not connected.')),
  willTopic: nullable(string('Topic of its will.')),
  filters: list(object(subscriptionFields), 'Its subscriptions, the first thousand.'),
});
export type SessionDetail = Infer<typeof sessionDetail>;

const queueFields = {
  name: string('Client identifier of the session, or `$share/group/filter`.'),
  tenant: tenantField,
  kind: oneOf(['session', 'shared'], 'What it belongs to.'),
  waiting: integer('Messages that wait to be sent.'),
  inFlight: integer('Messages sent and not yet acknowledged.'),
  bytes: integer('Bytes of all of them.'),
  memberCount: integer('Sessions that take from it, connected or not.'),
  consumers: integer('Connected clients that take from it.'),
};

export const queueSummary = object(queueFields);
export type QueueSummary = Infer<typeof queueSummary>;

export const queueDetail = object({
  ...queueFields,
  maxMessages: nullable(integer('Bound; null is none of its own.')),
  maxBytes: nullable(integer('Bound in bytes.')),
  overflow: string('What happens when it is full.'),
  members: list(
    object({
      clientId: string('Client identifier.'),
      tenant: tenantField,
      isConnected: boolean('Whether it is connected.'),
      inFlight: integer('Messages sent to it, from whatever queue, and not yet acknowledged.'),
    }),
    'Who takes from it, the first thousand.',
  ),
});
export type QueueDetail = Infer<typeof queueDetail>;

const payloadFields = {
  payloadBytes: integer('Size of the payload, even where it is cut.'),
  payloadIsCut: boolean('Whether the payload is shown up to the limit that was asked for.'),
};
/** One of the two is there. */
const payloadForms = {
  payload: string('The payload, when it is text.'),
  payloadBase64: string('The payload in base64, when it is not.'),
};
const payloadView = object(payloadFields, payloadForms);
export type PayloadView = Infer<typeof payloadView>;

const queuedFields = {
  position: integer('Place in the queue; grows with each message.'),
  state: oneOf(['waiting', 'in-flight'], 'Whether it was sent.'),
  topic: string('Topic.'),
  qos: integer('QoS.', { max: 2 }),
  isRetained: boolean('Whether it was a retained message.'),
  expiresAtMs: nullable(integer('When it is given up.')),
};
export const queuedMessage = object(
  { ...queuedFields, properties: propertiesView, ...payloadFields },
  payloadForms,
);
const queuedHead = object(queuedFields);
export type QueuedMessage = Infer<typeof queuedHead> & MessageContent;

const retainedFields = {
  topic: string('Topic.'),
  qos: integer('QoS.', { max: 2 }),
  payloadBytes: integer('Size of the payload.'),
  expiresAtMs: nullable(integer('When it goes.')),
};
export const retainedSummary = object(retainedFields);
export type RetainedSummary = Infer<typeof retainedSummary>;
export type RetainedMessage = RetainedSummary & MessageContent;
export const retainedDetail = object(
  { ...retainedFields, properties: propertiesView, ...payloadFields },
  payloadForms,
);

const streamFields = {
  name: string('Name.'),
  isConfigured: boolean('Whether the configuration still has it; otherwise it captures nothing.'),
  capture: list(string('A topic filter.'), 'Topics that it captures.'),
  key: nullable(oneOf(['topic', 'client', 'none'], 'What stays in order; null when it is not configured.')),
  storage: oneOf(['memory', 'journal', 'object'], 'Where it lives.'),
  durability: nullable(string('What an acknowledgement means; null when it is not configured.')),
  cleanup: nullable(oneOf(['delete', 'compact'], 'What retention does; null when it is not configured.')),
  partitions: integer('Number of partitions.'),
  records: integer('Offsets between start and end of all partitions.'),
  bytes: integer('Bytes of all partitions.'),
};
export const streamSummary = object(streamFields);
export type StreamSummary = Infer<typeof streamSummary>;

export const partitionView = object({
  partition: integer('Number.'),
  startOffset: integer('First offset that is there.'),
  endOffset: integer('Offset that the next record gets.'),
  bytes: integer('Bytes.'),
  oldestAtMs: nullable(integer('Time of the first record; null when there is none, or it cannot be read.')),
  newestAtMs: nullable(integer('Latest time among its newest records; null when there is none.')),
});
export type PartitionView = Infer<typeof partitionView>;
export const streamDetail = object({
  ...streamFields,
  retention: nullable(
    object({
      ageSeconds: nullable(integer('Older ones go; null keeps them.')),
      sizeBytes: nullable(integer('Size of a partition above which the oldest go.')),
      count: nullable(integer('Messages of a partition above which the oldest go.')),
      settled: boolean('Whether those go that every consumer group has passed.'),
    }),
  ),
  partitionDetails: list(partitionView, 'Its partitions, in order, the first hundred.'),
});
export type StreamDetail = Infer<typeof streamDetail>;

/** Of a record without a value, which deletes its key where a stream is compacted, neither form of a payload is there. */
export const recordFields = {
  partition: integer('Partition.'),
  offset: integer('Offset.'),
  timeMs: integer('When it was published.'),
  headers: list(property, 'Headers, among them the MQTT properties.'),
  ...payloadFields,
};
export const recordForms = {
  ...payloadForms,
  key: string('Key, when it is text; without a key neither is there.'),
  keyBase64: string('Key in base64, when it is not.'),
};
export const recordView = object(recordFields, recordForms);
export type RecordView = Infer<typeof recordView>;
export const pageOfRecords = object({
  items: list(recordView, 'Records, in the order of their offsets.'),
  nextOffset: integer('Where to go on reading.'),
});

/** A record as the node hands it over. */
export interface StreamRecord {
  readonly offset: number;
  readonly timeMs: number;
  readonly key: Uint8Array | null;
  readonly headers: readonly Property[];
  readonly payload: Uint8Array | null;
}

export const removedView = object({ removed: integer('How many.') });
