/**
 * SQL's LIKE without backtracking: the pattern is cut at its `%`, the pieces are found one after the other, each as
 * early as possible. A text is passed once per piece position at most, so the time is bounded by the length of the
 * text times that of the longest piece, whatever the text.
 */
const ANY_ONE = -1;

/** Undefined when the escape character stands before something that needs no escape. */
export function compileLike(
  pattern: string,
  escaper: string | undefined,
): ((text: string) => boolean) | undefined {
  const pieces: number[][] = [[]];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i];
    const piece = pieces[pieces.length - 1];
    if (character === escaper) {
      const next = pattern[++i];
      if (next !== '%' && next !== '_' && next !== escaper) return undefined;
      piece.push(pattern.charCodeAt(i));
    } else if (character === '%') pieces.push([]);
    else piece.push(character === '_' ? ANY_ONE : pattern.charCodeAt(i));
  }
  const first = pieces[0];
  const last = pieces[pieces.length - 1];
  const inner = pieces.slice(1, -1).filter((piece) => piece.length > 0);
  if (pieces.length === 1) return (text) => text.length === first.length && isAt(text, 0, first);
  return (text) => {
    const end = text.length - last.length;
    if (end < first.length || !isAt(text, 0, first) || !isAt(text, end, last)) return false;
    let at = first.length;
    for (const piece of inner) {
      while (at + piece.length <= end && !isAt(text, at, piece)) at++;
      if (at + piece.length > end) return false;
      at += piece.length;
    }
    return true;
  };
}

function isAt(text: string, at: number, piece: readonly number[]): boolean {
  for (let i = 0; i < piece.length; i++) {
    if (piece[i] !== ANY_ONE && piece[i] !== text.charCodeAt(at + i)) return false;
  }
  return true;
}
