/** How values are shown. */
const decoder = new TextDecoder('utf-8', { fatal: true });
const HEX_BYTES_SHOWN = 4096;

export function payloadText(payload: Uint8Array): string {
  try {
    return decoder.decode(payload);
  } catch {
    return hex(payload);
  }
}

/** One line, for a list. */
export function preview(payload: Uint8Array, maxCharacters: number): string {
  // Four bytes a character at most; a cut character at the end is not an error of the payload.
  const head =
    payload.length > maxCharacters * 4
      ? new TextDecoder().decode(payload.subarray(0, maxCharacters * 4))
      : payloadText(payload);
  const line = head.replace(/\s+/g, ' ');
  return line.length > maxCharacters ? `${line.slice(0, maxCharacters)}…` : line;
}

/** For reading: JSON indented, other text as it is, other bytes in hexadecimal. */
export function pretty(payload: Uint8Array): string {
  const text = payloadText(payload);
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function hex(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, HEX_BYTES_SHOWN), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join(' ');
  return bytes.length > HEX_BYTES_SHOWN ? `${shown} …` : shown;
}

/** 1,234 up to 9,999; then 12.3 k, 4.56 M. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 999_500) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 10_000) return `${(value / 1e3).toPrecision(3)} k`;
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });
}

export function duration(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}
