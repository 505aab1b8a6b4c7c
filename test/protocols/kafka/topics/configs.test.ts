import { describe, expect, it } from 'vitest';
import { defaultConfig } from '../../../../src/config/load.ts';
import { checkOverrides, topicConfigs, understand } from '../../../../src/protocols/kafka/topics/configs.ts';
import { nameFault } from '../../../../src/protocols/kafka/topics/names.ts';

const config = defaultConfig();
const of = (overrides: Readonly<Record<string, string>>) => new Map(Object.entries(overrides));

describe('configurations of topics', () => {
  it('accept each of their own defaults, and have a text', () => {
    for (const each of topicConfigs.values()) {
      expect(each.check(each.default(config)), each.name).toBeUndefined();
      expect(each.documentation).not.toBe('');
    }
  });

  it('mean what they mean in Kafka where nothing is set', () => {
    expect(understand(new Map(), config)).toMatchObject({
      cleanup: 'delete',
      maxMessageBytes: 1_048_588,
      timestampType: 'CreateTime',
      retentionMs: 604_800_000,
      retentionBytes: 0,
      tombstoneMs: 86_400_000,
      compression: 'producer',
      isSynced: false,
      storage: 'journal',
    });
  });

  it('are understood', () => {
    expect(understand(of({ 'cleanup.policy': 'compact, delete' }), config).cleanup).toBe('both');
    expect(understand(of({ 'cleanup.policy': 'compact' }), config).cleanup).toBe('compact');
    const nothing = of({ 'cleanup.policy': '', 'retention.ms': '5', 'retention.bytes': '5' });
    expect(understand(nothing, config)).toMatchObject({
      cleanup: 'delete',
      retentionMs: Number.POSITIVE_INFINITY,
      retentionBytes: 0,
    });
    expect(understand(of({ 'retention.ms': '-1' }), config).retentionMs).toBe(Number.POSITIVE_INFINITY);
    expect(understand(of({ 'retention.ms': '9223372036854775807' }), config).retentionMs).toBe(
      Number.POSITIVE_INFINITY,
    );
    expect(understand(of({ 'retention.bytes': '5' }), config).retentionBytes).toBe(5);
    expect(understand(of({ 'retention.bytes': '0' }), config).retentionBytes).toBe(1);
    expect(understand(of({ 'compression.type': 'lz4' }), config).compression).toBe('lz4');
    expect(understand(of({ 'compression.type': 'uncompressed' }), config).compression).toBe('none');
    expect(understand(of({ 'flush.messages': '1' }), config).isSynced).toBe(true);
    expect(understand(of({ 'flush.ms': '1000' }), config).isSynced).toBe(true);
  });

  it.each([
    ['segment.ms', '600000'],
    ['segment.index.bytes', '52428800'],
    ['index.interval.bytes', '4096'],
    ['preallocate', 'true'],
    ['file.delete.delay.ms', '1'],
    ['leader.replication.throttled.replicas', '0:1,1:1'],
    ['follower.replication.throttled.replicas', '*'],
    ['compression.gzip.level', '-1'],
    ['unclean.leader.election.enable', 'true'],
  ])('of files, replicas and levels can be %s=%j, as frameworks set them', (name, value) => {
    expect(checkOverrides(of({ [name]: value }))).toBeUndefined();
    expect(topicConfigs.get(name)?.documentation).toContain('changes nothing here');
  });

  it.each([
    ['cleanup.policy', 'keep'],
    ['retention.ms', '-2'],
    ['retention.ms', '1e3'],
    ['retention.ms', ''],
    ['max.message.bytes', '2147483648'],
    ['message.timestamp.type', 'logappendtime'],
    ['min.cleanable.dirty.ratio', '1.5'],
    ['min.cleanable.dirty.ratio', '.'],
    ['segment.ms', '0'],
    ['compression.type', 'brotli'],
    ['compression.gzip.level', '0'],
    ['flush.messages', '0'],
    ['leader.replication.throttled.replicas', 'all'],
    ['remote.storage.enable', 'true'],
    ['no.such', '1'],
  ])('refuse %s=%j', (name, value) => {
    expect(checkOverrides(of({ [name]: value }))).toContain(name);
  });
});

describe('a name of a topic', () => {
  it.each(['a', 'A.b-c_9', '...', 'x'.repeat(249)])('can be %s', (name) =>
    expect(nameFault(name)).toBeUndefined(),
  );
  it.each(['', '.', '..', 'a b', 'a/b', 'ä', 'x'.repeat(250)])('cannot be %j', (name) =>
    expect(nameFault(name)).toBeDefined(),
  );
});
