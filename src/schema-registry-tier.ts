/**
 * The schema registry of a node, put together: its log is a partition of the journal that no protocol reaches, opened with the
 * first request, so that a node without schemas pays nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { HttpAccess } from './admin/access.ts';
import type { IsLocal, Route } from './admin/http-routes.ts';
import { OperationError } from './admin/operation.ts';
import { refuse } from './admin/problem.ts';
import { discardBody } from './admin/request-body.ts';
import type { Config } from './config/config.ts';
import type { NodeTables } from './durable-tables.ts';
import type { Clock } from './kernel/clock.ts';
import type { Partition } from './kernel/log/partitions.ts';
import type { StateLog } from './kernel/state/state-log.ts';
import { ofNode } from './schema-registry/errors.ts';
import { refuse as refuseByCode } from './schema-registry/http.ts';
import { createPartitionLog } from './schema-registry/partition-log.ts';
import { createSchemaRegistry, isRegistryPath, type SchemaRegistry } from './schema-registry/registry.ts';
import type { RegistryTransfer } from './schema-registry/transfer.ts';
import { RecordBatchBuilder } from './storage/records/batch-builder.ts';

export interface SchemaRegistryTierOptions {
  readonly config: Config;
  readonly tables: Pick<NodeTables, 'partitions' | 'kernel' | 'opener'>;
  readonly log: StateLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stripeOf: (key: string) => number;
}

/** No name that a topic can have. */
const LOG_NAME = '$schema-registry';

export interface SchemaRegistryTier {
  route(access: HttpAccess, isLocal: IsLocal): Route;
  /** undefined where nothing was ever kept. */
  known(): Promise<RegistryTransfer | undefined>;
  opened(): Promise<RegistryTransfer>;
}

/** undefined where the configuration wants none. */
export function schemaRegistryTier(options: SchemaRegistryTierOptions): SchemaRegistryTier | undefined {
  const { config, logger } = options;
  if (!config.schemaRegistry.enabled) return undefined;
  let opening: Promise<SchemaRegistry> | undefined;
  const opened = (): Promise<SchemaRegistry> => {
    opening ??= open(options).catch((error: unknown) => {
      // The next request tries again: the journal may have had no room.
      opening = undefined;
      throw error;
    });
    return opening;
  };
  // As with Kafka itself: who reaches a broker that nobody else reaches need not say who it is.
  const isOpen = config.security.authentication.authenticators.length === 0;

  const route = (access: HttpAccess, isLocal: IsLocal): Route => ({
    owns: isRegistryPath,
    async handle(request: IncomingMessage, response: ServerResponse) {
      try {
        const caller = await access.identifyClient(request, isOpen && isLocal(request));
        if (caller.tenant !== '') {
          await discardBody(request);
          return refuseByCode(response, ofNode());
        }
        const registry = await opened();
        await registry.handle(request, response, (action) =>
          caller.may(action === 'read' ? 'schemas:read' : 'schemas:write'),
        );
      } catch (error) {
        await discardBody(request);
        if (error instanceof OperationError) {
          if (error.status === 401) response.setHeader('www-authenticate', 'Basic realm="RobustMQ"');
          return refuse(response, { status: error.status, kind: error.kind, detail: error.message });
        }
        logger.error({ err: error }, 'the schema registry cannot be opened');
        refuse(response, { status: 503, kind: 'unavailable', detail: 'the schemas cannot be read now' });
      }
    },
  });

  return {
    route,
    async known() {
      const isKnown = opening !== undefined || options.tables.partitions.get(LOG_NAME, 0) !== undefined;
      return isKnown ? (await opened()).transfer : undefined;
    },
    opened: async () => (await opened()).transfer,
  };
}

async function partitionOf({ tables, stripeOf }: SchemaRegistryTierOptions): Promise<Partition> {
  const { partitions } = tables;
  const known = partitions.get(LOG_NAME, 0);
  if (known !== undefined) return known;
  const made = await partitions.create(LOG_NAME, 0, stripeOf(LOG_NAME), 'journal');
  if (typeof made === 'string') throw new Error(`the log of the schemas cannot be made: ${made}`);
  return made;
}

async function open(options: SchemaRegistryTierOptions): Promise<SchemaRegistry> {
  const { config, tables, log, clock, logger } = options;
  const { partitions, kernel, opener } = tables;
  const partition = await partitionOf(options);
  partitions.setPolicy(partition, { cleanup: 'compact' });
  const { maxSchemas, maxVersions, maxSchemaBytes, maxBytes, compatibility } = config.schemaRegistry;
  const registry = await createSchemaRegistry({
    log: createPartitionLog({
      partitions,
      partition,
      stateLog: log,
      opener,
      newBatch: () => new RecordBatchBuilder(kernel),
      wallMs: () => clock.wallMs(),
    }),
    limits: { maxSchemas, maxVersions, maxSchemaBytes, maxBytes, maxBodyBytes: maxSchemaBytes },
    level: compatibility,
    onDefect: (error) => logger.error({ err: error }, 'the schema registry failed'),
  });
  if (registry.damagedEntries > 0) {
    logger.warn({ entries: registry.damagedEntries }, 'entries of the schema registry were passed over');
  }
  return registry;
}
