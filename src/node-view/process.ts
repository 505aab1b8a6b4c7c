/** The process of the node as administration sees it. */
import { OperationError } from '../admin/operation.ts';
import type { ConfiguredKey, ProcessView } from '../admin/operations/node.ts';
import type { Origin } from '../config/assignments.ts';
import { ReloadRefused } from '../config/changes.ts';
import type { Config } from '../config/config.ts';
import { keys, printedValue } from '../config/describe.ts';

export interface ProcessParts {
  readonly config: Config;
  readonly origins: () => ReadonlyMap<string, Origin>;
  readonly reload: ProcessView['reload'];
  readonly stop: ((isNow: boolean) => void) | undefined;
}

export function processView({ config, origins, reload, stop }: ProcessParts): ProcessView {
  return {
    configuration: () =>
      keys().map(
        ({ path, effect }): ConfiguredKey => ({
          key: path,
          value: printedValue(config, path),
          source: origins().get(path)?.place ?? '',
          effect,
        }),
      ),
    async reload() {
      try {
        return await reload();
      } catch (error) {
        if (error instanceof ReloadRefused) {
          throw new OperationError(409, 'configuration-refused', error.message);
        }
        throw error;
      }
    },
    mayStop: () => stop !== undefined,
    stop: (isNow) => stop?.(isNow),
  };
}
