import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { PROFILES, profileText } from '../../src/config/profiles.ts';

describe('configurations to begin with', () => {
  it.each(PROFILES)('%s is valid, without a warning', async (profile) => {
    const loaded = await loadConfig({ file: { name: 'robustmq.yaml', text: profileText(profile) } });
    expect(loaded).toMatchObject({ ok: true });
  });

  it('open nothing to others where nobody has to log in', async () => {
    for (const profile of PROFILES) {
      const loaded = await loadConfig({ file: { name: 'robustmq.yaml', text: profileText(profile) } });
      if (!loaded.ok) throw new Error(profile);
      const { listeners, security } = loaded.config;
      const open = Object.values(listeners).filter(
        (each) => each.enabled && 'host' in each && each.host === '0.0.0.0',
      );
      if (open.length > 0)
        expect([profile, security.authentication.authenticators]).toEqual([profile, ['database']]);
    }
  });
});
