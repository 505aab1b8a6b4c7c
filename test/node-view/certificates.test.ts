import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { certificatesView } from '../../src/node-view/certificates.ts';
import { createCertificate } from '../support/certificates.ts';
import { startViewed } from './support.ts';

it('shows the certificates of the listeners that are on, with what is wrong with them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-certificates-'));
  const { certPem, keyPem } = createCertificate({
    commonName: 'broker.example',
    names: ['broker.example', '127.0.0.1'],
    validFrom: new Date(Date.UTC(2025, 0, 1)),
    validTo: new Date(Date.UTC(2035, 0, 1)),
  });
  const certFile = join(folder, 'cert.pem');
  const keyFile = join(folder, 'key.pem');
  writeFileSync(certFile, certPem);
  writeFileSync(keyFile, keyPem);
  const node = await startViewed({
    'storage.engine': 'memory',
    'listeners.mqtts.enabled': true,
    'listeners.mqtts.port': 0,
    'listeners.mqtts.tls.certFile': certFile,
    'listeners.mqtts.tls.keyFile': keyFile,
  });
  try {
    const [own] = await node.all('/certificates', 1);
    expect(own).toMatchObject({
      listener: 'mqtts',
      serverName: null,
      subject: expect.stringContaining('broker.example'),
      names: ['DNS:broker.example', 'IP Address:127.0.0.1'],
      notBeforeMs: Date.UTC(2025, 0, 1),
      notAfterMs: Date.UTC(2035, 0, 1),
      problem: null,
    });
    expect(JSON.stringify(own)).not.toContain('PRIVATE');
    expect((await node.get('/certificates/mqtts')).body).toEqual({ certificates: [own] });
    expect((await node.get('/certificates/wss')).status).toBe(404);
    const { config } = node.node.mqtt.context;
    const late = await certificatesView(config, () => Date.UTC(2036, 0, 1)).list();
    expect(late).toMatchObject([{ problem: 'it has expired' }]);
    writeFileSync(certFile, 'nothing of the kind');
    expect(await node.all('/certificates', 1)).toMatchObject([
      { subject: null, problem: expect.any(String) },
    ]);
  } finally {
    await node.stop();
    rmSync(folder, { recursive: true });
  }
});
