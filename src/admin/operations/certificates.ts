/** Certificates of the listeners, as they are in their files. */
import type { Awaitable } from '../node-view.ts';
import { offsetPage } from '../offset-page.ts';
import { found, named, operation, pageOf, paging } from '../operation.ts';
import { type Infer, integer, list, nullable, object, string } from '../schema.ts';

export const certificateView = object({
  listener: string('Listener.'),
  serverName: nullable(string('Server name that it is for; null is every other.')),
  file: string('Its file.'),
  subject: nullable(string('Whose it is; null where it cannot be read.')),
  issuer: nullable(string('Who has signed it.')),
  names: list(string('Name.'), 'Names that it is good for.'),
  fingerprint256: nullable(string('SHA-256 of the certificate.')),
  notBeforeMs: nullable(integer('From when on it is good.')),
  notAfterMs: nullable(integer('Until when.')),
  problem: nullable(string('What is wrong with it.')),
});
export type CertificateView = Infer<typeof certificateView>;

export interface CertificatesView {
  list(): Awaitable<readonly CertificateView[]>;
}

export const certificateOperations = {
  certificatesList: operation({
    id: 'certificates.list',
    verb: {
      words: 'cert list',
      examples: ['cert list'],
      columns: ['listener', 'serverName', 'notAfterMs', 'problem', 'subject'],
    },
    method: 'GET',
    path: '/certificates',
    summary: 'Certificates of all listeners that are on.',
    scope: 'certificates:read',
    audit: 'none',
    queryParameters: paging,
    output: pageOf(certificateView),
    run: async ({ certificates }, input) =>
      offsetPage('certificates.list', await certificates.list(), input, (each) => each),
  }),
  certificatesShow: operation({
    id: 'certificates.show',
    verb: { words: 'cert show', examples: ['cert show mqtts'] },
    method: 'GET',
    path: '/certificates/{listener}',
    summary: 'The certificates of a listener.',
    scope: 'certificates:read',
    audit: 'none',
    pathParameters: { listener: string('Listener.', { maxLength: 64 }) },
    output: object({
      certificates: list(certificateView, 'The usual one first, then those by server name.'),
    }),
    async run({ certificates }, { listener }) {
      const own = (await certificates.list()).filter((each) => each.listener === listener);
      found(own[0], named('listener with TLS', listener));
      return { certificates: own };
    },
  }),
};
