import { test } from 'vitest';
import { onMosquitto } from '../support/broker.ts';
import type { Version } from '../support/wire.ts';

export interface StatementContext {
  readonly version: Version;
}

const LABEL = /\[(3\.1\.1 )?(MQTT-[\d.]+-\d+)\] /y;

/**
 * Registers the test of normative statements. The name starts with their identifiers: `[MQTT-…]` of version 5.0,
 * `[3.1.1 MQTT-…]` of version 3.1.1. A name with both runs the body once per version, under its own name.
 */
export function statement(name: string, body: (context: StatementContext) => Promise<void>): void {
  register(name, body, true);
}

/** A statement whose test needs settings or services that only our broker has. */
statement.ours = (name: string, body: (context: StatementContext) => Promise<void>): void => {
  register(name, body, !onMosquitto);
};

function register(name: string, body: (context: StatementContext) => Promise<void>, runs: boolean): void {
  const labels: Record<4 | 5, string> = { 4: '', 5: '' };
  LABEL.lastIndex = 0;
  let title = name;
  for (let match = LABEL.exec(name); match !== null; match = LABEL.exec(name)) {
    labels[match[1] ? 4 : 5] += match[0];
    title = name.slice(LABEL.lastIndex);
  }
  if (labels[4] === '' && labels[5] === '') throw new Error(`no statement in the name of the test: ${name}`);
  const run = runs ? test : test.skip;
  if (labels[5] !== '') run(labels[5] + title, () => body({ version: 5 }));
  if (labels[4] !== '') run(labels[4] + title, () => body({ version: 4 }));
}
