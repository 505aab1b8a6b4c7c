/** Texts of LDAP with values of clients in them: those are escaped, and never more than values. */

/** RFC 4515. */
export const escapedForFilter = (value: string): string =>
  value.replace(/[\\*()\0]/g, (character) => `\\${character.charCodeAt(0).toString(16).padStart(2, '0')}`);

/** RFC 4514. */
export function escapedForDn(value: string): string {
  const inner = value.replace(/[\\",+;<>=]/g, (character) => `\\${character}`).replaceAll('\0', '\\00');
  const front = /^[ #]/.test(inner) ? `\\${inner}` : inner;
  // A single space was escaped as the first one.
  return front.endsWith(' ') && front !== '\\ ' ? `${front.slice(0, -1)}\\ ` : front;
}

/** Each placeholder once, and never one that a value brings with it. */
export const filled = (
  template: string,
  values: Readonly<Record<string, string>>,
  escaped: (value: string) => string,
): string =>
  template.replace(/\$\{([a-z]+)\}/g, (written, name: string) =>
    Object.hasOwn(values, name) ? escaped(values[name] ?? '') : written,
  );

/** `cn=Admins\\, Europe,ou=groups` is `Admins, Europe`; what is no distinguished name stays as it is. */
export function firstName(dn: string): string {
  const found = /^ *[\w.-]+ *= *((?:\\.|[^\\,+])*)/s.exec(dn);
  if (found === null) return dn;
  const parts = (found[1] ?? '').match(/(?:\\[0-9a-fA-F]{2})+|\\.|[^\\]/gs) ?? [];
  while (parts.at(-1) === ' ') parts.pop();
  return parts
    .map((part) => {
      if (!part.startsWith('\\')) return part;
      // What is not ASCII may be written by its bytes.
      const isBytes = /^\\[0-9a-fA-F]{2}/.test(part);
      return isBytes ? Buffer.from(part.replaceAll('\\', ''), 'hex').toString('utf8') : part.slice(1);
    })
    .join('');
}
