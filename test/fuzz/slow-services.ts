/** Authentication and authorization that take their time, continue for several steps, refuse, and fail. */
import {
  type AuthExchange,
  type AuthResult,
  type AuthStep,
  defaultAuthorizer,
} from '../../src/protocols/mqtt/auth.ts';
import { ReasonCode } from '../../src/protocols/mqtt/codec/reason-codes.ts';
import { hashOf } from '../../src/protocols/mqtt/session.ts';
import type { FakeServices } from '../support/fake-network.ts';
import type { Random } from '../support/random.ts';

/** The honest clients of the test are let through at once. */
const isWitness = (clientId: string): boolean => clientId.startsWith('witness');

export function slowServices(random: Random): FakeServices {
  /** At once, in this turn, or in one of the next. */
  function sometime<T>(value: T): T | Promise<T> {
    if (random.oneIn(2)) return value;
    let turns = random.below(4);
    return new Promise((resolve) => {
      const step = (): void => {
        if (turns-- <= 0) resolve(value);
        else setImmediate(step);
      };
      step();
    });
  }

  function exchange(): AuthExchange {
    let left = random.below(3);
    const next = (): AuthStep | Promise<AuthStep> => {
      if (left-- > 0) return sometime<AuthStep>({ type: 'continue', data: Buffer.from('more') });
      return sometime<AuthStep>(
        random.oneIn(4)
          ? { type: 'failure', reasonCode: ReasonCode.NotAuthorized }
          : { type: 'success', data: undefined, userName: 'someone' },
      );
    };
    return { start: next, continue: next };
  }

  return {
    authenticator: {
      authenticate({ clientId }) {
        if (isWitness(clientId)) return { allow: true };
        return sometime<AuthResult>(
          random.oneIn(10)
            ? { allow: false, reasonCode: ReasonCode.BadUserNameOrPassword, message: 'no' }
            : { allow: true },
        );
      },
    },
    authMethods: [{ name: 'steps', begin: exchange }],
    authorizer: {
      ...defaultAuthorizer,
      publisherClass: ({ clientId = '' }) => hashOf(clientId),
      mayPublish: ({ clientId = '' }, { topic }) =>
        isWitness(clientId) ? true : sometime(topic[0] !== 0x24 && !random.oneIn(10)),
      maySubscribe: ({ clientId = '' }) => (isWitness(clientId) ? true : sometime(!random.oneIn(10))),
    },
  };
}
