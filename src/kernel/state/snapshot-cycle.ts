/**
 * A snapshot cycle: all pages of all tables, written into the journal between two marks while the broker works. Once
 * the second mark is synced, nothing of the state log below the first is needed any more.
 */
import { type CycleSummary, encodePages, type Page } from './frame-format.ts';
import { type PageWriting, pageSlices } from './page-slices.ts';

/** undefined when it was stopped before its end. */
export async function runCycle(
  writing: PageWriting,
  isStopping: () => boolean,
): Promise<CycleSummary | undefined> {
  const begin = await writing.mark({ kind: 'begin' });
  const objectPosition = writing.objectEnd();
  let bytes = 0;
  for (const slice of pageSlices(writing, (table) => table.pageKeys())) {
    const pages = slice.pages.filter((each): each is Page => each.page !== undefined);
    bytes += slice.bytes;
    if (pages.length > 0) await writing.addPages(encodePages(slice.stamp, pages));
    await writing.pace(slice.bytes);
    if (isStopping()) return undefined;
  }
  await writing.mark({ kind: 'end', begin, objectPosition, bytes });
  return { begin, objectPosition, bytes };
}
