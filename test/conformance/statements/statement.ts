/** `bridge`: a server that connects to other servers, which ours does not. */
export type Binds = 'server' | 'client' | 'both' | 'bridge';
/** Identifier, whom it binds, what it asks for in our words. */
export type Statement = readonly [id: string, binds: Binds, summary: string];
