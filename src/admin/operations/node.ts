/** The process of the node: its configuration, read again, and its end. */
import type { ConfigChange } from '../../config/changes.ts';
import { OperationError, operation } from '../operation.ts';
import { boolean, type Infer, list, object, oneOf, string } from '../schema.ts';

const effect = oneOf(
  ['live', 'new-connections', 'restart'],
  'When a change of it counts: at once, for connections made from then on, after a restart.',
);

const configuredKey = object({
  key: string('Key, as it stands in the file.'),
  value: string('Its value in use; of secrets ********.'),
  source: string('Where that comes from.'),
  effect,
});
export type ConfiguredKey = Infer<typeof configuredKey>;

const change = object({
  key: string('Key.'),
  from: string('Its value before.'),
  to: string('What it is to be.'),
  effect,
});

export interface ProcessView {
  configuration(): readonly ConfiguredKey[];
  /** Rejects with an OperationError where nothing was changed. */
  reload(): Promise<{ readonly changes: readonly ConfigChange[]; readonly warnings: readonly string[] }>;
  /** False where nobody who could end the process listens. `isNow`: clients are not told. */
  mayStop(): boolean;
  stop(isNow: boolean): void;
}

export const nodeOperations = {
  configRead: operation({
    id: 'config.read',
    method: 'GET',
    path: '/config',
    summary: 'The configuration in use, without secrets.',
    scope: 'config:read',
    audit: 'none',
    output: object({ keys: list(configuredKey, 'Every key.') }),
    run: async (node) => ({ keys: node.process.configuration() }),
  }),
  configReload: operation({
    id: 'config.reload',
    method: 'POST',
    path: '/config:reload',
    summary: 'Reads configuration, certificates and files of passwords again; all of it counts, or nothing.',
    scope: 'config:write',
    audit: 'change',
    output: object({
      changes: list(change, 'What is different from what was in use.'),
      warnings: list(string('A sentence.'), 'What is probably not what was meant.'),
    }),
    async run(node) {
      const { changes, warnings } = await node.process.reload();
      return { changes, warnings };
    },
  }),
  nodeStop: operation({
    id: 'node.stop',
    method: 'POST',
    path: '/node:stop',
    summary: 'Ends the node: clients are told, what is written is flushed.',
    scope: 'node:write',
    audit: 'change',
    body: object(
      {},
      { now: boolean('Ends the process at once; what was acknowledged is kept all the same.') },
    ),
    output: object({ processId: string('Of the process that ends.') }),
    async run(node, { body }, { signal }) {
      if (!node.process.mayStop()) {
        throw new OperationError(409, 'not-possible', 'this node is part of another program');
      }
      // Over once the answer has been sent.
      signal.addEventListener('abort', () => node.process.stop(body.now === true), { once: true });
      return { processId: String(process.pid) };
    },
  }),
};
