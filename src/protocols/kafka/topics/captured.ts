/** Topics take what other protocols publish to their addresses. Streams say themselves what they take; internal topics take nothing. */
import type { Crossing } from '../../../kernel/crossing/crossing.ts';
import { ownerOfKafkaTopic } from '../../../security/tenants/owners.ts';
import type { Topic, Topics } from './topics.ts';

/** Until the returned function is called. */
export function captureTopics(topics: Topics, crossing: Crossing): () => void {
  const stops = new Map<string, () => void>();
  const leave = ({ id }: Topic): void => {
    stops.get(id)?.();
    stops.delete(id);
  };
  const take = (topic: Topic): void => {
    leave(topic);
    if (topic.isConfigured || topic.isInternal) return;
    const { name, partitions, settings } = topic;
    const { storage } = settings;
    const isCompacted = settings.cleanup !== 'delete';
    const { prefixBytes } = ownerOfKafkaTopic(name);
    const durability = 'default';
    stops.set(
      topic.id,
      crossing.capture({ name, storage, durability, partitions, isCompacted, prefixBytes }),
    );
  };
  for (const topic of topics.list()) take(topic);
  const stopWatching = topics.onChange((topic, change) =>
    change === 'deleted' ? leave(topic) : take(topic),
  );
  return () => {
    stopWatching();
    for (const stop of stops.values()) stop();
    stops.clear();
  };
}
