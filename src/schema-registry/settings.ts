/** Levels of compatibility and modes: for all subjects, for those of a context, and for each. */
import type { Mode, SubjectConfig } from './entities.ts';
import { notPermitted, RegistryError } from './errors.ts';
import type { RegistryLimits } from './limits.ts';
import type { Store } from './store.ts';
import { contextOf, contextScope, GLOBAL } from './subject-name.ts';

export interface Settings {
  /** Throws where a subject has none of its own and `orGlobal` does not ask for what is in force. */
  config(scope: string, orGlobal: boolean): SubjectConfig;
  /** What `config` does not say stays. */
  setConfig(scope: string, config: SubjectConfig): Promise<void>;
  /** Gives what was in force until now. */
  deleteConfig(scope: string): Promise<SubjectConfig>;
  mode(scope: string, orGlobal: boolean): Mode;
  setMode(scope: string, mode: Mode, isForced: boolean): Promise<void>;
  deleteMode(scope: string): Promise<Mode>;
}

export function createRegistrySettings(store: Store, limits: RegistryLimits): Settings {
  const { state } = store;

  const checkRoom = (isNew: boolean): void => {
    if (isNew && state.counts.settings >= limits.maxSettings) {
      throw notPermitted(`There are ${limits.maxSettings} settings already`);
    }
  };
  const noConfig = (scope: string): RegistryError =>
    new RegistryError(40408, `Subject '${scope}' does not have subject-level compatibility configured`);
  const noMode = (scope: string): RegistryError =>
    new RegistryError(40409, `Subject '${scope}' does not have subject-level mode configured`);
  const inForce = (config: SubjectConfig): SubjectConfig => ({
    compatibilityLevel: state.configFor(GLOBAL).compatibilityLevel,
    ...config,
  });

  function config(scope: string, orGlobal: boolean): SubjectConfig {
    const own = state.config(scope);
    if (scope === GLOBAL) return inForce(own ?? {});
    if (orGlobal) return inForce(state.configFor(scope));
    if (own === undefined) throw noConfig(scope);
    return own;
  }

  function mode(scope: string, orGlobal: boolean): Mode {
    const own = state.mode(scope);
    if (scope === GLOBAL) return own ?? 'READWRITE';
    if (orGlobal) return state.modeFor(scope);
    if (own === undefined) throw noMode(scope);
    return own;
  }

  /** Those that a change of mode concerns. */
  const hasSubjects = (scope: string): boolean =>
    state.subjects().some((subject) => [subject, contextScope(contextOf(subject)), GLOBAL].includes(scope));

  return {
    config,
    mode,
    setConfig: (scope, config) =>
      store.exclusively(async () => {
        if (state.modeFor(scope).startsWith('READONLY')) {
          throw notPermitted(
            scope === GLOBAL ? 'The registry is in read-only mode' : `Subject ${scope} is in read-only mode`,
          );
        }
        const own = state.config(scope);
        checkRoom(own === undefined);
        await store.commit([{ kind: 'config', scope, config: { ...own, ...config } }]);
      }),
    deleteConfig: (scope) =>
      store.exclusively(async () => {
        const own = state.config(scope);
        if (own === undefined && scope !== GLOBAL) throw noConfig(scope);
        if (own !== undefined) await store.commit([{ kind: 'config', scope, config: undefined }]);
        return inForce(own ?? {});
      }),
    setMode: (scope, mode, isForced) =>
      store.exclusively(async () => {
        if (mode === 'READONLY_OVERRIDE' && scope !== GLOBAL) {
          throw notPermitted('READONLY_OVERRIDE is for the registry as a whole');
        }
        const own = state.mode(scope);
        if (mode === 'IMPORT' && own !== 'IMPORT' && !isForced && hasSubjects(scope)) {
          throw notPermitted('Cannot import since found existing subjects');
        }
        checkRoom(own === undefined);
        await store.commit([{ kind: 'mode', scope, mode }]);
      }),
    deleteMode: (scope) =>
      store.exclusively(async () => {
        const own = state.mode(scope);
        if (own === undefined && scope !== GLOBAL) throw noMode(scope);
        if (own !== undefined) await store.commit([{ kind: 'mode', scope, mode: undefined }]);
        return own ?? 'READWRITE';
      }),
  };
}
