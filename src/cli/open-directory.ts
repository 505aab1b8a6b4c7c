import {
  type DataDirectory,
  DataDirectoryError,
  openDataDirectory,
} from '../storage/data-directory/data-directory.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { systemReason } from './read-config.ts';

/** With its errors as those of the command line. `mustExist`: for verbs that only look. */
export async function openDirectory(path: string, mustExist = false): Promise<DataDirectory> {
  try {
    return await openDataDirectory(path, { mustExist });
  } catch (error) {
    if (!(error instanceof DataDirectoryError)) throw error;
    const message =
      error.reason === 'system'
        ? `cannot use the data directory ${path}: ${systemReason(error.cause)}`
        : error.message;
    throw new CliError(ExitCode.Failed, message);
  }
}
