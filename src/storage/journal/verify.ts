import { closedForReading, type SegmentReader } from './reader.ts';
import { createIndexBuilder } from './segment-index.ts';
import type { Segments } from './segments.ts';

/** Every frame of every segment is read, and each footer compared with the index that its frames give. */
export async function verifySegments(segments: Segments, reader: SegmentReader): Promise<string[]> {
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
        at = block.end + segment.epochOffset;
      }
      if (segment.index !== undefined) continue;
      const kept = await reader.index(segment, segments.at(segment.footer) ?? segment);
      const lastOf = new Map(kept.logs());
      for (const [logId, last] of built.logs()) {
        if (lastOf.get(logId) !== last) {
          problems.push(`segment ${segment.start}: the index has another last frame for log ${logId}`);
        }
        lastOf.delete(logId);
      }
      for (const logId of lastOf.keys()) {
        problems.push(`segment ${segment.start}: the index has log ${logId}, the frames do not`);
      }
    } catch (error) {
      problems.push(`segment ${segment.start}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return problems;
}
