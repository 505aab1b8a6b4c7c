/** What the configuration of a topic means to those who store and read its records. */
export interface TopicSettings {
  readonly cleanup: 'delete' | 'compact';
  readonly maxMessageBytes: number;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  /** How far a timestamp may lie behind, or in front of, our clock. */
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  /** Infinity is for ever. */
  readonly retentionMs: number;
  /** Of a partition; 0 is no limit. */
  readonly retentionBytes: number;
  readonly tombstoneMs: number;
  readonly segmentBytes: number;
}
