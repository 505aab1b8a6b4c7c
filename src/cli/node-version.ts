/** The oldest Node that the broker runs on: older ones lack what is used here, and corrections of faults that others can reach. */
export const OLDEST_NODE = '20.19.0';

export function isTooOld(version: string): boolean {
  const parts = (text: string): number[] => text.split('.').map((part) => Number.parseInt(part, 10));
  const oldest = parts(OLDEST_NODE);
  for (const [i, part] of parts(version).entries()) {
    const least = oldest[i] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}
