/** `robustmq audit verify`: asks a broker, or looks at the data directory of one that does not run. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OPERATIONS } from '../admin/operations.ts';
import { parseHead } from '../security/audit/chain.ts';
import { readHead } from '../security/audit/head-file.ts';
import { type AuditVerification, filesAtRest, verifyAudit } from '../security/audit/verify.ts';
import { printOne } from './admin-output.ts';
import { type AdminOptions, dataDirOf, formOf, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import type { Io } from './io.ts';
import { openDirectory } from './open-directory.ts';

export interface AuditVerifyOptions extends AdminOptions {
  readonly expected?: string;
}

async function atRest(dataDir: string, expected: string | undefined): Promise<AuditVerification> {
  const data = await openDirectory(dataDir, true);
  try {
    const directory = join(data.path, 'audit');
    return await verifyAudit({
      files: filesAtRest(directory),
      head: await readHead(directory),
      expected: expected === undefined ? undefined : parseHead(expected),
    });
  } finally {
    await data.close();
  }
}

async function ask(options: AuditVerifyOptions, io: Io): Promise<AuditVerification> {
  const { expected } = options;
  const dataDir = await dataDirOf(options, io);
  let found: AuditVerification | undefined;
  try {
    await withAdmin(options, io, async (client) => {
      found = await client.call(OPERATIONS.auditVerify, expected === undefined ? {} : { expected });
      return ExitCode.Ok;
    });
  } catch (error) {
    const isAway = error instanceof CliError && error.exitCode === ExitCode.Unreachable;
    if (!isAway || dataDir === undefined || !existsSync(dataDir)) throw error;
    found = await atRest(dataDir, expected);
  }
  if (found === undefined) throw new Error('no answer');
  return found;
}

export async function auditVerify(options: AuditVerifyOptions, io: Io): Promise<number> {
  if (options.expected !== undefined && parseHead(options.expected) === undefined) {
    throw new CliError(ExitCode.Usage, '--expected takes the number and the hash of an entry, as in 12:wjr…');
  }
  const found = await ask(options, io);
  await printOne(found, formOf(options), io);
  if (found.isSound) return ExitCode.Ok;
  const { broken } = found;
  if (broken !== null) {
    const where = broken.line === 0 ? broken.file : `${broken.file}, line ${broken.line}`;
    throw new CliError(
      ExitCode.Unsound,
      `the audit log is broken at entry ${broken.sequence ?? '?'} (${where}): ${broken.reason}`,
    );
  }
  const [sequence] = (options.expected ?? '').split(':');
  throw new CliError(
    ExitCode.Unsound,
    found.expected === 'missing'
      ? `entry ${sequence} is not there`
      : `entry ${sequence} is another one than was noted`,
  );
}
