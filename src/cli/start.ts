/** `robustmq start`: runs one node until a signal ends it. */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { systemClock } from '../kernel/clock.ts';
import { createLogger } from '../logging.ts';
import type { NodeDependencies, RunningNode } from '../node.ts';
import { packageVersion } from '../package-version.ts';
import type { DataDirectory } from '../storage/data-directory/data-directory.ts';
import { banner, listenerUrl } from './banner.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import type { Io } from './io.ts';
import { isTooOld, OLDEST_NODE } from './node-version.ts';
import { openDirectory } from './open-directory.ts';
import { type ConfigOptions, readConfig, systemReason } from './read-config.ts';
import { writeReadyFile } from './ready-file.ts';

export interface StartOptions extends ConfigOptions {
  readonly readyFile?: string;
}

/** What the verb needs of a node. */
export type StartedNode = Pick<RunningNode, 'listeners' | 'stop' | 'reload' | 'firstAdministrator'>;
export type StartNode = (
  config: Config,
  dependencies: NodeDependencies & { readonly dataDirectory: DataDirectory },
) => Promise<StartedNode>;

/** Resolves with the exit code when the node has stopped. */
export async function start(
  options: StartOptions,
  io: Io,
  startNode: StartNode,
  nodeVersion = process.versions.node,
): Promise<number> {
  if (isTooOld(nodeVersion)) {
    const advice = `install ${OLDEST_NODE} or newer`;
    throw new CliError(ExitCode.Failed, `this is Node ${nodeVersion}, which is too old: ${advice}`);
  }
  const loaded = await readConfig(options, io.environment);
  const { config } = loaded;
  const isTTY = io.out.isTTY === true;
  const logger = await createLogger(config.logging, { fd: 1, isTTY });

  // Signals count from the first moment: one that comes while the node starts stops it as soon as it has.
  let signalled = (_signal: string): void => {};
  const stopAsked = new Promise<string>((resolve) => {
    signalled = resolve;
  });
  let signals = 0;
  const unsubscribe: (() => void)[] = (['SIGTERM', 'SIGINT'] as const).map((signal) =>
    io.onSignal(signal, () => {
      signals++;
      if (signals > 1) {
        logger.warn(`${signal} again: exiting at once`);
        io.exit(ExitCode.Failed);
      }
      signalled(signal);
    }),
  );
  unsubscribe.push(
    io.onUncaught((error) => {
      logger.fatal({ err: error }, 'a defect of the broker: exiting');
      io.exit(ExitCode.Internal);
    }),
  );
  // A node none of whose listeners is enabled stays up as well.
  const hold = setInterval(() => {}, 2 ** 30);
  let dataDirectory: DataDirectory | undefined;
  try {
    dataDirectory = await openDirectory(config.dataDir);
    const dependencies = {
      logger,
      clock: systemClock,
      utilization: loopUtilization(),
      dataDirectory,
      configSource: { origins: loaded.origins, read: () => readConfig(options, io.environment) },
      stopProcess(isNow: boolean) {
        if (isNow) {
          logger.warn('an administrator asked for an end at once: exiting');
          io.exit(ExitCode.Ok);
        }
        signalled('an administrator');
      },
    };
    const node = await open(config, dependencies, startNode);
    unsubscribe.push(io.onSignal('SIGHUP', () => void reload(node, logger)));
    try {
      if (options.readyFile !== undefined)
        await writeReadyFile(options.readyFile, process.pid, node.listeners);
    } catch (error) {
      await node.stop();
      throw new CliError(ExitCode.Failed, `cannot write ${options.readyFile}: ${systemReason(error)}`);
    }
    announce(config, node, logger, io, isTTY);
    for (const warning of loaded.warnings) logger.warn(warning);
    const { http, https } = config.listeners;
    if (http.enabled || https.enabled) await makeAdministrator(node, logger, io);

    const signal = await stopAsked;
    logger.info(`${signal}: stopping`);
    await node.stop();
    logger.info('stopped');
    return ExitCode.Ok;
  } finally {
    await dataDirectory?.close();
    clearInterval(hold);
    for (const stop of unsubscribe) stop();
  }
}

async function open(
  config: Config,
  dependencies: Parameters<StartNode>[1],
  startNode: StartNode,
): Promise<StartedNode> {
  try {
    return await startNode(config, dependencies);
  } catch (error) {
    throw new CliError(ExitCode.Failed, startFailure(config, error));
  }
}

/** Of the event loop, from one call to the next. */
function loopUtilization(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}

/** A port that is taken is by far the most frequent failure: the message says how to use another. */
function startFailure(config: Config, error: unknown): string {
  const { code, port, syscall } = error as NodeJS.ErrnoException & { port?: number };
  if (syscall !== 'listen' && syscall !== 'bind') return `cannot start: ${systemReason(error)}`;
  const taken = Object.entries(config.listeners).find(
    ([, listener]) => listener.enabled && 'port' in listener && listener.port === port,
  );
  if (taken === undefined) return `cannot listen: ${systemReason(error)}`;
  const [name] = taken;
  const reason = code === 'EADDRINUSE' ? 'the port is in use' : systemReason(error);
  return `cannot listen on port ${port} (listeners.${name}): ${reason}. Choose another with --set listeners.${name}.port=PORT`;
}

function announce(config: Config, node: StartedNode, logger: Logger, io: Io, isTTY: boolean): void {
  const quiet = config.logging.level === 'silent' || config.logging.level === 'error';
  if (isTTY && config.logging.format !== 'json' && !quiet) {
    io.out.write(banner(packageVersion(), config, node.listeners));
    return;
  }
  for (const listener of node.listeners) {
    logger.info(
      { listener: listener.name, ...listener.address },
      `listening on ${listenerUrl(config, listener)}`,
    );
  }
  logger.info({ version: packageVersion(), dataDir: config.dataDir, pid: process.pid }, 'ready');
}

/** Clients are served already: hashing a password takes longer than the rest of a start. */
async function makeAdministrator(node: StartedNode, logger: Logger, io: Io): Promise<void> {
  try {
    await node.firstAdministrator({
      environment: io.environment,
      print: (text) => void io.err.write(text),
    });
  } catch (error) {
    logger.error(`there is no first administrator: ${systemReason(error)}; robustmq user create makes one`);
  }
}

async function reload(node: StartedNode, logger: Logger): Promise<void> {
  try {
    const { changes, warnings } = await node.reload();
    const waiting = changes.filter(({ effect }) => effect === 'restart').map(({ key }) => key);
    logger.info({ changes: changes.length - waiting.length }, 'configuration and certificates reloaded');
    if (waiting.length > 0) logger.warn(`these need a restart: ${waiting.join(', ')}`);
    for (const warning of warnings) logger.warn(warning);
  } catch (error) {
    logger.error(`not reloaded, what is in use stays: ${systemReason(error)}`);
  }
}
