/** Levels of compatibility and modes, by address. */
import { type Action, type Call, demand, type Registry, type Route } from './call.ts';
import type { SubjectConfig } from './entities.ts';
import { configOf, flag, modeOf, scopeOf } from './input.ts';
import { GLOBAL } from './subject-name.ts';

const scope = (registry: Registry, call: Call, action: Action): string => {
  const [given] = call.given;
  const name = given === undefined ? GLOBAL : scopeOf(given, registry.limits);
  demand(call, action, name);
  return name;
};

const shownConfig = (
  { compatibilityLevel, normalize, compatibilityGroup }: SubjectConfig,
  name: string,
): object => ({
  [name]: compatibilityLevel,
  normalize,
  compatibilityGroup,
});

export const SETTINGS_ROUTES: readonly Route[] = [
  ...['config', 'config/*'].flatMap((path): Route[] => [
    {
      method: 'GET',
      path,
      run: (registry, call) => {
        const name = scope(registry, call, 'read');
        return shownConfig(
          registry.settings.config(name, flag(call.query, 'defaultToGlobal')),
          'compatibilityLevel',
        );
      },
    },
    {
      method: 'PUT',
      path,
      run: async (registry, call) => {
        const name = scope(registry, call, 'configure');
        const config = configOf(call.body);
        await registry.settings.setConfig(name, config);
        return shownConfig(config, 'compatibility');
      },
    },
    {
      method: 'DELETE',
      path,
      run: async (registry, call) => {
        const name = scope(registry, call, 'configure');
        return shownConfig(await registry.settings.deleteConfig(name), 'compatibilityLevel');
      },
    },
  ]),
  ...['mode', 'mode/*'].flatMap((path): Route[] => [
    {
      method: 'GET',
      path,
      run: (registry, call) => {
        const name = scope(registry, call, 'read');
        return { mode: registry.settings.mode(name, flag(call.query, 'defaultToGlobal')) };
      },
    },
    {
      method: 'PUT',
      path,
      run: async (registry, call) => {
        const name = scope(registry, call, 'configure');
        const mode = modeOf(call.body);
        await registry.settings.setMode(name, mode, flag(call.query, 'force'));
        return { mode };
      },
    },
    {
      method: 'DELETE',
      path,
      run: async (registry, call) => {
        const name = scope(registry, call, 'configure');
        return { mode: await registry.settings.deleteMode(name) };
      },
    },
  ]),
];
