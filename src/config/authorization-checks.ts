/** What of authorization, tenants and limits contradicts itself. */
import type { Config } from './config.ts';

export function checkAuthorization(
  { authorization, guard, tenants, listeners }: Config,
  problem: (path: string, reason: string) => void,
): void {
  authorization.rules.forEach(({ actions, filters }, index) => {
    if (actions.length === 0) problem('authorization.rules', `entry ${index} needs actions`);
    if (filters.length === 0) problem('authorization.rules', `entry ${index} needs filters`);
  });
  const known = Object.keys(listeners);
  const isKnown = (name: string): boolean => known.includes(name);
  authorization.rules.forEach((rule, index) => {
    const wrong = rule.listeners.find((name) => !isKnown(name));
    if (wrong !== undefined) {
      problem(
        'authorization.rules',
        `entry ${index}: ${wrong} is no listener; there are ${known.join(', ')}`,
      );
    }
  });
  guard.listeners.forEach(({ listener }, index) => {
    if (!isKnown(listener)) {
      problem('guard.listeners', `entry ${index} needs a listener, one of ${known.join(', ')}`);
    } else if (guard.listeners.findIndex((other) => other.listener === listener) < index) {
      problem('guard.listeners', `entry ${index} is about a listener that has one already`);
    }
  });
  tenants.list.forEach(({ name }, index) => {
    if (name === '') problem('tenants.list', `entry ${index} needs a name`);
    else if (tenants.list.findIndex((other) => other.name === name) < index) {
      problem('tenants.list', `entry ${index} has the name of another`);
    }
  });
}
