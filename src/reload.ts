/**
 * The configuration, read again while the node runs: what can change does, what cannot is said. All or nothing: a value or a
 * file that is wrong leaves everything as it is, and nothing ever falls back to a default.
 */
import type { Logger } from 'pino';
import type { Origin } from './config/assignments.ts';
import {
  type ConfigChange,
  carryInto,
  changed,
  differences,
  ReloadRefused,
  shownChanges,
} from './config/changes.ts';
import { checkConfig } from './config/checks.ts';
import type { Config } from './config/config.ts';
import type { LoadedConfig } from './config/load.ts';
import type { Audit } from './security/audit/audit.ts';
import type { Authentication } from './security/authentication/authentication.ts';
import type { Authorization } from './security/authorization/authorization.ts';
import { configuredRules } from './security/authorization/configured-rules.ts';

export interface ReloadReport {
  /** One entry for every key whose value is another than the one in use, and since when, or whether at all, it counts. */
  readonly changes: readonly ConfigChange[];
  readonly warnings: readonly string[];
}

/** Where the configuration in use comes from, and how it is read again: rejects with a sentence for people. */
export interface ConfigSource {
  readonly origins: ReadonlyMap<string, Origin>;
  read(): Promise<Pick<LoadedConfig, 'config' | 'origins' | 'warnings'>>;
}

export interface Reload {
  /** Of the values in use, by key. */
  origins(): ReadonlyMap<string, Origin>;
  reload(): Promise<ReloadReport>;
}

export interface ReloadOptions {
  /** The one in use; values in it change. */
  readonly config: Config;
  /** Without it only files are read again. */
  readonly source: ConfigSource | undefined;
  readonly logger: Logger;
  readonly security: {
    readonly authentication: Pick<Authentication, 'reload'>;
    readonly authorization: Pick<Authorization, 'reload'>;
    readonly audit: Pick<Audit, 'note'>;
  };
  readonly listeners: () => readonly { reload(): Error | undefined }[];
}

export function createReload(options: ReloadOptions): Reload {
  const { config, source, logger, security, listeners } = options;
  const origins = new Map(source?.origins);

  async function reload(): Promise<ReloadReport> {
    const next = await source?.read().catch((error: unknown) => {
      throw new ReloadRefused(error instanceof Error ? error.message : String(error));
    });
    const found = next === undefined ? [] : differences(config, next.config);
    const usable = found.filter(({ effect }) => effect !== 'restart');
    const mixed = changed(config, usable);
    const problems = checkConfig(mixed, () => '');
    if (problems.length > 0) {
      const sentences = problems.map(({ path, reason }) => `${path} ${reason}`);
      throw new ReloadRefused(`this needs a restart as a whole: ${sentences.join('; ')}`);
    }
    const faults = await security.authentication.reload();
    if (faults.length > 0) throw new ReloadRefused(faults.join('; '));

    // In one turn from here on: nobody sees half of it.
    carryInto(config, usable, 'to');
    const refused = listeners().flatMap((listener) => listener.reload() ?? []);
    if (refused.length > 0) {
      carryInto(config, usable, 'from');
      for (const listener of listeners()) listener.reload();
      throw new ReloadRefused(refused.map(({ message }) => message).join('; '));
    }
    // Where it is the same, a level that somebody has set meanwhile stays.
    if (usable.some(({ path }) => path[0] === 'logging')) logger.level = config.logging.level;
    if (usable.some(({ path }) => path[0] === 'authorization')) {
      security.authorization.reload(configuredRules(config.authorization));
    }

    const changes = shownChanges(found);
    const pending = new Set(changes.filter(({ effect }) => effect === 'restart').map(({ key }) => key));
    for (const [key, origin] of next?.origins ?? []) if (!pending.has(key)) origins.set(key, origin);
    const { audit } = security;
    const by = { user: undefined, tenant: '', via: 'node', remoteAddress: '' };
    for (const change of changes) {
      logger.info(change, 'configuration');
      await audit.note({ ...by, operation: 'config.changed', input: change, result: 'ok' });
    }
    return { changes, warnings: next?.warnings ?? [] };
  }

  // One after the other: each compares with what the one before has left.
  let last: Promise<unknown> = Promise.resolve();
  return {
    origins: () => origins,
    reload() {
      const run = last.then(reload);
      last = run.catch(() => {});
      return run;
    },
  };
}
