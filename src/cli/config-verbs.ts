/** `robustmq config …`: looks at a configuration without starting anything. */
import { jsonSchema, keys, lookUp, printConfig, referencePage } from '../config/describe.ts';
import { nearest } from '../config/suggest.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { type ConfigOptions, readConfig } from './read-config.ts';

export async function configPrint(
  options: ConfigOptions & { readonly sources?: boolean },
  io: Io,
): Promise<number> {
  const { config, origins, warnings } = await readConfig(options, io.environment);
  await write(io.out, printConfig(config, options.sources === true ? origins : undefined));
  for (const warning of warnings) await write(io.err, `warning: ${warning}\n`);
  return ExitCode.Ok;
}

export async function configValidate(options: ConfigOptions, io: Io): Promise<number> {
  const { warnings } = await readConfig(options, io.environment);
  for (const warning of warnings) await write(io.err, `warning: ${warning}\n`);
  await write(io.err, 'The configuration is valid.\n');
  return ExitCode.Ok;
}

export async function configDocs(path: string | undefined, io: Io): Promise<number> {
  if (path !== undefined && lookUp(path) === undefined) {
    const near = nearest(
      path,
      keys().map((key) => key.path),
    );
    throw new CliError(
      ExitCode.Usage,
      `no key ${path}${near === undefined ? '' : `; did you mean ${near}?`}`,
    );
  }
  await write(io.out, referencePage(path));
  return ExitCode.Ok;
}

export async function configSchema(io: Io): Promise<number> {
  await write(io.out, `${JSON.stringify(jsonSchema(), undefined, 2)}\n`);
  return ExitCode.Ok;
}
