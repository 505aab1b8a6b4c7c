/** Where partitions lie, and how large they are. There is one place: the data directory. */
import { statfs } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Kafka } from '../context.ts';
import type { Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { tenantNameOf } from '../security/authorizer.ts';
import { CLUSTER, Operation, ResourceType } from '../security/vocabulary.ts';

const UNKNOWN_SPACE = { totalBytes: -1, usableBytes: -1 };

/** Of the file system, as far as it says. */
async function spaceOf({ config }: Kafka): Promise<typeof UNKNOWN_SPACE> {
  try {
    const { bsize, blocks, bavail } = await statfs(config.dataDir);
    return { totalBytes: bsize * blocks, usableBytes: bsize * bavail };
  } catch {
    return UNKNOWN_SPACE;
  }
}

interface Asked {
  readonly name: string;
  /** undefined is all of them. */
  readonly numbers: readonly number[] | undefined;
}

export const describeLogDirs: Handler<(typeof Apis)['describeLogDirs']> = async (
  kafka,
  { connection, request },
) => {
  if (!kafka.authorizer.allows(connection, Operation.Describe, ResourceType.Cluster, CLUSTER)) {
    return { throttleTimeMs: 0, errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED, results: [] };
  }
  const asked: readonly Asked[] =
    request.topics === null
      ? Array.from(kafka.topics.list(), ({ name }) => ({ name, numbers: undefined }))
      : request.topics.map(({ topic, partitions }) => ({ name: topic, numbers: partitions }));
  const topics = asked.flatMap(({ name, numbers }) => {
    const topic = kafka.topics.get(name);
    if (topic === undefined) return [];
    const partitions = topic.partitions
      .filter(({ number }) => numbers?.includes(number) ?? true)
      .map(({ number, bytes }) => ({
        partitionIndex: number,
        partitionSize: bytes,
        offsetLag: 0,
        isFutureKey: false,
      }));
    return [{ name, partitions }];
  });
  // How the node is made is not for its tenants.
  const isWhole = tenantNameOf(connection) === '';
  const isInFiles = isWhole && kafka.config.storage.engine !== 'memory';
  const logDir = isInFiles ? resolve(kafka.config.dataDir) : 'memory';
  const space = isInFiles ? await spaceOf(kafka) : UNKNOWN_SPACE;
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    results: [{ errorCode: ErrorCode.NONE, logDir, topics, ...space }],
  };
};
