/** Pages of a list that is short enough to be made whole: where a page begins is a number. */
import { OperationError, pageRequest, shownPage } from './operation.ts';

export function offsetPage<T, V>(
  id: string,
  items: readonly T[],
  input: { readonly limit?: number; readonly cursor?: string },
  show: (item: T) => V,
): { items: V[]; nextCursor?: string } {
  const { limit, after = '0' } = pageRequest(id, input);
  const start = Number(after);
  if (!Number.isSafeInteger(start) || start < 0) {
    throw new OperationError(400, 'invalid-cursor', 'the cursor is not one of this list');
  }
  const page = items.slice(start, start + limit);
  const isLast = start + limit >= items.length;
  return shownPage(id, { items: page, next: isLast ? undefined : String(start + limit) }, show);
}
