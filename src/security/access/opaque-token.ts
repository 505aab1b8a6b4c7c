/** Tokens that say nothing: 256 random bits for the holder, their hash for us. */
import { createHash, randomBytes } from 'node:crypto';

const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export const newToken = (): string => randomBytes(32).toString('base64url');

/** By which it is found: nothing can be learned of the token from how long that takes. */
export const hashOfToken = (token: string): string => createHash('sha256').update(token).digest('base64url');

export const isToken = (text: string): boolean => TOKEN.test(text);
