/** Bounds of topics that more than one of the requests about them has. */

/** Of a topic. */
export const MAX_PARTITIONS = 65_536;
/** Of an answer to DescribeTopicPartitions. */
export const MAX_DESCRIBED_PARTITIONS = 2000;
