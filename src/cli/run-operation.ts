/** Runs a row of the table of operations for a verb, page by page where it is a list, and shows what comes of it. */
import { createInterface } from 'node:readline';
import type { Operation } from '../admin/operation.ts';
import type { AdminClient } from './admin-client.ts';
import { isTable, printList, printOne } from './admin-output.ts';
import { formOf, readText, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { type Field, isList, kebab, type VerbCall } from './operation-verbs.ts';

export async function runVerb(call: VerbCall, io: Io): Promise<number> {
  const { row, options } = call;
  const input = await inputOf(call, io);
  const isFinal = row.verb?.isFinal === true && call.values.dryRun !== true;
  if (isFinal && options.yes !== true) await confirm(row.summary, io);
  return withAdmin(options, io, async (client) => {
    if (isList(row)) return listAll(client, call, input, io);
    const output = (await client.call(row, input)) as object;
    const form = formOf(options);
    if (isTable(form) && row.verb?.done !== undefined) await write(io.err, `${row.verb.done(output)}\n`);
    else await printOne(output, form, io);
    return exitCodeOf(row, output);
  });
}

/** `status` of a broker that does not serve ends with 1, so that scripts need not read. */
function exitCodeOf(row: Operation<object, unknown>, output: object): number {
  const { health } = output as { readonly health?: { readonly status?: string } };
  return row.id === 'status' && health?.status === 'red' ? ExitCode.Failed : ExitCode.Ok;
}

async function inputOf({ row, fields, values, options }: VerbCall, io: Io): Promise<object> {
  const body: Record<string, unknown> = {};
  const input: Record<string, unknown> = row.body === undefined ? {} : { body };
  for (const field of fields) {
    const value = field.isSecret ? await secretOf(field, options, io) : values[field.name];
    if (value === undefined) {
      if (field.isRequired) throw new CliError(ExitCode.Usage, `--${kebab(field.name)} is needed`);
    } else if (field.in === 'body') body[field.name] = value;
    else input[field.name] = value;
  }
  return input;
}

/** Of a line at the end of the file only the end is left out: a password may have blanks. */
async function secretOf({ name }: Field, options: object, io: Io): Promise<string | undefined> {
  const { [`${name}File`]: file, [`${name}Stdin`]: isPiped } = options as Readonly<Record<string, unknown>>;
  if (typeof file === 'string') return (await readText(file)).replace(/\r?\n$/, '');
  if (isPiped !== true) return undefined;
  let text = '';
  for await (const chunk of io.in) text += String(chunk);
  return text.replace(/\r?\n$/, '');
}

async function confirm(summary: string, io: Io): Promise<void> {
  if ((io.in as { isTTY?: boolean }).isTTY !== true) return;
  const prompt = createInterface({ input: io.in, output: io.err });
  prompt.setPrompt(`${summary} Really? [y/N] `);
  const answer = await new Promise<string>((resolve) => {
    // Ctrl-C, Ctrl-D and an input that ends close it without an answer.
    prompt.once('line', resolve).once('close', () => resolve(''));
    prompt.prompt();
  });
  prompt.close();
  if (!/^y(?:es)?$/i.test(answer.trim())) throw new CliError(ExitCode.Failed, 'nothing was done');
}

/** Pages of the API; `--limit` is about all of them. */
async function listAll(
  client: AdminClient,
  { row, options }: VerbCall,
  input: object,
  io: Io,
): Promise<number> {
  const { maximum } = (row.queryParameters.limit?.json ?? {}) as { readonly maximum?: number };
  const wanted = options.limit ?? Number.POSITIVE_INFINITY;
  const items: object[] = [];
  let cursor: string | undefined;
  do {
    const page = (await client.call(row, {
      ...input,
      limit: Math.min(maximum ?? 1, wanted - items.length),
      ...(cursor === undefined ? {} : { cursor }),
    })) as { readonly items: readonly object[]; readonly nextCursor?: string };
    for (const item of page.items) items.push(item);
    cursor = page.nextCursor;
  } while (cursor !== undefined && items.length < wanted);
  await printList(items, row.verb?.columns ?? columnsOf(items), formOf(options), io);
  if (cursor !== undefined) await write(io.err, `there are more than ${wanted}; --limit shows more\n`);
  return ExitCode.Ok;
}

const columnsOf = (items: readonly object[]): string[] => [
  ...new Set(items.flatMap((each) => Object.keys(each))),
];
