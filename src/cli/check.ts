/** `robustmq check`: questions about a running broker, answered by the exit code. */
import { OPERATIONS } from '../admin/operations.ts';
import { isTable, printable, printList } from './admin-output.ts';
import { type AdminOptions, formOf, withAdmin } from './admin-target.ts';
import { ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';

export interface CheckOptions extends AdminOptions {
  readonly quiet?: boolean;
}

export function check(names: readonly string[], options: CheckOptions, io: Io): Promise<number> {
  return withAdmin(options, io, async (client) => {
    const { isOk, checks } = await client.call(OPERATIONS.checksRun, {
      ...(names.length === 0 ? {} : { checks: names.join(',') }),
    });
    const form = formOf(options);
    if (options.quiet !== true) {
      if (!isTable(form)) await printList(checks, [], form, io);
      else {
        for (const each of checks) {
          await write(
            io.out,
            `${each.isOk ? 'ok' : 'FAILED'}  ${printable(each.check)}: ${printable(each.message)}\n`,
          );
        }
      }
    }
    return isOk ? ExitCode.Ok : ExitCode.Failed;
  });
}
