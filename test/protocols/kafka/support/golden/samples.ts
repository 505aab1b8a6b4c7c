/**
 * Prints a sample of each message in each version, for another implementation to read and write. The newest classes take most of them,
 * the oldest take versions that have been dropped since:
 *
 *   node --import tsx test/protocols/kafka/support/golden/samples.ts \
 *     | java -cp <4.2.0> Golden messages | java -cp <3.9.1> Golden messages > test/protocols/kafka/messages/golden.jsonl
 *   java -cp <4.2.0> Golden batches > test/protocols/kafka/records/golden-batches.txt
 */
import fc from 'fast-check';
import { valuesOf } from '../arbitrary.ts';
import { encoded, messages, versionsOf } from '../messages.ts';

/** Short ones say nothing, long ones say the same again. */
const WANTED_BYTES = 70;

for (const message of messages) {
  for (const version of versionsOf(message)) {
    const samples = fc
      .sample(valuesOf(message, version), { numRuns: 14, seed: version + 99 })
      .map((value) => encoded(message, version, value));
    const distance = (bytes: Buffer): number => Math.abs(bytes.length - WANTED_BYTES);
    const [best] = samples.sort((a, b) => distance(a) - distance(b));
    process.stdout.write(`${message.name} ${version} ${best?.toString('hex')}\n`);
  }
}
