import { describe, expect, it } from 'vitest';
import { delayRequest } from '../../../src/kernel/delayed/delay-request.ts';
import { appendUserProperties } from '../../../src/kernel/user-properties.ts';
import { bytes, text } from '../topic-model.ts';

const rules = { enabled: true, userProperty: bytes('delay'), maxDelaySeconds: 3600 };
const none: Uint8Array = new Uint8Array(0);
const rest = Uint8Array.of(1, 1, 3, 0, 1, 65);

function asked(topic: string, properties: Uint8Array = none, given = rules): unknown {
  const request = delayRequest(bytes(topic), properties, given);
  if (request === undefined || 'fault' in request) return request?.fault;
  return [text(request.topic), request.delaySeconds, [...request.properties]];
}

describe('a request for a delay', () => {
  it('is a topic or a user property, and is not in what is delayed', () => {
    expect(asked('$delayed/15/a/b')).toEqual(['a/b', 15, []]);
    expect(asked('$delayed/0/$x')).toEqual(['$x', 0, []]);
    expect(asked('a', appendUserProperties(rest, [['delay', '20']]))).toEqual(['a', 20, [...rest]]);
    const two = appendUserProperties(rest, [
      ['delay', '20'],
      ['other', 'x'],
      ['delay', '21'],
    ]);
    expect(asked('a', two)).toEqual(['a', 20, [...appendUserProperties(rest, [['other', 'x']])]]);
    expect(asked('$delayed/15/a', two)).toEqual(['a', 15, [...appendUserProperties(rest, [['other', 'x']])]]);
  });

  it('is none in other topics, other properties, or when delays are off', () => {
    const withDelay = appendUserProperties(none, [['delay', '20']]);
    expect(asked('a/$delayed/15/b', rest)).toBeUndefined();
    expect(asked('$delayedx/15/b', appendUserProperties(rest, [['Delay', '1']]))).toBeUndefined();
    expect(asked('a', withDelay, { ...rules, userProperty: none })).toBeUndefined();
    expect(asked('$delayed/1/a', withDelay, { ...rules, enabled: false })).toBeUndefined();
  });

  it('is refused when it cannot be met', () => {
    expect(asked('$delayed/')).toBe('no topic');
    expect(asked('$delayed/5')).toBe('no topic');
    expect(asked('$delayed/5/')).toBe('no topic');
    expect(asked('$delayed//a')).toBe('no seconds');
    expect(asked('$delayed/1.5/a')).toBe('no seconds');
    expect(asked('$delayed/-1/a')).toBe('no seconds');
    expect(asked('$delayed/12345678901/a')).toBe('no seconds');
    expect(asked('$delayed/3601/a')).toBe('too long');
    expect(asked('$delayed/1/$delayed/1/a')).toBe('delayed twice');
    expect(asked('a', appendUserProperties(none, [['delay', 'soon']]))).toBe('no seconds');
  });
});
