import { SegmentStoreError } from '../segments/segment-store.ts';
import { closedForReading, type SegmentReader } from './reader.ts';
import { createIndexBuilder } from './segment-index.ts';
import type { Segments } from './segments.ts';

/**
 * Every frame of every segment is read from the disk, for which `reader` must be a new one, and each footer compared
 * with the index that its frames give.
 */
export async function verifySegments(
  segments: Segments,
  reader: SegmentReader,
  onBytes: (bytes: number) => void = () => {},
): Promise<string[]> {
  const problems: string[] = [];
  const end = segments.end();
  const open = segments.at(segments.openStart());
  const all = [...segments.closed().map(closedForReading), ...(open === undefined ? [] : [open])];
  for (const segment of all) {
    try {
      const built = createIndexBuilder();
      for (let at = segment.start; at < Math.min(segment.end, end); ) {
        const block = await reader.block(segment, at);
        for (const record of reader.records(segment, block)) built.add(record.logId, at, record.position);
        const next = block.end + segment.epochOffset;
        onBytes(next - at);
        at = next;
      }
      if (segment.index !== undefined) continue;
      const footer = await reader.footer(segment, segments.at(segment.footer) ?? segment);
      if (Buffer.compare(footer, built.encode(segment.start)) !== 0) {
        problems.push(`segment ${segment.start}: its index is not what its frames give`);
      }
    } catch (error) {
      // A store that gives no answer is no damage.
      if (error instanceof SegmentStoreError) throw error;
      // Removed meanwhile.
      if (segments.at(segment.start)?.start !== segment.start) continue;
      problems.push(`segment ${segment.start}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return problems;
}
