/** Subscriptions of MQTT, and who gets what is published to a topic. */
import type { Awaitable, Page, PageRequest } from '../node-view.ts';
import { OperationError, operation, pageOf, pageRequest, paging, same, shownPage } from '../operation.ts';
import { type Infer, object, string } from '../schema.ts';
import { subscriptionFields, tenantField } from '../views.ts';

export const subscriptionView = object({
  clientId: string('Client identifier of the session.'),
  tenant: tenantField,
  ...subscriptionFields,
});
export type SubscriptionView = Infer<typeof subscriptionView>;

export interface SubscriptionFilter {
  readonly clientId?: string;
  /** Whose client that is. */
  readonly tenant?: string;
  /** As it was subscribed to, letter by letter, `$share/` with it. */
  readonly filter?: string;
}

export interface SubscriptionsView {
  list(request: PageRequest & SubscriptionFilter): Awaitable<Page<SubscriptionView>>;
  /** Those that match a topic, members of shared subscriptions among them. */
  receiving(request: PageRequest & { readonly topic: string }): Awaitable<Page<SubscriptionView>>;
}

export const subscriptionOperations = {
  subscriptionsList: operation({
    id: 'subscriptions.list',
    verb: {
      words: 'subscription list',
      columns: ['clientId', 'tenant', 'filter', 'qos', 'noLocal', 'retainAsPublished', 'subscriptionId'],
      usualLimit: 1000,
      examples: ['subscription list --client-id sensor-17', 'subscription list --topic sensors/kitchen'],
    },
    method: 'GET',
    path: '/subscriptions',
    summary: 'Subscriptions of MQTT: all, those of a client or of a filter, or those that get a topic.',
    scope: 'subscriptions:read',
    audit: 'none',
    queryParameters: {
      ...paging,
      clientId: string('Only those of this client.'),
      tenant: string('Whose client that is; without one, only who has no tenant is looked for.', {
        maxLength: 63,
      }),
      filter: string('Only those with this filter, letter by letter.'),
      topic: string('Only those that get what is published to this topic.'),
    },
    output: pageOf(subscriptionView),
    async run({ subscriptions }, { limit, cursor, clientId, tenant, filter, topic }) {
      // What a cursor says is a place in the list of one question.
      const id = `subscriptions.list\n${JSON.stringify([clientId, tenant, filter, topic])}`;
      const request = pageRequest(id, {
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      if (tenant !== undefined && clientId === undefined) {
        throw new OperationError(400, 'invalid-input', 'tenant says whose clientId it is: give both');
      }
      if (topic !== undefined) {
        if (clientId !== undefined || filter !== undefined) {
          throw new OperationError(400, 'invalid-input', 'topic goes with neither clientId nor filter');
        }
        return shownPage(id, await subscriptions.receiving({ ...request, topic }), same);
      }
      const page = await subscriptions.list({
        ...request,
        ...(clientId === undefined ? {} : { clientId }),
        ...(tenant === undefined ? {} : { tenant }),
        ...(filter === undefined ? {} : { filter }),
      });
      return shownPage(id, page, same);
    },
  }),
};
