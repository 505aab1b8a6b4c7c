/** The demo page: connects to the broker that served it, and ties the views to the client. */
import { type ClientState, connect, type IncomingMessage, type MqttClient } from '../client.ts';
import { matches } from '../subscriptions.ts';
import { byId, element, setText } from './dom.ts';
import { count, pretty } from './format.ts';
import { createGauges } from './gauges.ts';
import { createSampleTraffic } from './sample-traffic.ts';
import { createTopicTree, type TopicNode } from './topic-tree.ts';
import { createTreeView } from './tree-view.ts';

const MAX_TOPICS = 5000;
const REFRESH_MS = 250;
const MEASURE_MS = 1000;

const tree = createTopicTree(MAX_TOPICS);
const view = createTreeView(tree, showDetail);
const gauges = createGauges();
const subscriptionCounts = new Map<string, { messages: number; readonly label: HTMLElement; stop(): void }>();

let client: MqttClient;
let heard = 0;
let paused = false;
let changed = false;

function brokerUrl(): string {
  const meta = document.querySelector('meta[name="mqtt-path"]');
  const url = new URL(meta?.getAttribute('content') ?? '/mqtt', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

function start(): void {
  const username = byId('username', HTMLInputElement).value;
  const password = byId('password', HTMLInputElement).value;
  const filters = subscriptionCounts.size > 0 ? [...subscriptionCounts.keys()] : ['#'];
  for (const { label } of subscriptionCounts.values()) label.closest('li')?.remove();
  subscriptionCounts.clear();
  client = connect({
    url: brokerUrl(),
    onState: showState,
    ...(username === '' ? {} : { username, password }),
  });
  client.subscribe('$SYS/#', gauges.update).catch(() => undefined);
  for (const filter of filters) subscribe(filter);
}

function showState(state: ClientState): void {
  const pill = byId('state', HTMLButtonElement);
  const text =
    state.status === 'waiting' ? `reconnecting in ${(state.retryInMs / 1000).toFixed(1)} s` : state.status;
  setText(pill, text);
  pill.dataset.status = state.status;
  setText(byId('reason', HTMLElement), 'reason' in state ? state.reason : `Connected to ${brokerUrl()}`);
  if (state.status === 'closed') byId('credentials', HTMLFormElement).hidden = false;
  else if (state.status === 'connected') byId('credentials', HTMLFormElement).hidden = true;
}

function note(id: string, text: string, bad = false): void {
  const target = byId(id, HTMLElement);
  setText(target, text);
  target.classList.toggle('bad', bad);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Overlapping subscriptions get a copy each; the tree counts the copy of the first one. */
function isFirstMatch(filter: string, topic: string): boolean {
  if (subscriptionCounts.size === 1) return true;
  for (const other of subscriptionCounts.keys()) {
    if (other === filter) return true;
    if (matches(other, topic)) return false;
  }
  return true;
}

function receive(filter: string, message: IncomingMessage): void {
  const counted = subscriptionCounts.get(filter);
  if (counted !== undefined) counted.messages++;
  if (!isFirstMatch(filter, message.topic)) return;
  heard++;
  if (paused) return;
  const { payload, qos, retain } = message;
  tree.add(message.topic, { payload, qos, retain, atMs: Date.now() });
  changed = true;
}

function subscribe(filter: string): void {
  if (subscriptionCounts.has(filter)) {
    note('subscribe-note', 'Subscribed already.');
    return;
  }
  const remove = element('button', 'plain', '×');
  remove.title = 'Unsubscribe';
  const label = element('span', 'quiet', '0');
  const item = element('li', '', element('span', '', filter), label, remove);
  const entry = { messages: 0, label, stop: (): void => undefined };
  const drop = (): void => {
    if (subscriptionCounts.get(filter) === entry) subscriptionCounts.delete(filter);
    item.remove();
  };
  remove.type = 'button';
  remove.addEventListener('click', () => {
    entry.stop();
    drop();
  });
  subscriptionCounts.set(filter, entry);
  byId('subscriptions', HTMLUListElement).append(item);
  client
    .subscribe(filter, (message) => receive(filter, message), { qos: 1 })
    .then((subscription) => {
      note('subscribe-note', '');
      entry.stop = () => void subscription.unsubscribe().catch(() => undefined);
      // Removed before it was granted.
      if (!item.isConnected) entry.stop();
    })
    .catch((error: unknown) => {
      // A closed client keeps the list: these are asked for again with other credentials.
      if (client.state.status === 'closed') return;
      drop();
      note('subscribe-note', `${filter}: ${messageOf(error)}`, true);
    });
}

function showDetail(node: TopicNode): void {
  const { last } = node;
  setText(byId('d-topic', HTMLElement), node.topic);
  const facts =
    last === undefined
      ? ['No message of this topic itself.']
      : [
          new Date(last.atMs).toLocaleTimeString(),
          `QoS ${last.qos}`,
          ...(last.retain ? ['retained'] : []),
          `${last.size.toLocaleString('en')} bytes`,
          `${count(node.messages)} messages`,
        ];
  setText(byId('d-facts', HTMLElement), facts.join(' · '));
  setText(byId('d-payload', HTMLElement), last === undefined ? '' : pretty(last.payload));
  if (last !== undefined) byId('topic', HTMLInputElement).value = node.topic;
}

function refresh(): void {
  for (const { label, messages } of subscriptionCounts.values()) setText(label, count(messages));
  if (!changed) return;
  changed = false;
  view.invalidate();
}

function measure(): void {
  gauges.heard(heard * (1000 / MEASURE_MS));
  heard = 0;
  tree.measure(MEASURE_MS / 1000);
  view.invalidate();
}

function refreshDetail(): void {
  if (view.selected?.last !== undefined && !paused) showLastOf(view.selected);
}

/** As `showDetail`, but leaves the topic to publish to alone: someone may be typing there. */
function showLastOf(node: TopicNode): void {
  const topic = byId('topic', HTMLInputElement);
  const typed = topic.value;
  showDetail(node);
  topic.value = typed;
}

byId('publish', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  const qos = byId('qos', HTMLSelectElement).value === '1' ? 1 : 0;
  const retain = byId('retain', HTMLInputElement).checked;
  const startedMs = performance.now();
  client
    .publish(byId('topic', HTMLInputElement).value, byId('payload', HTMLTextAreaElement).value, {
      qos,
      retain,
    })
    .then(
      () =>
        note(
          'published',
          qos === 1 ? `acknowledged in ${(performance.now() - startedMs).toFixed(1)} ms` : 'sent',
        ),
      (error: unknown) => note('published', messageOf(error), true),
    );
});

byId('subscribe', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  const filter = byId('filter', HTMLInputElement);
  subscribe(filter.value.trim());
  filter.value = '';
});

byId('credentials', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  client.close();
  start();
});

byId('state', HTMLButtonElement).addEventListener('click', () => {
  const form = byId('credentials', HTMLFormElement);
  form.hidden = !form.hidden;
});

byId('pause', HTMLButtonElement).addEventListener('click', (event) => {
  paused = !paused;
  const button = event.currentTarget as HTMLButtonElement;
  button.ariaPressed = String(paused);
  setText(button, paused ? 'Resume' : 'Pause');
});

byId('clear', HTMLButtonElement).addEventListener('click', () => {
  tree.clear();
  view.invalidate();
});

const setSampleTraffic = createSampleTraffic((topic, payload) => {
  client.publish(topic, payload).catch(() => undefined);
});
const demo = byId('demo', HTMLInputElement);
demo.addEventListener('change', () => setSampleTraffic(demo.checked));

const THEMES = ['auto', 'light', 'dark'];
function useTheme(name: string): void {
  document.documentElement.dataset.theme = name;
  localStorage.setItem('theme', name);
}
byId('theme', HTMLButtonElement).addEventListener('click', () => {
  const now = document.documentElement.dataset.theme ?? 'auto';
  useTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] as string);
});
useTheme(localStorage.getItem('theme') ?? 'auto');

setInterval(refresh, REFRESH_MS);
setInterval(measure, MEASURE_MS);
setInterval(refreshDetail, REFRESH_MS);
start();
