import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BACKUP_VERSION,
  BackupUnusable,
  decodeManifest,
  encodeManifest,
  type Manifest,
  readManifest,
} from '../../../src/storage/backup/manifest.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';

const SUM = 'a'.repeat(64);
const MANIFEST: Manifest = {
  version: BACKUP_VERSION,
  createdAt: '2026-01-01T00:00:00.000Z',
  programVersion: '1.0.0',
  nodeId: 'node',
  epoch: 3,
  startPosition: 0,
  endPosition: 99,
  usesObjectStorage: false,
  objectPlace: 'the bucket b',
  files: [
    { path: 'format.json', bytes: 14, sha256: SUM },
    { path: 'node.json', bytes: 50, sha256: SUM },
    { path: 'journal/main/0000000001.open', bytes: 0, sha256: SUM },
  ],
  objects: [{ key: 'tier/main/1', bytes: 10 }],
};
const decode = (bytes: Uint8Array): Manifest => decodeManifest(bytes, 'manifest.json');
const withFile = (path: unknown): Manifest => ({
  ...MANIFEST,
  files: [...MANIFEST.files, { path, bytes: 1, sha256: SUM } as Manifest['files'][number]],
});

describe('the manifest of a backup', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(
        fc.record({
          epoch: fc.nat(),
          startPosition: fc.maxSafeNat(),
          endPosition: fc.maxSafeNat(),
          usesObjectStorage: fc.boolean(),
          objectPlace: fc.string({ maxLength: 50 }),
          objects: fc.array(fc.record({ key: fc.string({ maxLength: 50 }), bytes: fc.maxSafeNat() })),
        }),
        (fields) => {
          const manifest = { ...MANIFEST, ...fields };
          expect(decode(encodeManifest(manifest))).toEqual(manifest);
        },
      ),
    );
  });

  it('is refused when a byte of what it says is another', () => {
    const bytes = Buffer.from(encodeManifest(MANIFEST));
    const blank = /^\s*$/;
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const altered = Buffer.from(bytes);
        altered[at] = (altered[at] ?? 0) ^ (1 << bit);
        const isLayout =
          blank.test(String.fromCharCode(bytes[at] ?? 0)) &&
          blank.test(String.fromCharCode(altered[at] ?? 0));
        if (!isLayout) expect(() => decode(altered)).toThrow(BackupUnusable);
      }),
    );
  });

  it.each([
    '../format.json',
    '/etc/passwd',
    'journal/../node.json',
    'journal/main/../../x',
    'journal/main/a/b',
    'journal\\main',
    'lock/pid',
    'views/x',
    '.hidden',
    'audit/..',
    '',
    7,
    'format.json',
  ])('is refused with %j as a file', (path) => {
    expect(() => decode(encodeManifest(withFile(path)))).toThrow(BackupUnusable);
  });

  it('is refused without what a data directory needs', () => {
    const files = MANIFEST.files.filter(({ path }) => path !== 'node.json');
    expect(() => decode(encodeManifest({ ...MANIFEST, files }))).toThrow(/node\.json is not in it/);
  });

  it('of another version or program says what to do', () => {
    expect(() => decode(encodeManifest({ ...MANIFEST, version: 2 }))).toThrow(/format version 2.*knows 1/);
    expect(() => decode(Buffer.from('{"format":"zip"}'))).toThrow(/not that of a backup/);
    expect(() => decode(Buffer.from('[]'))).toThrow(BackupUnusable);
    expect(() => decode(Buffer.from('null'))).toThrow(BackupUnusable);
  });

  it('is missed where there is none', async () => {
    await expect(readManifest(faultyDisk(1), '/nothing')).rejects.toThrow(/is no backup/);
  });
});
