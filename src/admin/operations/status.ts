/** The node itself. */
import { operation } from '../operation.ts';
import { healthView, statusView } from '../views.ts';

export const statusOperations = {
  health: operation({
    id: 'health',
    method: 'GET',
    path: '/health',
    summary: 'Whether the node serves.',
    scope: 'status:read',
    audit: 'none',
    output: healthView,
    statusOf: ({ status }) => (status === 'red' ? 503 : 200),
    run: async (node) => node.health(),
  }),
  status: operation({
    id: 'status',
    verb: { words: 'status', examples: ['status', 'status -o json | jq .health.status'] },
    method: 'GET',
    path: '/status',
    summary: 'What the node does, in figures.',
    scope: 'status:read',
    audit: 'none',
    output: statusView,
    run: async (node) => node.status(),
  }),
};
