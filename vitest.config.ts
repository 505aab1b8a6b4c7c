import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // What is waited for comes at once, except where the machine stands still; a second would be a bound for that.
    expect: { poll: { timeout: 10_000 } },
    pool: 'forks',
    maxWorkers: 2,
    // One S3 server for all tests that want one, where ROBUSTMQ_TEST_S3 asks for it.
    globalSetup: process.env.ROBUSTMQ_TEST_S3 === undefined ? [] : ['test/support/s3.ts'],
    projects: [
      { extends: true, test: { name: 'all', include: ['test/**/*.test.ts'] } },
      {
        // The flow cache changes speed and nothing else: what is seen from outside is tested again without it.
        extends: true,
        test: {
          name: 'flow cache off',
          include: ['test/conformance/**/*.test.ts', 'test/e2e/**/*.test.ts'],
          exclude: [
            'test/conformance/table.test.ts',
            'test/e2e/process.test.ts',
            'test/e2e/flow-cache.test.ts',
            // Many starts of nodes; conformance and test/differential have durable sessions without it.
            'test/e2e/durable/**',
            // Only what crosses meets the data plane.
            'test/e2e/kafka/!(crossing).test.ts',
          ],
          env: { ROBUSTMQ_TEST_FLOW_CACHE: 'off' },
        },
      },
      {
        // What MQTT says of sessions, acknowledgements and what is kept holds whatever is under the journal.
        extends: true,
        test: {
          name: 'files',
          include: [
            'test/conformance/{session,qos,retain,will,shared,flow-control,subscribe,unsubscribe}.test.ts',
          ],
          env: { ROBUSTMQ_TEST_STORAGE: 'files' },
        },
      },
    ],
  },
});
