/** Ranges of versions as the protocol's definitions write them: `3+`, `0-9`, `4`, `none`. Both ends belong to a range. */

export interface VersionRange {
  readonly first: number;
  readonly last: number;
}

const NONE: VersionRange = { first: 0, last: -1 };

export function versionRange(text: string): VersionRange {
  if (text === 'none') return NONE;
  const match = /^(\d+)(\+|-(\d+))?$/.exec(text);
  if (match === null) throw new RangeError(`versions ${text}`);
  const first = Number(match[1]);
  if (match[2] === undefined) return { first, last: first };
  return { first, last: match[3] === undefined ? Number.POSITIVE_INFINITY : Number(match[3]) };
}

export const includes = ({ first, last }: VersionRange, version: number): boolean =>
  version >= first && version <= last;
