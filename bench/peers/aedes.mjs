// Aedes as a peer of the comparison: its own defaults, no persistence but memory, Nagle's algorithm off.
// Prints the port it got and nothing else.
import { createServer } from 'node:net';
import { Aedes } from 'aedes';

const broker = await Aedes.createBroker();
const server = createServer({ noDelay: true }, broker.handle);
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
