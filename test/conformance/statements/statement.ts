export type Binds = 'server' | 'client' | 'both';
/** Identifier, whom it binds, what it asks for in our words. */
export type Statement = readonly [id: string, binds: Binds, summary: string];
