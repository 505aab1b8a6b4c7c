/**
 * A service that the broker asks who may log in (`security.authentication.http`), as a bridge to what the broker does not
 * speak itself. Put the look-up in an LDAP directory or an SQL table where `find` is:
 *
 *   LDAP: bind as `uid=<name>,ou=people,dc=example,dc=org` with the password; escape the name (RFC 4514).
 *   SQL:  select password_hash, roles from users where name = $1    -- always with a parameter, never by joining text
 *
 * node examples/http-authentication.mjs [port]
 *
 *   security:
 *     authentication:
 *       authenticators: [http]
 *       http:
 *         url: http://127.0.0.1:9380/
 */
import { scrypt, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

const hash = promisify(scrypt);
const MAX_BODY_BYTES = 64 * 1024;
const demo = { salt: 'demo', roles: ['reader'], hash: await hash('correct horse', 'demo', 32) };

async function find(name) {
  return name === 'demo' ? demo : undefined;
}

async function decide({ username, password }) {
  const user = await find(username);
  // The same work for a name that is not there, so that nobody learns which names are.
  const { salt, hash: kept } = user ?? demo;
  const isRight = timingSafeEqual(await hash(String(password), salt, 32), kept);
  if (user === undefined) return { result: 'ignore' };
  return isRight ? { result: 'allow', roles: user.roles } : { result: 'deny' };
}

async function bodyOf(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('the body is too long');
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}

const server = createServer(async (request, response) => {
  try {
    const answer = JSON.stringify(await decide(await bodyOf(request)));
    response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
  } catch {
    response.writeHead(400).end();
  }
});
server.listen(Number(process.argv[2] ?? 9380), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
