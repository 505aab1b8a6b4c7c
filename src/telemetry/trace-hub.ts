/** Several who look at messages, as one: the collector, and whoever asks for a while what becomes of some. */
import type { Attributes, Step, Trace, Tracing } from './tracing.ts';

export interface TraceHub extends Tracing {
  /** Somebody looks: nothing of this is asked for otherwise. */
  readonly isActive: boolean;
  /** Until the returned function is called. */
  add(tracing: Tracing): () => void;
  /** Called after each change of who looks: what was decided before may be stale. */
  follow(changed: () => void): void;
}

function together(steps: readonly Step[]): Step {
  return {
    end(attributes?: Attributes, fault?: string) {
      for (const step of steps) step.end(attributes, fault);
    },
  };
}

function allOf(first: Trace, traces: readonly Trace[]): Trace {
  return {
    ...together(traces),
    context: first.context,
    step: (name, attributes) => together(traces.map((trace) => trace.step(name, attributes))),
  };
}

export function createTraceHub(): TraceHub {
  const looking = new Set<Tracing>();
  const followers: (() => void)[] = [];
  let current: Trace | undefined;

  const changed = (): void => {
    for (const follower of followers) follower();
  };
  const isAny = (asks: (tracing: Tracing) => boolean): boolean => {
    for (const each of looking) if (asks(each)) return true;
    return false;
  };

  return {
    get isActive() {
      return looking.size > 0;
    },
    covers: (topic, clientId) => isAny((each) => each.covers(topic, clientId)),
    singlesOut: (clientId) => isAny((each) => each.singlesOut(clientId)),
    begin(arrival) {
      const traces: Trace[] = [];
      for (const each of looking) {
        const trace = each.begin(arrival);
        if (trace !== undefined) traces.push(trace);
      }
      const [first] = traces;
      return first === undefined || traces.length === 1 ? first : allOf(first, traces);
    },
    within(trace, action) {
      const outer = current;
      current = trace;
      try {
        return action();
      } finally {
        current = outer;
      }
    },
    takeCurrent() {
      const taken = current?.context;
      current = undefined;
      return taken;
    },
    add(tracing) {
      looking.add(tracing);
      changed();
      return () => {
        if (looking.delete(tracing)) changed();
      };
    },
    follow(follower) {
      followers.push(follower);
    },
  };
}
