/** Whether a filter matches one topic, both as UTF-8 and valid. For a few fixed filters; subscriptions are the router's. */
const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;

export function filterMatches(filter: Uint8Array, topic: Uint8Array): boolean {
  // MQTT 5, 4.7.2: a wildcard does not match the first level of a topic that begins with $.
  if (topic[0] === DOLLAR && (filter[0] === PLUS || filter[0] === HASH)) return false;
  let f = 0;
  let t = 0;
  while (f < filter.length) {
    if (filter[f] === HASH) return true;
    if (filter[f] === PLUS) {
      f++;
      while (t < topic.length && topic[t] !== SLASH) t++;
    } else {
      while (f < filter.length && filter[f] !== SLASH) {
        if (t >= topic.length || filter[f] !== topic[t]) return false;
        f++;
        t++;
      }
      if (t < topic.length && topic[t] !== SLASH) return false;
    }
    if (f === filter.length) return t === topic.length;
    // A slash in the filter: `a/#` also matches its parent `a`.
    if (t === topic.length) return filter[f + 1] === HASH;
    f++;
    t++;
  }
  return t === topic.length;
}
